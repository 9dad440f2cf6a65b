"""The command plan: jobs that a file describes, submitted once each, watched, and taken up again after whatever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobwarden.cli import exit_codes
from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options
from jobwarden.cli.jobs import answer

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.service.plan_views import PlanView
    from jobwarden.service.service import Service

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_PLAN = click.argument("plan", metavar="FILE|NAME")
_DRY = click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
_MOST = click.option("--at-most", type=click.IntRange(min=1), metavar="N", help="Submit no more than N now.")
_NO_WAIT = click.option("--no-wait", is_flag=True, help="Do not wait for submissions whose answer was lost.")


@click.group(
    no_args_is_help=True,
    epilog=examples(
        "jobwarden plan check sweep.toml",
        "jobwarden plan submit sweep.toml",
        "jobwarden plan status sweep --by subject",
        "jobwarden plan resume sweep --retry failed",
    ),
)
def plan() -> None:
    """Submit, watch and take up again the jobs of a plan file.

    Whatever dies in between, each job is submitted once: the same command again goes on. docs/plans.md has the format.
    """


@plan.command(epilog=examples("jobwarden plan check sweep.toml"))
@_FILE
@click.option("--offline", is_flag=True, help="Ask no host for the folders and scripts there.")
@shared_options
@pass_face
def check(face: Face, *, file: Path, offline: bool, session: str | None, as_json: bool) -> ExitCode:
    """Say everything that is wrong with a plan; do nothing."""
    path = face.cwd / file
    view = face.ask(session, lambda service, caller: service.plans.check(caller, path, ask_hosts=not offline))
    from jobwarden.cli.plan_tables import check_text

    answer(face, view, check_text, as_json=as_json)
    return ExitCode.OK if view.good else ExitCode.USAGE


@plan.command(epilog=examples("jobwarden plan submit sweep.toml", "jobwarden plan submit sweep.toml --dry-run"))
@_FILE
@_MOST
@_NO_WAIT
@_DRY
@shared_options
@pass_face
def submit(
    face: Face,
    *,
    file: Path,
    at_most: int | None,
    no_wait: bool,
    dry_run: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Submit what is missing of a plan, adopt what is in the queue already, and watch all of it."""
    path = face.cwd / file
    return _show(
        face,
        session,
        lambda service, caller: service.plans.submit(caller, path, at_most=at_most, wait=not no_wait, dry_run=dry_run),
        as_json=as_json,
    )


@plan.command(epilog=examples("jobwarden plan watch sweep.toml --follow", "jobwarden plan watch 1f3a.json --host hpc"))
@_PLAN
@click.option("--host", default="", help="Where the jobs of a session file are. [default: localhost]")
@click.option("--include-ended", is_flag=True, help="Look at those anew, too, whose end was told.")
@click.option("--follow", is_flag=True, help="Then print events as they come.")
@_DRY
@shared_options
@pass_face
def watch(
    face: Face,
    *,
    plan: str,
    host: str,
    include_ended: bool,
    follow: bool,
    dry_run: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Watch every job of a plan, registered before or not; submit nothing.

    FILE is a plan, or a session file (JSON) of jobs that something else has submitted.
    """
    what = _meant(face, plan)
    code = _show(
        face,
        session,
        lambda service, caller: service.plans.watch(
            caller, what, host=host, include_ended=include_ended, dry_run=dry_run
        ),
        as_json=as_json,
    )
    if follow and not dry_run:
        face.ask(session, lambda service, caller: _follow(face, service, caller, as_json=as_json))
    return code


@plan.command(
    epilog=examples(
        "jobwarden plan resume sweep",
        "jobwarden plan resume sweep --retry failed --tag subject=01",
        "jobwarden plan resume sweep --set expect='out/*.json >= 1k'",
    )
)
@_PLAN
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice(("failed", "cancelled", "lost", "unsure")),
    help="Submit those again that ended so; may be given again.",
)
@click.option("--name", "names", multiple=True, metavar="PATTERN", help="Of these only such names: 'train*'.")
@click.option("--tag", "tags", multiple=True, help="Only those with this tag; may be given again.")
@click.option("--include-ended", is_flag=True, help="Look at those anew, too, whose end was told.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="rules, restart, expect or ready, from now on; none."
)
@_MOST
@_NO_WAIT
@_DRY
@shared_options
@pass_face
def resume(
    face: Face,
    *,
    plan: str,
    retry: tuple[str, ...],
    names: tuple[str, ...],
    tags: tuple[str, ...],
    include_ended: bool,
    settings: tuple[str, ...],
    at_most: int | None,
    no_wait: bool,
    dry_run: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Go on after any interruption: find what was submitted, submit what is missing, lift a suspension."""
    what, overrides = _meant(face, plan), _settings(settings)
    return _show(
        face,
        session,
        lambda service, caller: service.plans.resume(
            caller,
            what,
            retry=retry,
            names=names,
            tags=tags,
            include_ended=include_ended,
            overrides=overrides,
            at_most=at_most,
            wait=not no_wait,
            dry_run=dry_run,
        ),
        as_json=as_json,
    )


@plan.command(epilog=examples("jobwarden plan suspend sweep --reason 'the data set is wrong'"))
@click.argument("name")
@click.option("--reason", required=True, help="Shown with the plan.")
@click.option("--hold", is_flag=True, help="Hold the jobs that wait in the queue, until resume.")
@_DRY
@shared_options
@pass_face
def suspend(
    face: Face, *, name: str, reason: str, hold: bool, dry_run: bool, session: str | None, as_json: bool
) -> ExitCode:
    """Submit nothing more of a plan, and pause the rules of its jobs, until resume. What runs goes on."""
    return _show(
        face,
        session,
        lambda service, caller: service.plans.suspend(caller, name, reason=reason, hold=hold, dry_run=dry_run),
        as_json=as_json,
    )


@plan.command(epilog=examples("jobwarden plan status sweep", "jobwarden plan status sweep --by procedure --by subject"))
@click.argument("name")
@click.option("--by", multiple=True, metavar="KEY", help="Count by the values of this tag; may be given again.")
@click.option("--no-refresh", is_flag=True, help="Ask no host; show what is known.")
@shared_options
@pass_face
def status(
    face: Face, *, name: str, by: tuple[str, ...], no_refresh: bool, session: str | None, as_json: bool
) -> ExitCode:
    """Show how the jobs of a plan stand, with counts by tag."""
    return _show(
        face,
        session,
        lambda service, caller: service.plans.status(caller, name, by=by, refresh=not no_refresh),
        as_json=as_json,
    )


@plan.command("list", epilog=examples("jobwarden plan list"))
@shared_options
@pass_face
def list_(face: Face, *, session: str | None, as_json: bool) -> ExitCode:
    """List the plans of this project."""
    view = face.ask(session, lambda service, caller: service.plans.listed(caller))
    from jobwarden.cli.plan_tables import list_text

    answer(face, view, list_text, as_json=as_json)
    return ExitCode.OK


@plan.command(epilog=examples("jobwarden plan forget sweep"))
@click.argument("name")
@shared_options
@pass_face
def forget(face: Face, *, name: str, session: str | None, as_json: bool) -> ExitCode:
    """Forget a plan. Its jobs stay as they are, and are watched as before."""
    face.ask(session, lambda service, caller: service.plans.forget(caller, name))
    click.echo("{}" if as_json else f"{name} is forgotten; its jobs are watched as before.")
    return ExitCode.OK


def _show(
    face: Face, session: str | None, work: Callable[[Service, Caller], Awaitable[PlanView]], *, as_json: bool
) -> ExitCode:
    view = face.ask(session, work)
    from jobwarden.cli.plan_tables import plan_text

    answer(face, view, plan_text, as_json=as_json)
    return exit_codes.of_plan(view)


async def _follow(face: Face, service: Service, caller: Caller, *, as_json: bool) -> None:
    from jobwarden.cli.words import event_line

    async for event in service.follow(caller):
        click.echo(event.model_dump_json(exclude_none=True) if as_json else event_line(event, face.clock()))


def _meant(face: Face, text: str) -> Path | str:
    """Take a text for a file where it looks like one, or is one."""
    path = face.cwd / text
    return path if "/" in text or text.endswith((".toml", ".json")) or path.is_file() else text


def _settings(texts: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise click.UsageError(f"--set {text}: write KEY=VALUE, as --set expect=out.json.")
        found.setdefault(key.strip(), []).append(value)
    return found
