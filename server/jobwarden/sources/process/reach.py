"""Whether a supervised program may be signalled from here, and signalling that very process."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeGuard

from jobwarden.sources.base import CancelOutcome, Wanted
from jobwarden.sources.process.state import StartFile, State, agrees, check_root, read_state
from jobwarden.sources.process.table import Process
from jobwarden_registry.processes import this_process


def check_ours(root: Path, machine_id: str, one: Wanted) -> CancelOutcome | tuple[Path, StartFile]:
    """Look whether this is a program of ours that can be signalled from here; a refusal says why not.

    Raises:
        As `check_root` and `read_state`.
    """
    state = read_state(root, one.id) if check_root(root) else None
    if state is None or state.start is None:
        return CancelOutcome(accepted=False, text="There is no such supervised process.")
    if state.result is not None:
        return CancelOutcome(accepted=False, text="It has already ended.")
    refusal = _refusal(state, machine_id, one)
    if refusal:
        return CancelOutcome(accepted=False, text=refusal)
    return state.folder, state.start


def _refusal(state: State, machine_id: str, one: Wanted) -> str:
    us = this_process()
    if (state.job.machine_id, state.job.pid_namespace) != (machine_id, us.pid_namespace):
        return "It was started on another machine or in another container and can be signalled only there."
    if state.job.boot_id != us.boot_id:
        return "The machine has booted since it was started; it is not there any more."
    if state.job.uid != os.getuid() or not agrees(state, one.facts):
        return "The registry's pid is not the one that its supervisor wrote; nothing is signalled."
    return ""


def signallable(process: Process | None) -> TypeGuard[Process]:
    """Say whether it is alive and the user's own."""
    return process is not None and not process.ended and process.uid in {os.getuid(), -1}


@contextlib.contextmanager
def held(pid: int) -> Generator[Callable[[int], None]]:
    """Give what signals this very process, even should its pid pass to another meanwhile.

    Raises:
        ProcessLookupError: There is no such process.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
        yield lambda number: os.kill(pid, number)
        return
    try:
        yield lambda number: signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)
