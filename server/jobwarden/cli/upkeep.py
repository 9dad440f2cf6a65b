"""The commands about jobwarden itself: serve, watch, doctor, watcher, version."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobwarden.cli import exit_codes
from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.service.service import Service
    from jobwarden.service.views import DoctorView

_RECORD_S = 120.0
_SELFTEST_S = 600.0


class Duration(click.ParamType[float]):
    """A length of time, as seconds: 90, 90s, 10m, 2h, 7d."""

    name = "DURATION"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        found = re.fullmatch(r"(\d{1,6})([smhd]?)", value)
        if found is None:
            self.fail(f"{value!r} is no duration; write 90s, 10m, 2h or 7d.", param, ctx)
        return float(int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]])


@click.command(
    epilog=examples("claude mcp add jobwarden -- jobwarden serve", "codex mcp add jobwarden -- jobwarden serve")
)
@click.option("--http", is_flag=True, help="Speak HTTP instead of stdio.")
@click.option("--host", default="127.0.0.1", show_default=True, help="HTTP: the address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="HTTP: the port; 0: any.")
@click.option("--token-file", type=click.Path(path_type=Path), help="HTTP: holds the token that requests must carry.")
@click.option("--name", "names", multiple=True, help="HTTP: another host name that clients use; may be given again.")
@click.option("--act", "acts", is_flag=True, help="HTTP: who has the token may cancel jobs from the board's page.")
@pass_face
def serve(
    face: Face, *, http: bool, host: str, port: int, token_file: Path | None, names: tuple[str, ...], acts: bool
) -> ExitCode:
    """Be the MCP server that an agent's client starts.

    Over HTTP every request must carry the token; the first start makes one, and says where it is. There the board is a
    page too (jobwarden board --web), and /metrics tells Prometheus; what only looks has a token of its own.
    """
    from jobwarden.mcp_server import run as server

    if http:
        server.serve_http(face.env, host=host, port=port, token_file=token_file, names=names, acts=acts)
    else:
        server.serve_stdio(face.env, face.lifeline)
    return ExitCode.OK


@click.command(
    epilog=examples(
        "jobwarden watch",
        "jobwarden watch --after 0 --json | jq -r .event",
        "* * * * * jobwarden watch --once --all    # a line of crontab -e",
    )
)
@click.option(
    "--after",
    "after_seq",
    type=click.IntRange(min=0),
    metavar="N",
    help="Begin after event #N (0: at the first). [default: only what comes now]",
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N events. [default: never]")
@click.option("--once", is_flag=True, help="With --all: look at every job once, print what changed, and end.")
@click.option("--all", "everything", is_flag=True, help="All sessions; with --once.")
@shared_options
@pass_face
def watch(
    face: Face,
    *,
    after_seq: int | None,
    count: int | None,
    once: bool,
    everything: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Print the session's events as they come, one line each.

    It makes sure that the background watcher runs, and never becomes it. Each line begins with the event's
    number; give that to --after to go on from there.

    With --once --all it is for cron: it looks at every job of every session once, unless a watcher runs, prints a line
    for each change, and ends. It starts nothing, submits nothing and does no rule's action. Exit code 8: something has
    changed.
    """
    if once != everything:
        raise click.UsageError("--once and --all go together.")
    if once:
        if after_seq is not None or count is not None:
            raise click.UsageError("--once takes no --after and no --count.")
        return _once(face, session, as_json=as_json)
    face.ask(session, lambda service, caller: _watch(face, service, caller, after_seq, count, as_json=as_json))
    return ExitCode.OK


def _once(face: Face, session: str | None, *, as_json: bool) -> ExitCode:
    view = face.ask(session, lambda service, _caller: service.once.look())
    if as_json:
        click.echo(view.model_dump_json(indent=2, exclude_none=True))
        return exit_codes.of_once(view)
    from jobwarden.cli.words import clean, event_line

    for change in view.changes:
        click.echo(f"{clean(change.session)} {event_line(change.event, face.clock())}")
    if sys.stderr.isatty():  # cron would send a mail each minute that a host is down; the change to that is a line
        for trouble in view.troubles:
            click.echo(f"trouble: {clean(trouble)}", err=True)
        if view.passed_over:
            click.echo(f"{view.passed_over} session(s) are another machine's now, or could not be read.", err=True)
        if view.watcher:
            click.echo("The watcher runs, and looks itself.", err=True)
    return exit_codes.of_once(view)


async def _watch(
    face: Face, service: Service, caller: Caller, after_seq: int | None, count: int | None, *, as_json: bool
) -> None:
    from jobwarden.cli.words import event_line

    printed = 0
    async for event in service.follow(caller, after_seq=after_seq):
        click.echo(event.model_dump_json(exclude_none=True) if as_json else event_line(event, face.clock()))
        printed += 1
        if count is not None and printed >= count:
            return


@click.command(
    epilog=examples(
        "jobwarden doctor",
        "jobwarden doctor --host cluster-a",
        "jobwarden doctor --host cluster-a --record answers.json --for 10m",
        "jobwarden doctor --selftest cluster-a --option partition=short",
    )
)
@click.option("--host", "hosts", multiple=True, help="Look at this host too; may be given again.")
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Look at nothing; record what Slurm answers about your jobs, with all names replaced.",
)
@click.option(
    "--selftest",
    metavar="HOST",
    help="Run five jobs of a few seconds there, interrupt and resume their plan, and clear all of it away.",
)
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of sbatch, for --selftest: account=ml; repeatable."
)
@click.option("--for", "for_s", type=Duration(), help="How long to record (2m), or the selftest may take (10m).")
@shared_options
@pass_face
def doctor(
    face: Face,
    *,
    hosts: tuple[str, ...],
    record: Path | None,
    selftest: str | None,
    options: tuple[str, ...],
    for_s: float | None,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Say what would go wrong, and what mends it.

    Looks at the configuration, the folders, the watcher and every host. Below a trouble stands what mends it, where
    that is known.
    """
    if record is not None:
        return _record(face, hosts, record, for_s or _RECORD_S, session, as_json=as_json)
    if selftest is not None:
        view = _selftest(face, selftest, options, for_s or _SELFTEST_S, session)
    else:
        view = face.ask(session, lambda service, caller: service.doctor(caller, hosts=hosts))
    if as_json:
        click.echo(view.model_dump_json(indent=2))
    else:
        from jobwarden.cli.tables import doctor_text, show

        show(doctor_text(view))
    return ExitCode.BROKEN if any(check.outcome == "problem" for check in view.checks) else ExitCode.OK


def _selftest(face: Face, host: str, options: tuple[str, ...], for_s: float, session: str | None) -> DoctorView:
    given = {key: value for key, _, value in (option.partition("=") for option in options)}
    if not all(given.values()):
        raise click.UsageError("--option takes KEY=VALUE: --option partition=short")

    async def say(text: str) -> None:
        click.echo(text, err=True)

    return face.ask(
        session,
        lambda service, caller: service.selftest.run(caller, host, options=given, for_s=for_s, say=say),
    )


def _record(
    face: Face, hosts: tuple[str, ...], path: Path, for_s: float, session: str | None, *, as_json: bool
) -> ExitCode:
    if len(hosts) > 1:
        raise click.UsageError("--record takes one --host.")
    host = hosts[0] if hosts else "localhost"
    click.echo(f"Recording what Slurm answers on {host} for {for_s:g} s.", err=True)
    target = face.cwd / path
    view = face.ask(session, lambda service, _caller: service.record(host=host, path=target, for_s=for_s))
    if as_json:
        click.echo(view.model_dump_json(indent=2))
        return ExitCode.OK
    click.echo(f"{view.path}: {view.moments} moments of {view.jobs} jobs, {view.size_bytes} bytes.")
    click.echo(
        "Names, folders, commands, hosts and comments are placeholders and ids are shifted; times are as they were."
    )
    click.echo("Read it before you share it.")
    return ExitCode.OK


@click.group()
def watcher() -> None:
    """Look at the background process, or end it.

    It follows the jobs of all sessions. It starts by itself with the first job, and ends by itself when nothing is
    left to watch.
    """


@watcher.command("status")
@shared_options
@pass_face
def watcher_status(face: Face, *, session: str | None, as_json: bool) -> ExitCode:
    """Say whether it runs. Exit code 0 if it does, else 1."""
    view = face.ask(session, lambda service, _caller: service.watcher())
    if as_json:
        click.echo(view.model_dump_json(indent=2))
    elif view.running:
        from jobwarden.cli.words import moment

        since = f" since {moment(view.started_at, face.clock())}" if view.started_at else ""
        click.echo(f"running{since}: pid {view.pid}, version {view.version}\nlog: {view.log_path}")
    else:
        click.echo(f"not running\nlog: {view.log_path}")
    return ExitCode.OK if view.running else ExitCode.BROKEN


@watcher.command("stop")
@shared_options
@pass_face
def watcher_stop(face: Face, *, session: str | None, as_json: bool) -> ExitCode:
    """End it. It comes back with the next registration or `jobwarden watch`."""
    was_running = face.ask(session, lambda service, _caller: service.stop_watcher())
    if as_json:
        click.echo(json.dumps({"was_running": was_running}))
    else:
        click.echo("stopped" if was_running else "it was not running")
    return ExitCode.OK


@watcher.command("log")
@shared_options
@pass_face
def watcher_log(face: Face, *, session: str | None, as_json: bool) -> ExitCode:
    """Print the path of its log."""
    view = face.ask(session, lambda service, _caller: service.watcher())
    click.echo(view.model_dump_json(include={"log_path"}) if as_json else view.log_path)
    return ExitCode.OK


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def version(*, as_json: bool) -> ExitCode:
    """Print the version."""
    from importlib.metadata import version as installed

    number = installed("jobwarden")
    click.echo(json.dumps({"version": number}) if as_json else f"jobwarden {number}")
    return ExitCode.OK
