"""Holding a supervised program up, and letting it go on: SIGSTOP and SIGCONT to its whole session; other signals.

The program itself is held by a pidfd whose start time was read again: it is stopped first and goes on last, so that
its session stays its own meanwhile, and every other member is looked at once more before it is signalled.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from jobwarden.sources.base import CancelOutcome, Host, Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.process.reach import check_ours, held, signallable
from jobwarden.sources.process.state import StartFile
from jobwarden.sources.process.supervisor import session_members, signal_group, stat_fields
from jobwarden.sources.process.table import find_process
from jobwarden_registry.errors import JobwardenError

_SIGNALS = {Control.SUSPEND: signal.SIGSTOP, Control.RESUME: signal.SIGCONT}
_STEP_S = 0.02
_STEPS = 50
"""Passes until the rest is left to itself: a process in uninterruptible sleep stops when it wakes."""


CANNOT: Mapping[Control, str] = {
    Control.HOLD: "It has begun, and nothing waits here. Suspend holds it up where it is.",
    Control.RELEASE: "It has begun, and nothing waits here. Resume lets a suspended one go on.",
    Control.REQUEUE: "No scheduler keeps how it was started. Cancel it, and start it again: jobwarden run -- COMMAND.",
    Control.TOP: "No scheduler orders programs of this machine.",
    Control.TIME_LIMIT: "It has no time limit; one is given at its start: jobwarden run -- timeout 2h COMMAND.",
}


async def control_all(root: Path, host: Host, wanted: Sequence[Wanted], change: Change) -> dict[str, CancelOutcome]:
    """Suspend, resume or signal all of these; see `Controls.control`."""
    signals = {"STOP": Control.SUSPEND, "CONT": Control.RESUME}
    action = signals.get(change.value, change.action) if change.action is Control.SIGNAL else change.action
    if action is Control.SIGNAL:
        return {one.id: await _signal(root, host.machine_id, one, change.value) for one in wanted}
    return {one.id: await _control(root, host.machine_id, one, action) for one in wanted}


async def _signal(root: Path, machine_id: str, one: Wanted, name: str) -> CancelOutcome:
    """Send a signal to the program itself, and to none of its children: what they do of it is its own matter."""

    def send() -> CancelOutcome:
        found = check_ours(root, machine_id, one)
        if isinstance(found, CancelOutcome):
            return found
        start = found[1]
        with held(start.pid) as send_to:
            if not signallable(find_process(start.pid, start.start_time)):
                raise ProcessLookupError
            send_to(getattr(signal, f"SIG{name.removeprefix('B:')}"))
        return CancelOutcome(accepted=True, text=f"SIG{name.removeprefix('B:')} is sent to the program itself.")

    try:
        return await anyio.to_thread.run_sync(send)
    except ProcessLookupError:
        return CancelOutcome(accepted=False, text="It is not there any more.")
    except JobwardenError as error:
        return CancelOutcome(accepted=False, text=str(error))


async def _control(root: Path, machine_id: str, one: Wanted, action: Control) -> CancelOutcome:
    try:
        found = await anyio.to_thread.run_sync(check_ours, root, machine_id, one)
        if isinstance(found, CancelOutcome):
            return found
        left: int | None = 0
        for _ in range(_STEPS):
            left = await anyio.to_thread.run_sync(_pass, found[1], action)
            if not left:
                break
            await anyio.sleep(_STEP_S)
    except JobwardenError as error:
        return CancelOutcome(accepted=False, text=str(error))
    if left is None:
        return CancelOutcome(accepted=False, text="It is not there any more.")
    done = "stopped" if action is Control.SUSPEND else "going on"
    rest = f"; {left} of its processes are not yet" if left else ""
    text = f"The program and all of its session are {done}{rest}."
    return CancelOutcome(accepted=True, text=text, seen=not left)


def _pass(start: StartFile, action: Control) -> int | None:
    """Signal whoever of the session needs it; give how many did, or None when the program is not there."""
    number = _SIGNALS[action]
    try:
        with held(start.pid) as send:
            process = find_process(start.pid, start.start_time)
            if not signallable(process):
                return None
            if sys.platform != "linux":  # where a session's members cannot be listed
                signal_group(start.pid, number)
                return 0
            needed = process.stopped is not (action is Control.SUSPEND)
            if needed and action is Control.SUSPEND:
                send(number)
            others = sum(_signal_member(pid, start.pid, action) for pid, _ in session_members(start.pid))
            if needed and action is Control.RESUME:
                send(number)
            return others + needed
    except ProcessLookupError:
        return None


def _signal_member(pid: int, leader: int, action: Control) -> bool:
    """Signal another process of the session, if it needs it; says whether it did."""
    with contextlib.suppress(ProcessLookupError, PermissionError), held(pid) as send:
        state, _, session, _ = stat_fields(pid)
        if session == leader and state not in "ZX" and (state in "Tt") is not (action is Control.SUSPEND):
            send(_SIGNALS[action])
            return True
    return False
