"""The command history: what ran, how it went, one job's story, statistics; as text, JSON, CSV or a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options
from jobwarden.cli.jobs import answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobwarden.identity import Caller
    from jobwarden.service.past.choosing import By, Query
    from jobwarden.service.past_views import HistoryView, StatsView, TimelineView
    from jobwarden.service.service import Service

_LIMIT = 20
_MANY = 1000
"""For a program or a drawing, as many as there may be."""


@click.command(
    epilog=examples(
        "jobwarden history --since 7d --state failed",
        "jobwarden history train-llama",
        "jobwarden history --stats --by host --since 30d",
        "jobwarden history --name 'eval-*' --csv > evals.csv",
        "jobwarden history train-llama --plot loss.svg",
    )
)
@click.argument("job", required=False)
@click.option("--state", metavar="WORDS", help="Phases (failed), or the scheduler's words (TIMEOUT), comma-separated.")
@click.option("--type", "kind", metavar="TYPE", help="slurm, nel, launcher, process, or a plug-in's.")
@click.option("--host", help="Where it was registered.")
@click.option("--name", metavar="NAME", help="Its name; * and ? stand for anything.")
@click.option("--since", metavar="WHEN", help="Ended since: 24h, 7d, 2w, 2026-11-20 or 2026-11-20T10:00.")
@click.option("--text", metavar="TEXT", help="In its id, names, description, tags, state, cause, result or node.")
@click.option(
    "--scope",
    type=click.Choice(["session", "project", "user"]),
    help="Whose jobs. [default: session for an agent, project for a person]",
)
@click.option("--limit", type=click.IntRange(1, _MANY), metavar="N", help="How many to show. [default: 20; CSV: 1000]")
@click.option("--page", type=click.IntRange(min=1), default=1, metavar="N", help="Which; the newest are on page 1.")
@click.option("--runs", "singly", is_flag=True, help="Each run by itself, also ended ones of jobs that live again.")
@click.option("--stats", is_flag=True, help="Success rates, durations, waiting, causes, metrics, health.")
@click.option(
    "--by",
    type=click.Choice(["name", "series", "type", "host", "tag", "user"]),
    default="name",
    show_default=True,
    help="For --stats: what to group by. series: train-1 and train-2 are one, train-*.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.option(
    "--plot",
    "picture",
    metavar="FILE.svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw: of JOB its metrics over time, else how long jobs took.",
)
@shared_options
@pass_face
def history(
    face: Face,
    *,
    job: str | None,
    state: str | None,
    kind: str | None,
    host: str | None,
    name: str | None,
    since: str | None,
    text: str | None,
    scope: str | None,
    limit: int | None,
    page: int,
    singly: bool,
    stats: bool,
    by: By,
    as_csv: bool,
    picture: Path | None,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """List ended jobs, newest first, or tell the whole story of one.

    JOB is an id, type:id, host:id or a name; a name that several have lists these. No host is asked. The success rate
    is of those that succeeded or failed; durations are of those that succeeded: median, and from where to where the
    middle half lies.
    """
    if sum((as_json, as_csv, picture is not None)) > 1:
        raise click.UsageError("One of --json, --csv and --plot.")
    if picture is not None and picture.suffix != ".svg":
        raise click.UsageError(
            "--plot writes .svg, which every browser shows; for a PNG: rsvg-convert -o plot.png plot.svg"
        )
    most = limit or (_MANY if as_csv or picture is not None else _LIMIT)

    def query(caller: Caller) -> Query:
        from jobwarden.service.past.choosing import Query

        chosen = scope or ("project" if caller.agent == "manual" else "session")
        return Query(job, state, kind, host, name, since, text, chosen, most, page, singly)

    if stats:
        view = face.ask(session, lambda service, caller: service.past.statistics(caller, query(caller), by=by))
        return _stats(face, view, picture, as_csv=as_csv, as_json=as_json)

    async def work(service: Service, caller: Caller) -> HistoryView | TimelineView:
        return await service.past.history(caller, query(caller))

    return _past(face, face.ask(session, work), picture, as_csv=as_csv, as_json=as_json)


def _stats(face: Face, view: StatsView, picture: Path | None, *, as_csv: bool, as_json: bool) -> ExitCode:
    from jobwarden.cli.history_csv import stats_csv
    from jobwarden.cli.history_tables import stats_text

    if picture is not None:
        raise click.UsageError("--plot draws single jobs: leave out --stats.")
    if as_csv:
        click.echo(stats_csv(view), nl=False)
        left = [f"{view.left_out} smaller groups are left out: narrow with --name, --since or --host."]
        _aside([*view.troubles, *(left if view.left_out else [])])
    else:
        answer(face, view, stats_text, as_json=as_json)
    return ExitCode.OK


def _past(
    face: Face, view: HistoryView | TimelineView, picture: Path | None, *, as_csv: bool, as_json: bool
) -> ExitCode:
    from jobwarden.cli.history_csv import history_csv
    from jobwarden.cli.history_tables import history_text
    from jobwarden.service.past_views import TimelineView

    if not isinstance(view, TimelineView) and (as_csv or picture is not None):
        total = view.counts.total
        left = [f"{len(view.jobs)} of {total} are in it; --page {view.page + 1} has older ones."] if view.after else []
        _aside([*view.troubles, *left])
    if picture is not None:
        from jobwarden.cli.history_plot import plot

        drawing = plot(view)
        if drawing is None:
            raise click.UsageError("There is nothing to draw: no values of metrics, or no job that ran to its end.")
        path = face.cwd / picture
        try:
            path.write_text(drawing, encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"{path} cannot be written: {error.strerror}.") from error
        click.echo(str(path))
    elif as_csv:
        click.echo(history_csv(view), nl=False)
    else:
        answer(face, view, history_text, as_json=as_json)
    return ExitCode.OK


def _aside(lines: Sequence[str]) -> None:
    """Say beside the data what is not in it."""
    from jobwarden.cli.words import clean

    for line in lines:
        click.echo(clean(line), err=True)
