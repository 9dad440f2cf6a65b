"""What a run used of what it had, in words: as seff tells it, and in short where it is remarkable. Pure."""

from __future__ import annotations

from jobwarden_registry.model import Used

FULL = 0.9
"""Memory beyond this share of what was asked for is told: the next run may be killed for it."""
IDLE = 0.1
"""Memory below this share of what was asked for is told, and CPU time below it."""
LONG_S = 600.0
"""What a shorter run did not use is not worth a word."""
MUCH_BYTES = 2 << 30
"""Nor is what was not used of less memory than this."""


def efficiency(used: Used) -> str:
    """Say it in a line: `CPU 48 % of 4.0 cores, memory 3 % of 64.0G`; empty where nothing is known."""
    return ", ".join(part for part in (_cpu(used), _memory(used)) if part)


def remark(used: Used) -> str:
    """Say in short what is remarkable about it; empty where nothing is.

    Of a job with GPUs an idle CPU is no remark: its work is elsewhere.
    """
    said: list[str] = []
    share = memory_share(used)
    long = (used.elapsed_s or 0.0) >= LONG_S
    if share is not None and (
        share >= FULL or (share < IDLE and long and (used.memory_limit_bytes or 0) >= MUCH_BYTES)
    ):
        said.append(f"{_memory(used)} asked for")
    cpu = cpu_share(used)
    if cpu is not None and cpu < IDLE and long and not used.gpus:
        said.append(_cpu(used))
    return f"It used {', '.join(said)}." if said else ""


def cpu_share(used: Used) -> float | None:
    """Give CPU time as a share of core time; None where that is not known."""
    return used.cpu_s / used.core_s if used.cpu_s is not None and used.core_s else None


def memory_share(used: Used) -> float | None:
    """Give memory as a share of what was asked for; None where that is not known."""
    return used.memory_bytes / used.memory_limit_bytes if used.memory_bytes and used.memory_limit_bytes else None


def _cpu(used: Used) -> str:
    share = cpu_share(used)
    if share is None or not used.core_s or not used.elapsed_s:
        return ""
    return f"CPU {share:.0%} of {used.core_s / used.elapsed_s:.1f} cores".replace("%", " %")


def _memory(used: Used) -> str:
    share = memory_share(used)
    if share is None or not used.memory_limit_bytes:
        return ""
    return f"memory {share:.0%} of {memory_text(used.memory_limit_bytes)}".replace("%", " %")


def memory_text(size_bytes: int) -> str:
    """Write it in the units in which memory is asked for."""
    return f"{size_bytes / 2**30:.1f}G" if size_bytes >= 2**30 else f"{size_bytes / 2**20:.0f}M"
