"""The commands about jobs: register, run, status, wait, tail, explain, cancel."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import click

from jobwarden.cli import exit_codes
from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import RenderableType

    from jobwarden.identity import Caller
    from jobwarden.service.looking import Scope
    from jobwarden.service.service import Service
    from jobwarden.service.views import StatusView
    from jobwarden.service.waiting import Until

_V = TypeVar("_V", bound="BaseModel")

_WAIT_STEP_S = 600.0
"""A wait without a limit asks the service for this long at a time."""


def answer(face: Face, view: _V, text: Callable[[_V, datetime], Iterable[RenderableType]], *, as_json: bool) -> None:
    """Print a view, for a program or for a person."""
    if as_json:
        click.echo(view.model_dump_json(indent=2))
        return
    from jobwarden.cli.tables import show

    show(text(view, face.clock()))


@click.command(
    epilog=examples(
        "jobwarden register slurm 12345 --host cluster-a --name ptq-llama-8b",
        "jobwarden register slurm 12345 12346 --host cluster-a --tag sweep",
    )
)
@click.argument("kind", metavar="TYPE")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--host", default="localhost", show_default=True, help="Where it runs: a name that ssh understands.")
@click.option("--user", default="", help="Whose job it is, for the list. The login is what ssh decides for --host.")
@click.option("--name", help="A name to call it by.")
@click.option("--description", default="", help="What it is, for whoever reads the list.")
@click.option("--tag", "tags", multiple=True, help="A word to call several jobs by; may be given again.")
@click.option("--log", "log_path", metavar="PATH", help="Its log there, where the scheduler does not say.")
@click.option(
    "--expect",
    multiple=True,
    metavar="CHECK",
    help='A file or glob that it must have made: out/*.json, "m.pt >= 1G", "log ~ REGEX"; may be given again.',
)
@click.option("--ready", metavar="CHECK", help='For a service, when it is up: 8000, 8000/health, "~ REGEX" of its log.')
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="What to look for in its log; see rules --help.")
@shared_options
@pass_face
def register(
    face: Face,
    *,
    kind: str,
    ids: tuple[str, ...],
    host: str,
    user: str,
    name: str | None,
    description: str,
    tags: tuple[str, ...],
    log_path: str | None,
    expect: tuple[str, ...],
    ready: str | None,
    rules: tuple[str, ...],
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Watch submitted jobs until they have ended.

    TYPE is slurm, nel, launcher, or what a plug-in brings. To a job that is watched already it adds what was not said
    of it yet.
    """
    view = face.ask(
        session,
        lambda service, caller: service.register(
            caller,
            type=kind,
            ids=ids,
            host=host,
            user=user,
            description=description,
            name=name,
            tags=tags,
            log_path=log_path,
            expect=expect,
            ready=ready,
            rules=rules,
        ),
    )
    from jobwarden.cli.tables import register_text

    answer(face, view, register_text, as_json=as_json)
    return exit_codes.of_register(view)


@click.command(
    epilog=examples(
        "jobwarden run --name sft -- python train.py --epochs 3", "jobwarden run -- sh -c 'make data && make train'"
    )
)
@click.argument("argv", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--name", help="A name to call it by.")
@click.option("--description", default="", help="What it is, for whoever reads the list.")
@click.option("--log", "log_path", metavar="PATH", help="Where its output goes. [default: jobwarden decides]")
@click.option("--ready", metavar="CHECK", help='For a service, when it is up: 8000, 8000/health, "~ REGEX" of its log.')
@shared_options
@pass_face
def run(
    face: Face,
    *,
    argv: tuple[str, ...],
    name: str | None,
    description: str,
    log_path: str | None,
    ready: str | None,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Start a program on this machine in the background, and watch it.

    It outlives this terminal and the agent, and its exit code is kept.
    """
    view = face.ask(
        session,
        lambda service, caller: service.run_process(
            caller, argv, cwd=face.cwd, name=name, description=description, log_path=log_path, ready=ready
        ),
    )
    from jobwarden.cli.tables import register_text

    answer(face, view, register_text, as_json=as_json)
    return ExitCode.OK


@click.command(
    epilog=examples(
        "jobwarden status",
        "jobwarden status sweep --json",
        "jobwarden status ptq-llama-8b; test $? = 3 && echo it failed",
    )
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option(
    "--scope",
    type=click.Choice(["session", "project"]),
    help="Whose jobs. [default: session for an agent, project for a person]",
)
@click.option("--no-refresh", is_flag=True, help="Show what is known; ask no host.")
@shared_options
@pass_face
def status(
    face: Face,
    *,
    jobs: tuple[str, ...],
    scope: Scope | None,
    no_refresh: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Say where the jobs stand, what ended badly first.

    A JOB is named by its id, type:id, host:id, its name, or a tag.
    """

    async def work(service: Service, caller: Caller) -> StatusView:
        chosen: Scope = scope or ("project" if caller.agent == "manual" else "session")
        return await service.status(caller, jobs=jobs, refresh=not no_refresh, scope=chosen)

    view = face.ask(session, work)
    from jobwarden.cli.tables import status_text

    answer(face, view, status_text, as_json=as_json)
    return exit_codes.of_status(view)


@click.command(
    epilog=examples(
        "jobwarden wait ptq-llama-8b && ./evaluate.sh",
        "jobwarden wait --until change --timeout 300",
    )
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option(
    "--until",
    type=click.Choice(["change", "ready", "terminal", "all_terminal"]),
    default="all_terminal",
    show_default=True,
    help="What to wait for: any change, a service that is up (or ends), one end, or the end of all.",
)
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), metavar="SECONDS", help="[default: no limit]")
@shared_options
@pass_face
def wait(
    face: Face,
    *,
    jobs: tuple[str, ...],
    until: Until,
    timeout_s: float | None,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Wait until jobs have ended, or changed.

    Then they are shown as `status` shows them.
    """
    limit_s = math.inf if timeout_s is None else timeout_s
    view = face.ask(session, lambda service, caller: _wait(service, caller, jobs, until, limit_s))
    from jobwarden.cli.tables import status_text

    answer(face, view, status_text, as_json=as_json)
    return exit_codes.of_status(view)


async def _wait(service: Service, caller: Caller, jobs: tuple[str, ...], until: Until, limit_s: float) -> StatusView:
    """Wait in steps, and keep the news of every step for the answer at the end."""
    waited_s = 0.0
    earlier: StatusView | None = None
    while True:
        step_s = min(limit_s - waited_s, _WAIT_STEP_S)
        view = await service.wait(caller, jobs=jobs, until=until, timeout_s=step_s, progress=_progress)
        if earlier is not None:
            passed_s = (earlier.waited_s or 0.0) + (view.waited_s or 0.0)
            view = view.model_copy(update={"news": (*earlier.news, *view.news), "waited_s": passed_s})
        waited_s += step_s
        nothing_left = not (view.counts.running or view.counts.pending or view.counts.suspended or view.counts.unknown)
        alive = [job for job in view.jobs if not job.phase.closed]
        unwatched = bool(alive) and all(job.paused_since is not None for job in alive)  # it would not come to an end
        if view.met or nothing_left or unwatched or waited_s >= limit_s:
            _clear_progress()
            return view
        earlier = view


async def _progress(waited_s: float, text: str) -> None:
    if sys.stderr.isatty():
        from jobwarden.cli.words import clean, duration

        click.echo("\r\x1b[K" + f"{duration(waited_s)} {clean(text)}"[:78], nl=False, err=True)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)


@click.command(
    epilog=examples(
        "jobwarden tail ptq-llama-8b -n 20",
        "jobwarden tail 12345 --stream stderr --grep 'error|warn' --context 2",
        "jobwarden tail 12345 --task 7",
        "jobwarden tail -f ptq-llama-8b sft-llama-8b",
    )
)
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option("-n", "--lines", type=click.IntRange(1, 10_000), default=80, show_default=True, help="How many lines.")
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on as the log grows, until the job has ended.")
@click.option("--stream", help="stdout (default), stderr, both; nel: client, server, slurm; launcher: launcher.")
@click.option("--task", help="Array index or task; by default the first that failed.")
@click.option("--cursor", help="Only what is new since the answer that ended with this cursor.")
@click.option("--grep", metavar="PATTERN", help="Only lines that match (RE2's syntax), the last ones.")
@click.option("--context", type=click.IntRange(0, 1000), default=0, help="So many lines around each match.")
@click.option("--color", "colour", type=click.Choice(["auto", "always", "never"]), default="auto", help="With -f.")
@shared_options
@pass_face
def tail(
    face: Face,
    *,
    jobs: tuple[str, ...],
    lines: int,
    follows: bool,
    stream: str | None,
    task: str | None,
    cursor: str | None,
    grep: str | None,
    context: int,
    colour: str,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Show the end of a job's log, or with -f of several jobs' logs and what comes after it.

    The log goes to stdout, and what is said about it to stderr: last, the cursor for the next time. With -f the exit
    code tells how the jobs ended.
    """
    if follows:
        if cursor or grep:
            raise click.UsageError("-f goes with neither --cursor nor --grep; for the latter, pipe it into grep.")
        from jobwarden.cli import tailing

        asked = tailing.Wanted(jobs, lines=lines, stream=stream or "stdout", task=task)
        return tailing.follow(face, asked, colour=colour, session=session, as_json=as_json)
    if len(jobs) != 1:
        raise click.UsageError("Several logs can only be followed: -f.")
    (job,) = jobs
    view = face.ask(
        session,
        lambda service, caller: service.tail(
            caller, job, lines=lines, stream=stream, task=task, cursor=cursor, grep=grep, context=context
        ),
    )
    if as_json:
        click.echo(view.model_dump_json(indent=2))
        return ExitCode.OK
    from jobwarden.cli.words import clean

    if view.path is not None:
        click.echo(clean(view.path) + _sizes(view.size_bytes, view.omitted_bytes), err=True)
    if view.note:
        click.echo(clean(view.note), err=True)
    if view.text:
        click.echo(view.text, nl=not view.text.endswith("\n"))
    if view.cursor:
        click.echo(f"cursor: {clean(view.cursor)}", err=True)
    return ExitCode.OK


def _sizes(size_bytes: int | None, omitted_bytes: int) -> str:
    if size_bytes is None:
        return ""
    return f" ({size_bytes} bytes" + (f", {omitted_bytes} before that not shown)" if omitted_bytes else ")")


@click.command(epilog=examples("jobwarden explain ptq-llama-8b"))
@click.argument("job")
@shared_options
@pass_face
def explain(face: Face, *, job: str, session: str | None, as_json: bool) -> ExitCode:
    """Say why a job is in the state that it is in.

    Prints each change with what decided it: when, which command, the raw lines of its answer, the rule.
    """
    view = face.ask(session, lambda service, caller: service.explain(caller, job))
    from jobwarden.cli.tables import explain_text

    answer(face, view, explain_text, as_json=as_json)
    return ExitCode.OK


@click.command(
    epilog=examples('jobwarden cancel ptq-llama-8b --reason "wrong data"', "jobwarden cancel --all --dry-run")
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--all", "all_jobs", is_flag=True, help="All jobs of this session.")
@click.option("--reason", default="", help="Why; it is kept.")
@click.option("--dry-run", is_flag=True, help="Say what would be cancelled, and cancel nothing.")
@click.option("--force", is_flag=True, help="Another session's jobs too.")
@shared_options
@pass_face
def cancel(
    face: Face,
    *,
    jobs: tuple[str, ...],
    all_jobs: bool,
    reason: str,
    dry_run: bool,
    force: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Stop jobs, and look whether they end."""
    if bool(jobs) == all_jobs:
        raise click.UsageError("Name the jobs, or give --all.")
    view = face.ask(
        session,
        lambda service, caller: service.cancel(
            caller, jobs=jobs, all_jobs=all_jobs, reason=reason, dry_run=dry_run, force=force
        ),
    )
    from jobwarden.cli.tables import cancel_text

    answer(face, view, cancel_text, as_json=as_json)
    return ExitCode.REFUSED if any(row.outcome in {"refused", "failed"} for row in view.rows) else ExitCode.OK
