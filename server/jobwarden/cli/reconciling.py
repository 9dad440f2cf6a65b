"""The command reconcile: completion checks by hand."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from jobwarden.cli import exit_codes
from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options
from jobwarden.cli.jobs import answer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jobwarden.identity import Caller
    from jobwarden.service.reconciling_views import ReconciledRow, ReconcileView
    from jobwarden.service.service import Service

_STYLES = {"changed": "bold", "contradicted": "bold red", "not asked": "yellow", "undecided": "yellow"}


@click.command(
    epilog=examples(
        "jobwarden reconcile",
        "jobwarden reconcile ptq-llama-8b",
        "jobwarden reconcile 12345 --expect 'out/*.json' --expect 'm.pt >= 1G'",
        "jobwarden reconcile --all --json",
    )
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Of all your sessions, not only of this one.")
@click.option(
    "--expect",
    multiple=True,
    metavar="CHECK",
    help='Look for this instead, once: out/*.json, "m.pt >= 1G", "log ~ REGEX"; may be given again.',
)
@shared_options
@pass_face
def reconcile(
    face: Face,
    *,
    jobs: tuple[str, ...],
    everything: bool,
    expect: tuple[str, ...],
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Ask about jobs anew, and look for the output that they were to make.

    Without a JOB: all that live, are lost, or ended lately. What is found is judged as ever: a success without its
    output has failed (after a second look), a job that its scheduler has forgotten has succeeded when its output is
    there. An ended job stays as it ended; what does not fit its end is said.
    """

    async def say(text: str) -> None:
        click.echo(text, err=True)

    async def work(service: Service, caller: Caller) -> ReconcileView:
        return await service.reconciling.reconcile(caller, jobs=jobs, everything=everything, expect=expect, say=say)

    view = face.ask(session, work)
    answer(face, view, reconcile_text, as_json=as_json)
    return exit_codes.of_reconcile(view)


def reconcile_text(view: ReconcileView, now: datetime) -> list[RenderableType]:
    """Say of each job what it was, what was found, and what it is."""
    from rich.text import Text

    from jobwarden.cli.tables import news_text
    from jobwarden.cli.words import clean

    parts: list[RenderableType] = []
    for row in view.rows:
        parts.append(Text(clean(_head(row)), style=_STYLES.get(row.outcome, "")))
        parts += [Text(f"  {clean(line)}") for line in _found(row)]
    if not view.rows:
        parts.append(Text("No jobs are watched in this session; --all looks at those of all your sessions."))
    parts += news_text(view.news, now)
    parts += [Text(f"Trouble: {clean(trouble)}", style="yellow") for trouble in view.troubles]
    return [*parts, *(Text(f"Note: {clean(note)}", style="dim") for note in view.notes)]


def _head(row: ReconciledRow) -> str:
    from jobwarden.cli.words import state, title

    job, was = row.job, row.was_status or row.was.value.upper()
    now = f"was {was} ({row.was}), is {state(job)} ({job.phase})" if row.outcome == "changed" else f"{was} ({row.was})"
    return f"{row.outcome}: {title(job)} ({job.type} {job.id} on {job.host}): {now}"


def _found(row: ReconciledRow) -> list[str]:
    lines = [row.text]
    words = {True: "there", False: "missing", None: "not seen"}
    lines += [f"{words[output.found]}: {output.expect}: {output.line}" for output in row.outputs]
    if row.seen is not None:
        lines += [f"$ {question}" for question in row.seen.question]
        # What was seen of the outputs stands above.
        told = {output.line for output in row.outputs}
        lines += [f"| {line}" for line in row.seen.lines if line not in told] or ["| (no line about this job)"]
    return lines
