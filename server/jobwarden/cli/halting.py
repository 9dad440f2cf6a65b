"""The command stop-all: the emergency stop, and its lifting."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.service.halting_views import DoomedView, HaltView, StopView
    from jobwarden.service.service import Service

_LISTED = 20
_LIFT = "To let rules act again: jobwarden stop-all --lift"


@click.command(
    "stop-all",
    epilog=examples(
        "jobwarden stop-all",
        'jobwarden stop-all --project --yes --reason "the data set is wrong"',
        "jobwarden stop-all --dry-run",
        "jobwarden stop-all --lift",
    ),
)
@click.option("--session", metavar="ID", help="Only what this session watches. [default: all sessions of yours]")
@click.option("--project", is_flag=True, help="Only the sessions of the project in this folder.")
@click.option("--reason", default="", help="Why; it is kept.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be stopped, and do nothing.")
@click.option("--lift", "lifts", is_flag=True, help="Let the rules act again that an earlier stop has halted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@pass_face
def stop_all(
    face: Face,
    *,
    session: str | None,
    project: bool,
    reason: str,
    yes: bool,
    dry_run: bool,
    lifts: bool,
    as_json: bool,
) -> ExitCode:
    """End everything that is watched, so that nothing comes back.

    First the rules of these sessions are halted: they go on to tell, and do nothing else, until that is lifted. Then
    all jobs are cancelled, host by host, together with what a rule was just submitting. It needs no watcher.
    """
    if session is not None and project:
        raise click.UsageError("--session or --project, not both.")
    if lifts:
        return lift(face, session=session, project=project, as_json=as_json)
    if not yes and not dry_run and not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to be asked: give --yes.")

    async def look(service: Service, caller: Caller) -> DoomedView:
        return await service.halting.doomed(
            caller, await service.halting.sessions(caller, session=session, project=project)
        )

    doomed = face.ask(None, look)
    if not yes or dry_run:
        _say(_doomed_lines(doomed), as_json=as_json and not dry_run)
        if dry_run:
            if as_json:
                click.echo(doomed.model_dump_json(indent=2))
            return ExitCode.OK
        click.confirm("Halt their rules and cancel all of these?", abort=True, err=True)

    async def stop(service: Service, caller: Caller) -> StopView:
        sessions = await service.halting.sessions(caller, session=session, project=project)
        return await service.halting.stop(caller, sessions, reason=reason)

    view = face.ask(None, stop)
    if as_json:
        click.echo(view.model_dump_json(indent=2))
    else:
        _say(_stop_lines(view, _scope(session, project=project)), as_json=False)
    return ExitCode.OK if view.stopped else ExitCode.REFUSED


def lift(face: Face, *, session: str | None, project: bool, as_json: bool) -> ExitCode:
    """Let rules act again."""

    async def work(service: Service, caller: Caller) -> tuple[HaltView, ...]:
        return await service.halting.lift(
            caller, await service.halting.sessions(caller, session=session, project=project)
        )

    lifted = face.ask(None, work)
    if as_json:
        click.echo("[" + ", ".join(one.model_dump_json() for one in lifted) + "]")
        return ExitCode.OK
    from jobwarden.cli.words import clean, moment

    for one in lifted:
        why = f": {one.reason}" if one.reason else ""
        since = moment(one.since, face.clock())
        click.echo(f"The rules of session {clean(one.session)} act again; halted {since} by {clean(one.by + why)}.")
    if not lifted:
        click.echo("No rules were halted.")
    return ExitCode.OK


def _say(lines: Iterable[str], *, as_json: bool) -> None:
    from jobwarden.cli.words import clean

    for line in lines:
        click.echo(clean(line), err=as_json)


def _doomed_lines(view: DoomedView) -> list[str]:
    from jobwarden.cli.words import several

    lines = [f"Living: {several(len(view.jobs), 'job')} of {several(len(view.sessions), 'session')}"]
    lines += [
        f"  {job.type} {job.resubmitted_as or job.id} on {job.host}: {job.status or job.phase.value}"
        + (f", {job.name}" if job.name else "")
        for job in view.jobs[:_LISTED]
    ]
    if len(view.jobs) > _LISTED:
        lines.append(f"  ... and {len(view.jobs) - _LISTED} more")
    return lines


def _scope(session: str | None, *, project: bool) -> str:
    return f" --session {shlex.quote(session)}" if session is not None else " --project" if project else ""


def _stop_lines(view: StopView, scope: str) -> list[str]:
    from jobwarden.cli.words import several

    ended = sum(row.ended for row in view.rows)
    halted, jobs = several(len(view.halted), "session"), several(len(view.rows), "job")
    lines = [f"Rules of {halted} halted; ended: {ended} of {jobs} ({view.seconds:.0f} s)."]
    for row in view.rows:
        runs = [one.id for one in row.job.attempts][1:]
        made = f" (submitted again as {', '.join(runs)})" if runs else ""
        state = "ended" if row.ended else "has NOT ended"
        name = f" {row.job.name}" if row.job.name else ""
        lines.append(
            f"  {row.outcome}, {state}: {row.job.type} {row.job.id}{name} on {row.job.host}{made}: {row.job.status}"
            + ("" if row.outcome == "accepted" and row.ended else f": {row.text}")
        )
    lines += [f"Trouble: {text}" for text in view.unsettled]
    if view.unsettled:
        lines.append(f"Next: jobwarden stop-all{scope} --yes goes on with what is left; nothing is done twice.")
    return [*lines, f"{_LIFT}{scope}"]
