"""What supervised programs use now, by /proc (proc(5)): every process of the program's session, added up.

A child that has ended is in its parent's own figures (fields 16 and 17 of `stat`) once that has waited for it. Linux
only: elsewhere nothing is told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from jobwarden.sources.base import CancelOutcome, Wanted
from jobwarden.sources.process.reach import check_ours
from jobwarden.sources.process.state import StartFile
from jobwarden.sources.process.supervisor import session_members
from jobwarden.sources.process.table import find_process
from jobwarden.sources.using import PartUse, Use
from jobwarden_registry.errors import JobwardenError

_PROC = Path("/proc")


def measure_all(root: Path, machine_id: str, now: datetime, wanted: Sequence[Wanted]) -> dict[str, Use]:
    """Measure all that run here; see `MeasuresUse.measure`."""
    found: dict[str, Use] = {}
    for one in wanted if sys.platform == "linux" else ():
        with suppress(JobwardenError):
            ours = check_ours(root, machine_id, one)
            if not isinstance(ours, CancelOutcome) and (use := _measure(ours[1], now)) is not None:
                found[one.id] = use
    return found


def _measure(start: StartFile, now: datetime) -> Use | None:
    process = find_process(start.pid, start.start_time)
    if process is None or process.ended:
        return None
    ticks, pages, moved = 0, 0, 0
    for pid in (start.pid, *(pid for pid, _ in session_members(start.pid))):
        with suppress(OSError, ValueError, LookupError):
            fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
            pages += int(fields[21])
            moved += _moved((_PROC / str(pid) / "io").read_text(encoding="ascii"))
    part = PartUse(
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        memory_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        io_bytes=moved,
    )
    return Use(parts={"session": part}, ran_s=max(0.0, now.timestamp() - start.started_at))


def _moved(text: str) -> int:
    """Read what a process has read and written, from pipes and sockets too."""
    told = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return int(told["rchar"]) + int(told["wchar"])
