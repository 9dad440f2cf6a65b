"""The face of `jobwarden tail -f`: how it runs, and when it ends."""

from __future__ import annotations

import select
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import fstat
from typing import TYPE_CHECKING

import anyio

from jobwarden.cli import exit_codes
from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face

if TYPE_CHECKING:
    from jobwarden.cli.growing import Printer
    from jobwarden.identity import Caller
    from jobwarden.service.service import Service
    from jobwarden.service.told import Ended, Told

_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be followed; see `Service.follow_logs`."""

    jobs: Sequence[str]
    lines: int
    stream: str
    task: str | None


def follow(face: Face, wanted: Wanted, *, colour: str, session: str | None, as_json: bool) -> ExitCode:
    """Print the last lines of these jobs' logs and what comes after them, until all have ended."""

    async def work(service: Service, caller: Caller) -> tuple[Ended, ...]:
        from jobwarden.cli.growing import choose_printer

        printer = choose_printer(face.env, face.clock, colour=colour, as_json=as_json)

        async def tell(told: Told) -> None:
            printer.take(told, anyio.current_time())

        ended: tuple[Ended, ...] = ()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_tick, printer)
                ended = await service.follow_logs(
                    caller, wanted.jobs, lines=wanted.lines, stream=wanted.stream, task=wanted.task, tell=tell
                )
                tasks.cancel_scope.cancel()
        finally:
            with suppress(BrokenPipeError):
                printer.close()
        return ended

    return exit_codes.of_follow(face.ask(session, work))


async def _tick(printer: Printer) -> None:
    while True:
        await anyio.sleep(_TICK_S)
        printer.tick(anyio.current_time())
        if _reader_left():
            raise BrokenPipeError


def _reader_left() -> bool:
    """Whether stdout is a pipe that nobody reads any more: a silent log would never find out."""
    try:
        number = sys.stdout.fileno()
        mode = fstat(number).st_mode
    except (OSError, ValueError):
        return False
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    looked = select.poll()
    looked.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in looked.poll(0))
