"""Holding a supervised program up, and letting it go on: SIGSTOP and SIGCONT to its whole session.

The program itself is held by a pidfd whose start time was read again: it is stopped first and goes on last, so that
its session stays its own meanwhile, and every other member is looked at once more before it is signalled.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from jobwarden.sources.base import CancelOutcome, Control, Host, Wanted
from jobwarden.sources.process.reach import check_ours, held, signallable
from jobwarden.sources.process.state import StartFile
from jobwarden.sources.process.supervisor import session_members, signal_group, stat_fields
from jobwarden.sources.process.table import find_process
from jobwarden_registry.errors import JobwardenError

_SIGNALS = {Control.SUSPEND: signal.SIGSTOP, Control.RESUME: signal.SIGCONT}
_STEP_S = 0.02
_STEPS = 50
"""Passes until the rest is left to itself: a process in uninterruptible sleep stops when it wakes."""


async def control_all(root: Path, host: Host, wanted: Sequence[Wanted], action: Control) -> dict[str, CancelOutcome]:
    """Suspend or resume all of these; see `Controls.control`."""
    return {one.id: await _control(root, host.machine_id, one, action) for one in wanted}


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
    return CancelOutcome(accepted=True, text=f"The program and all of its session are {done}{rest}.")


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
