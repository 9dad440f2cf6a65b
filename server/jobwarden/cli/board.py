"""The command `board`: everything that is watched, live for a person at a terminal, once for a pipe."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.service.board_views import BoardView
    from jobwarden.service.service import Service


@click.command(epilog=examples("jobwarden board", "jobwarden board --once | grep FAILED", "jobwarden board --web"))
@click.option("--once", is_flag=True, help="Print it once as a table.")
@click.option("--web", is_flag=True, help="Print an address that opens it in a browser, once, within five minutes.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8642, show_default=True, help="With --web: the server's."
)
@click.option("--token-file", type=click.Path(path_type=Path), help="--web: as it was given to the server.")
@click.option("--read-only", is_flag=True, help="--web: an address that cannot cancel, whatever the server allows.")
@shared_options
@pass_face
def board(
    face: Face,
    *,
    once: bool,
    web: bool,
    port: int,
    token_file: Path | None,
    read_only: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Show the jobs of all your sessions, on a screen that keeps itself up to date.

    It reads what is known and asks no scheduler: the watcher does that. Keys: arrows choose, t shows its log, c cancels
    it (asks first), h holds, r releases, w pauses its watching or resumes it, / filters, f shows all or some, q ends.
    --web needs `jobwarden serve --http` to run.
    """
    if web:
        return _address(face, port, token_file, read_only=read_only, as_json=as_json)
    live = not once and not as_json
    if live and not _is_screen(face):
        click.echo("This is no terminal that can be painted on; here it is once.", err=True)
        live = False
    if live:
        face.ask(session, lambda service, caller: _live(face, service, caller))
        return ExitCode.OK
    view = face.ask(session, lambda service, caller: service.board.look(caller, wake=True))
    _print(face, view, as_json=as_json)
    return ExitCode.OK


def _is_screen(face: Face) -> bool:
    return sys.stdout.isatty() and sys.stdin.isatty() and face.env.get("TERM", "") not in ("", "dumb")


async def _live(face: Face, service: Service, caller: Caller) -> None:
    from jobwarden.cli.board_app import BoardApp

    await BoardApp(service.board, caller, clock=face.clock).run_async()


def _print(face: Face, view: BoardView, *, as_json: bool) -> None:
    if as_json:
        from jobwarden.service.board_views import json_text

        click.echo(json_text(view, indent=2))
        return
    from jobwarden.cli.board_words import board_text
    from jobwarden.cli.tables import show

    show(board_text(view, face.clock()))


def _address(face: Face, port: int, token_file: Path | None, *, read_only: bool, as_json: bool) -> ExitCode:
    from jobwarden.mcp_server.logins import login_url

    now = face.clock()
    address = login_url(face.env, now, port=port, read_only=read_only, token_file=token_file)
    click.echo(json.dumps({"url": address}) if as_json else address)
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        told = f"Nothing listens there yet: jobwarden serve --http --port {port}; then ask for an address again."
        click.echo(told, err=True)
    return ExitCode.OK
