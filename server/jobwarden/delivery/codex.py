"""Waking an idle Codex by `codex queue`: what its hooks wrote down of it, and the one command that is run.

Seen on Codex 0.169.0: a message that is queued for a thread which is loaded and idle starts a turn within ten seconds,
and the hook for prompts runs before it. So the message is a bell: the hook tells what there is to tell, once, and
nothing that a job or its log says is ever sent as the user's words.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from jobwarden.transport.children import ChildSetting, ChildTimeoutError, OutputTooLongError, run_child
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.processes import ProcessId
from jobwarden_registry.session import Session

FILE = "codex.json"
"""In the session's folder of the user's state; `hooks/` writes it."""
RUNG = "codex-rung"
_TIMEOUT_S = 30.0
_GRACE_S = 2.0
_KEPT = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "PATH", "TMPDIR")


class WakingError(JobwardenError):
    """An idle agent could not be woken; it is told at its next prompt."""

    code: str = "waking.failed"


class Thread(BaseModel):
    """A thread of Codex, as its hook wrote it down last.

    Attributes:
        process: The Codex that it is loaded in.
        program: That process's own program.
        home: CODEX_HOME.
        idle_since: When its last turn ended, in seconds since 1970; None: a turn goes on.
    """

    model_config = ConfigDict(frozen=True)

    process: ProcessId
    program: Path
    home: Path
    idle_since: float | None = None


def thread_of(session: Session) -> Thread | None:
    """Give what is known of a session's Codex; None: it has none that a hook spoke of."""
    folder = session.opened()
    if folder is None:
        return None
    with folder:
        data = folder.read(FILE)
    try:
        return None if data is None else Thread.model_validate_json(data)
    except ValidationError:
        return None


def turn_goes_on(session: Session) -> None:
    """Note that the agent was held at its stop: it does not rest."""
    thread = thread_of(session)
    if thread is not None and thread.idle_since is not None:
        with session.locked() as folder:
            busy = thread.model_copy(update={"idle_since": None})
            folder.replace(FILE, busy.model_dump_json().encode(), sync=False)


def is_rung(session: Session, thread: Thread) -> bool:
    """Whether the bell has been rung since this thread's last turn."""
    folder = session.opened()
    if folder is None:
        return False
    with folder:
        return folder.read(RUNG) == _mark(thread)


def note_rung(session: Session, thread: Thread) -> None:
    """Note that the bell rings now: whatever comes of it, it does not ring again before the thread's next turn.

    Raises:
        LockTimeoutError, UnwritableError: It could not be noted, and must not be rung.
    """
    with session.locked() as folder:
        folder.replace(RUNG, _mark(thread), sync=False)


def _mark(thread: Thread) -> bytes:
    return repr(thread.idle_since).encode()


def refusal(thread: Thread, project: Path) -> str:
    """Say why this program must not be run for the user; empty where it may.

    It must be the user's own or root's, with everything above it, and nobody else's to change; and none of the project
    that the agent works in.
    """
    try:
        program, home = thread.program.resolve(strict=True), thread.home.resolve(strict=True)
        if not thread.program.is_absolute() or not stat.S_ISREG(program.stat().st_mode):
            return f"{thread.program} is no program"
        if program.is_relative_to(project.resolve()):
            return f"{program} is part of the project"
        open_to_others = [path for path in (program, *program.parents, home) if _may_be_changed(path)]
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return f"{open_to_others[0]} can be changed by others" if open_to_others else ""


def _may_be_changed(path: Path) -> bool:
    """Whether others may change it; in a folder like /tmp they may not touch what is not theirs."""
    found = path.stat()
    shared = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    return found.st_uid not in (0, os.geteuid()) or bool(found.st_mode & 0o022 and not shared)


async def can_queue(thread: Thread, env: Mapping[str, str]) -> bool:
    """Whether this Codex has the command, by its own help.

    Raises:
        WakingError: It cannot be run.
    """
    code, said = await _run(thread, env, "queue", "--help")
    return code == 0 and "--thread" in said and "--message" in said


async def ring(thread: Thread, env: Mapping[str, str], *, session_id: str, count: int) -> None:
    """Leave a thread the message that there is news.

    Raises:
        WakingError: It was not left there.
    """
    text = (
        f"jobwarden: {count} thing(s) that happened to watched jobs and were not told yet stand in the context of this "
        "message; check_status shows where the jobs are. (Sent by jobwarden's watcher, not typed by the user.)"
    )
    code, said = await _run(thread, env, "queue", "--thread", session_id, "--message", text)
    if code != 0:
        raise WakingError(f"codex queue ended with {code}: {said[-300:].strip()}")


async def _run(thread: Thread, env: Mapping[str, str], *words: str) -> tuple[int, str]:
    kept = {name: env[name] for name in _KEPT if name in env} | {"CODEX_HOME": str(thread.home)}
    setting = ChildSetting(kept, thread.home, _GRACE_S)
    try:
        done = await run_child(
            [os.fsencode(thread.program), *(word.encode() for word in words)], setting, timeout_s=_TIMEOUT_S
        )
    except (OSError, ChildTimeoutError, OutputTooLongError) as error:
        raise WakingError(f"{thread.program} could not be run: {error!r}") from error
    return done.status, (done.stdout + done.stderr).decode(errors="replace")
