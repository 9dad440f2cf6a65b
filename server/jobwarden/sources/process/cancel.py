"""Ending a supervised process, and never another one.

The supervisor does it: it is the parent, so the pid is the program's own until it is reaped, and it carries out the
SIGKILL even when whoever asked for the end is dead by then. We write down that the end is wanted and send one signal
to the supervisor, through a pidfd where the kernel has them, after its start time was read again.

Where the supervisor was killed, we signal the program's groups ourselves, wait the grace, and send SIGKILL.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import CancelOutcome, Host, Wanted
from jobwarden.sources.process.reach import check_ours, held, signallable
from jobwarden.sources.process.state import StartFile, write_file
from jobwarden.sources.process.supervisor import signal_session, stragglers
from jobwarden.sources.process.table import find_process, process_at
from jobwarden_registry.errors import JobwardenError

_STEP_S = 0.1
_AFTER_KILL_S = 5.0


async def cancel_all(root: Path, host: Host, wanted: Sequence[Wanted]) -> dict[str, CancelOutcome]:
    """Ask for the end of all of these; see `Cancels.cancel`."""
    configured = host.settings.get("cancel_grace_s")
    grace_s = float(configured) if isinstance(configured, (int, float)) else Clocks().cancel_grace_s
    outcomes: dict[str, CancelOutcome] = {}

    async def cancel_one(one: Wanted) -> None:
        outcomes[one.id] = await _cancel(root, host.machine_id, one, grace_s)

    async with anyio.create_task_group() as group:
        for one in wanted:
            group.start_soon(cancel_one, one)
    return outcomes


async def _cancel(root: Path, machine_id: str, one: Wanted, grace_s: float) -> CancelOutcome:
    try:
        found = await anyio.to_thread.run_sync(check_ours, root, machine_id, one)
    except JobwardenError as error:
        return CancelOutcome(accepted=False, text=str(error))
    if isinstance(found, CancelOutcome):
        return found
    folder, start = found
    try:
        if await anyio.to_thread.run_sync(_ask_supervisor, folder, start, grace_s):
            text = f"SIGTERM is sent to the program's group; SIGKILL follows after {grace_s:g} s."
            return CancelOutcome(accepted=True, text=text)
        return await _end_directly(folder, start, grace_s)
    except OSError as error:
        return CancelOutcome(accepted=False, text=f"The request could not be written to {folder}: {error.strerror}.")


def _ask_supervisor(folder: Path, start: StartFile, grace_s: float) -> bool:
    """Write down that the end is wanted and wake the supervisor; False when it is not there."""
    try:
        with held(start.supervisor_pid) as send:
            supervisor = find_process(start.supervisor_pid, start.supervisor_start_time)
            if not signallable(supervisor):
                return False
            write_file(folder, "cancel", f"{grace_s:g}\n")
            send(signal.SIGTERM)
            send(signal.SIGCONT)
    except ProcessLookupError:
        return False
    return True


async def _end_directly(folder: Path, start: StartFile, grace_s: float) -> CancelOutcome:
    """End a program whose supervisor is dead: nobody else will send the SIGKILL, so we wait for it here."""
    if not await anyio.to_thread.run_sync(_terminate, start):
        return CancelOutcome(accepted=False, text="It is not there any more.")
    write_file(folder, "cancel", f"{grace_s:g} direct\n")
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline + _AFTER_KILL_S:
        if not await anyio.to_thread.run_sync(_anything_left, start):
            text = "Its supervisor was dead, so we signalled the program ourselves; it is gone."
            return CancelOutcome(accepted=True, text=text)
        if time.monotonic() >= deadline:
            await anyio.to_thread.run_sync(signal_session, start.pid, signal.SIGKILL)
        await anyio.sleep(_STEP_S)
    return CancelOutcome(accepted=True, text="SIGKILL is sent; the program is not gone yet.")


def _terminate(start: StartFile) -> bool:
    if not signallable(find_process(start.pid, start.start_time)):
        return False
    signal_session(start.pid, signal.SIGTERM)
    signal_session(start.pid, signal.SIGCONT)
    return True


def _anything_left(start: StartFile) -> bool:
    """Say whether the program or anything of its session lives.

    The kernel gives a number to no new process while it is still somebody's session: who has the pid and another
    start time shows that nothing of ours is left.
    """
    process = process_at(start.pid)
    if process is not None and process.start_time != start.start_time:
        return False
    return (process is not None and not process.ended) or stragglers(start.pid)
