"""What is known of a failure, and what is said about its cause. Data alone; `diagnose` makes the one from the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """Why a job failed, as far as what to do about it goes."""

    OUT_OF_MEMORY = "out_of_memory"
    """`kind` says whose: host, gpu, cgroup."""
    TIME_LIMIT = "time_limit"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    DISK_FULL = "disk_full"
    QUOTA = "quota"
    MISSING = "missing"
    """`kind` says what: module (of a language), library (shared), file."""
    PERMISSION = "permission"
    CONFIGURATION = "configuration"
    """Arguments or settings that a program refuses."""
    CODE_ERROR = "code_error"
    CORRUPT_DATA = "corrupt_data"
    """Data or a checkpoint."""
    NETWORK = "network"
    NAME_RESOLUTION = "name_resolution"
    TLS = "tls"
    AUTHENTICATION = "authentication"
    """A rejected or missing login, and a gated model."""
    PORT_IN_USE = "port_in_use"
    DISTRIBUTED = "distributed"
    """A collective that failed although no rank is known to have died of anything else."""
    CUDA = "cuda"
    """`kind`: not_available, illegal_access, device_assert, driver, hardware."""
    NATIVE_CRASH = "native_crash"
    CONTAINER = "container"
    """A container or its image."""
    ENVIRONMENT = "environment"
    """Environment modules, conda, PATH."""
    RESOURCE_LIMIT = "resource_limit"
    """Too many files or processes."""
    STUCK = "stuck"
    """No output and no progress."""
    UNKNOWN = "unknown"
    """It failed, and nothing says why."""
    NONE = "none"
    """Nothing shows that it failed."""


class Confidence(StrEnum):
    """How sure a cause is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Retryable(StrEnum):
    """Whether to start it again helps."""

    YES = "yes"
    """As it is."""
    AFTER_CHANGE = "after_change"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Piece:
    """A contiguous part of a log.

    Attributes:
        data: Raw bytes, as they stand in the file.
        first_line: The number of its first line, from 1; None where that is not known.
    """

    data: bytes
    first_line: int | None = 1


@dataclass(frozen=True, slots=True)
class Log:
    """One log, as much of it as was read.

    Attributes:
        name: As it is shown: its path.
        pieces: In the file's order, with gaps between them.
        ends: Whether the last piece holds the end of the file.
        label: Of a job with several: `rank 3`, `stderr`, a task; empty for the only one.
    """

    name: str
    pieces: tuple[Piece, ...]
    ends: bool = True
    label: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of the end beside the logs; None or empty: not known.

    Attributes:
        state: The source's own word (`OUT_OF_MEMORY`, `FAILED`, `EXITED 1`).
        ended: Whether it has ended at all: of a living job only `STUCK` and what a log shows can be said.
        reason: The scheduler's own.
        exit_code: The program's.
        signal: That ended it.
        slurm_exit: As Slurm prints it (`0:53`).
        cancelled_by: Who, as far as known.
        time_limit_s: Asked for, seconds.
        elapsed_s: Run, seconds.
        memory_limit_bytes: Asked for, per node.
        max_rss_bytes: The largest of any task.
        nodes: Where it ran.
        quiet_s: Since its log last grew, of a living job.
    """

    state: str = ""
    ended: bool = True
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    slurm_exit: str = ""
    cancelled_by: str = ""
    time_limit_s: float | None = None
    elapsed_s: float | None = None
    memory_limit_bytes: int | None = None
    max_rss_bytes: int | None = None
    nodes: str = ""
    quiet_s: float | None = None


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One telling line.

    Attributes:
        file: The log's name; `scheduler` for what is no log's.
        line: Its number from 1; None where that is not known.
        text: Cleaned, cut and masked.
        context: Whether it only stands beside a telling line.
    """

    file: str
    line: int | None
    text: str
    context: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a job failed.

    Attributes:
        category: Of the first cause.
        kind: Which of the category's kinds; may be empty.
        cause: One line for a person.
        confidence: How sure that is.
        evidence: The lines on which it rests, most telling first, each with its neighbours after it.
        retryable: Whether to start it again helps.
        change: What to change, in words, with amounts where they can be told; empty where there is nothing to say.
        also: What else was seen, one line each.
    """

    category: Category
    kind: str
    cause: str
    confidence: Confidence
    evidence: tuple[EvidenceLine, ...]
    retryable: Retryable
    change: str
    also: tuple[str, ...] = ()
