"""One child process from its start to its end: its own session, a time limit, and its whole group killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process, TaskGroup

from jobwarden.transport.base import Completed

OUTPUT_MOST_BYTES = 64 * 1024 * 1024
"""A command that prints more is ended. `squeue --json` of 3000 jobs is 9 MB."""

_GROUP_LOOK_S = 0.02


class ChildTimeoutError(Exception):
    """The time was up; the group was killed."""


class OutputTooLongError(Exception):
    """It printed more than `OUTPUT_MOST_BYTES`; the group was killed."""


@dataclass(slots=True)
class Collected:
    """What a command has printed so far, on both streams."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)

    @property
    def too_long(self) -> bool:
        """Whether it is more than we keep."""
        return len(self.stdout) + len(self.stderr) > OUTPUT_MOST_BYTES


@dataclass(frozen=True, slots=True)
class ChildSetting:
    """What every child of one owner gets.

    Attributes:
        env: Its whole environment.
        cwd: Its working directory; must exist.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    env: Mapping[str, str]
    cwd: Path
    grace_s: float


async def run_child(
    words: Sequence[bytes], setting: ChildSetting, *, timeout_s: float, stdin: bytes = b""
) -> Completed:
    """Run a program to its end.

    Raises:
        OSError: It could not be started.
        ChildTimeoutError: Time was up.
        OutputTooLongError: It printed too much.
    """
    got = Collected()
    process = await anyio.open_process(
        list(words),
        stdin=PIPE if stdin else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=setting.env,
        cwd=setting.cwd,
        start_new_session=True,
    )
    done = False
    try:
        with anyio.move_on_after(timeout_s):
            await _converse(process, stdin, got)
            done = not got.too_long
    finally:
        with anyio.CancelScope(shield=True):
            if not done:
                await _kill_group(process, setting.grace_s)
            await process.aclose()
    if got.too_long:
        raise OutputTooLongError
    if not done:
        raise ChildTimeoutError
    assert process.returncode is not None
    return Completed(process.returncode, bytes(got.stdout), bytes(got.stderr))


async def _converse(process: Process, stdin: bytes, got: Collected) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    async with anyio.create_task_group() as group:
        if process.stdin is not None:
            group.start_soon(_feed, process.stdin, stdin)
        group.start_soon(_drain, process.stdout, got.stdout, got, group)
        group.start_soon(_drain, process.stderr, got.stderr, got, group)
    if not got.too_long:
        await process.wait()


async def _feed(stream: ByteSendStream, data: bytes) -> None:
    try:
        await stream.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # it need not read what it was given
    finally:
        await stream.aclose()


async def _drain(stream: ByteReceiveStream, into: bytearray, got: Collected, group: TaskGroup) -> None:
    async for piece in stream:
        into += piece
        if got.too_long:
            group.cancel_scope.cancel()
            return


async def _kill_group(process: Process, grace_s: float) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    with anyio.move_on_after(grace_s):
        await process.wait()
        # Its first process may be gone before the others have heard.
        while _signal_group(process.pid, 0):  # noqa: ASYNC110 -- they are no children of ours, whom we could wait for
            await anyio.sleep(_GROUP_LOOK_S)
        return
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(pid: int, number: int) -> bool:
    """Say whether there was anybody left to signal."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # the latter is macOS's word for a group of zombies
        return False
    return True
