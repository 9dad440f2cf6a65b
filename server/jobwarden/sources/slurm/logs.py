"""Where a job writes, from what scontrol shows while slurmctld knows it."""

from __future__ import annotations

from collections.abc import Mapping

from jobwarden.sources.slurm.answers import Row, Shown
from jobwarden.sources.slurm.log_paths import LogNames, finish_log_path
from jobwarden_registry.model import LogPaths
from jobwarden_registry.phases import Phase


def can_tell_log(row: Row) -> bool:
    """Whether scontrol can give this row's log already: an element gets its number (`%j`) only when it starts."""
    if row.id.ranges:
        return False
    return row.id.id.element is None or row.state.phase is not Phase.PENDING


def needs_host_name(shown: Shown) -> bool:
    """Whether a path holds `%N`, for which the node's own host name must be asked."""
    return any("%N" in path for path in (shown.stdout, shown.stderr) if path)


def log_of(row: Row, shown: Shown, host_names: Mapping[str, str]) -> LogPaths | None:
    """Give the finished paths, or None while there are none."""
    names = LogNames(
        raw=row.raw,
        name=row.name,
        user=row.user,
        array=row.id.id.base if row.id.id.element is not None else None,
        element=row.id.id.element,
        host=host_names.get(row.batch_host),
    )
    stdout = finish_log_path(shown.stdout, names) if shown.stdout else None
    stderr = finish_log_path(shown.stderr, names) if shown.stderr else None
    return LogPaths(stdout=stdout, stderr=stderr) if stdout or stderr else None
