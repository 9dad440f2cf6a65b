"""The commands control, pause and unpause: what can be done to jobs, and to their watching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options
from jobwarden.cli.jobs import answer

if TYPE_CHECKING:
    from jobwarden.service.controlling import Action

_JOBS = click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
_REASON = click.option("--reason", default="", help="Why; it is kept.")
_FORCE = click.option("--force", is_flag=True, help="Another session's jobs too.")


@click.group(
    epilog=examples(
        "jobwarden control hold ptq-llama-8b --reason 'the data is not ready'",
        "jobwarden control release 12345_[3-7]",
        "jobwarden control signal B:USR1 12345",
        "jobwarden control time-limit 2:00:00 12345",
        "jobwarden control resubmit 12345 mem=64G time=8:00:00",
    )
)
def control() -> None:
    """Hold, release, requeue, signal or resubmit jobs, and look what came of it.

    A JOB is named as for `status`; of an array that is watched also elements: 12345_7, 12345_[1-4]. What cannot be
    done says why, and what helps instead. To end jobs: `jobwarden cancel`.
    """


def _simple(name: str, action: Action, help_: str) -> click.Command:
    @click.command(name, help=help_)
    @_JOBS
    @_REASON
    @_FORCE
    @shared_options
    @pass_face
    def command(
        face: Face, *, jobs: tuple[str, ...], reason: str, force: bool, session: str | None, as_json: bool
    ) -> ExitCode:
        return _do(face, jobs, action, None, reason=reason, force=force, session=session, as_json=as_json)

    return command


for one in (
    _simple("hold", "hold", "Have waiting jobs not begin."),
    _simple("release", "release", "Let held jobs begin."),
    _simple("suspend", "suspend", "Have running jobs stand still. On Slurm only an operator can: see signal STOP."),
    _simple("resume", "resume", "Let suspended jobs go on. To watch paused ones again: `jobwarden unpause`."),
    _simple("top", "top", "Put waiting jobs before your other ones, where the cluster lets users do that."),
):
    control.add_command(one)


@control.command()
@_JOBS
@click.option("--hold", is_flag=True, help="It waits then until it is released.")
@_REASON
@_FORCE
@shared_options
@pass_face
def requeue(
    face: Face, *, jobs: tuple[str, ...], hold: bool, reason: str, force: bool, session: str | None, as_json: bool
) -> ExitCode:
    """End the run of jobs and have them begin again under the same id.

    What has not been saved is lost.
    """
    value = "hold" if hold else None
    return _do(face, jobs, "requeue", value, reason=reason, force=force, session=session, as_json=as_json)


@control.command()
@click.argument("name", metavar="SIGNAL")
@_JOBS
@_REASON
@_FORCE
@shared_options
@pass_face
def signal(
    face: Face, *, name: str, jobs: tuple[str, ...], reason: str, force: bool, session: str | None, as_json: bool
) -> ExitCode:
    """Send jobs a signal: USR1, TERM, STOP, CONT, ...

    On Slurm it reaches what srun has begun; B:USR1 goes to the batch script's shell alone, STOP and CONT to all of it.
    """
    return _do(face, jobs, "signal", name, reason=reason, force=force, session=session, as_json=as_json)


@control.command("time-limit")
@click.argument("limit", metavar="TIME")
@_JOBS
@_REASON
@_FORCE
@shared_options
@pass_face
def time_limit(
    face: Face, *, limit: str, jobs: tuple[str, ...], reason: str, force: bool, session: str | None, as_json: bool
) -> ExitCode:
    """Lower the time limit of jobs: minutes, 4:00:00 or 1-12:00:00. Raising it needs an operator of the cluster."""
    return _do(face, jobs, "time_limit", limit, reason=reason, force=force, session=session, as_json=as_json)


@control.command()
@click.argument("words", metavar="JOB... [OPTION=VALUE]...", nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Also one that lives: it is cancelled when the new one is submitted.")
@_REASON
@_FORCE
@shared_options
@pass_face
def resubmit(
    face: Face, *, words: tuple[str, ...], replace: bool, reason: str, force: bool, session: str | None, as_json: bool
) -> ExitCode:
    """Submit jobs again, with changed options: mem=64G time=8:00:00 partition=long.

    One more attempt of the same job, and never two alive. Plain Slurm jobs only.
    """
    jobs = tuple(word for word in words if "=" not in word)
    value = " ".join([*(word for word in words if "=" in word), *(["replace=true"] if replace else [])])
    if not jobs:
        raise click.UsageError("Which jobs?")
    return _do(face, jobs, "resubmit", value, reason=reason, force=force, session=session, as_json=as_json)


@click.command(
    epilog=examples(
        "jobwarden pause --host cluster-a --reason 'maintenance until noon'",
        "jobwarden pause ptq-llama-8b",
        "jobwarden pause --list",
    )
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--host", default="", help="All that is watched on this host, for every session: it is not asked at all.")
@click.option("--all", "everything", is_flag=True, help="All jobs of this session.")
@click.option("--list", "lists", is_flag=True, help="Only say what is paused.")
@_REASON
@_FORCE
@shared_options
@pass_face
def pause(
    face: Face,
    *,
    jobs: tuple[str, ...],
    host: str,
    everything: bool,
    lists: bool,
    reason: str,
    force: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Stop watching jobs for a while; the jobs themselves go on.

    Nobody asks about them, their rules rest, and they are shown as last known. `unpause` ends it.
    """
    if lists:
        return _list(face, session=session, as_json=as_json)
    _check(jobs, host, everything=everything)
    return _do(face, jobs, "pause_watching", host, reason=reason, force=force, session=session, as_json=as_json)


@click.command(epilog=examples("jobwarden unpause --host cluster-a", "jobwarden unpause ptq-llama-8b"))
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--host", default="", help="All that is watched on this host.")
@click.option("--all", "everything", is_flag=True, help="All jobs of this session.")
@_REASON
@_FORCE
@shared_options
@pass_face
def unpause(
    face: Face,
    *,
    jobs: tuple[str, ...],
    host: str,
    everything: bool,
    reason: str,
    force: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Watch again what was paused, and look at once what became of it."""
    _check(jobs, host, everything=everything)
    return _do(face, jobs, "resume_watching", host, reason=reason, force=force, session=session, as_json=as_json)


def _check(jobs: tuple[str, ...], host: str, *, everything: bool) -> None:
    if sum((bool(jobs), bool(host), everything)) != 1:
        raise click.UsageError("Name the jobs, or give --host or --all.")


def _list(face: Face, *, session: str | None, as_json: bool) -> ExitCode:
    found = face.ask(session, lambda service, _: service.control.paused())
    if as_json:
        import json

        click.echo(json.dumps([one.model_dump() for one in found], indent=2))
        return ExitCode.OK
    from jobwarden.cli.words import clean

    for one in found:
        click.echo(clean(f"{one.kind} {one.what}: not watched {one.since}"))
    if not found:
        click.echo("Nothing is paused.")
    return ExitCode.OK


def _do(
    face: Face,
    jobs: tuple[str, ...],
    action: Action,
    value: str | None,
    *,
    reason: str,
    force: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    # What is typed in a shell its user's own rights allow, or the agent's sandbox: no grant is needed.
    view = face.ask(
        session,
        lambda service, caller: service.control.control(
            caller, jobs=jobs, action=action, value=value, reason=reason, force=force, free=True
        ),
    )
    from jobwarden.cli.control_tables import control_text

    answer(face, view, control_text, as_json=as_json)
    return ExitCode.REFUSED if any(row.outcome in {"refused", "failed"} for row in view.rows) else ExitCode.OK
