"""Every state word of Slurm 20 to 25, and what it means.

From `job_state_string` and `job_state_string_complete` (src/common/slurm_protocol_defs.c) of those releases, and the
JOB STATE CODES of `man squeue` and `man sacct`. A flag hides the base state below it: `squeue %T` shows `COMPLETING`
for a job whose base state is FAILED.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from jobwarden_registry.phases import Phase


class Word(StrEnum):
    """One state word, base state or flag."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    BOOT_FAIL = "BOOT_FAIL"
    DEADLINE = "DEADLINE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    # flags
    COMPLETING = "COMPLETING"
    CONFIGURING = "CONFIGURING"
    EXPEDITING = "EXPEDITING"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    POWER_UP_NODE = "POWER_UP_NODE"
    RECONFIG_FAIL = "RECONFIG_FAIL"
    REQUEUED = "REQUEUED"
    REQUEUE_FED = "REQUEUE_FED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    RESIZING = "RESIZING"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    REVOKED = "REVOKED"
    SIGNALING = "SIGNALING"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    STAGE_OUT = "STAGE_OUT"
    STOPPED = "STOPPED"
    UPDATE_DB = "UPDATE_DB"

    __hash__ = str.__hash__  # as Phase has it


PHASES: dict[Word, Phase] = {
    Word.PENDING: Phase.PENDING,
    Word.RUNNING: Phase.RUNNING,
    Word.SUSPENDED: Phase.SUSPENDED,
    Word.COMPLETED: Phase.SUCCEEDED,
    Word.CANCELLED: Phase.CANCELLED,
    Word.FAILED: Phase.FAILED,
    Word.TIMEOUT: Phase.FAILED,
    Word.NODE_FAIL: Phase.FAILED,
    Word.PREEMPTED: Phase.FAILED,
    Word.BOOT_FAIL: Phase.FAILED,
    Word.DEADLINE: Phase.FAILED,
    Word.OUT_OF_MEMORY: Phase.FAILED,
    # The script may be over, but processes, epilog and output are not.
    Word.COMPLETING: Phase.RUNNING,
    Word.STAGE_OUT: Phase.RUNNING,
    Word.RESIZING: Phase.RUNNING,
    Word.SIGNALING: Phase.RUNNING,
    # Nodes are allotted but boot still.
    Word.CONFIGURING: Phase.PENDING,
    Word.POWER_UP_NODE: Phase.PENDING,
    Word.EXPEDITING: Phase.PENDING,
    Word.REQUEUED: Phase.PENDING,
    Word.REQUEUE_FED: Phase.PENDING,
    Word.REQUEUE_HOLD: Phase.PENDING,
    Word.SPECIAL_EXIT: Phase.PENDING,
    Word.RESV_DEL_HOLD: Phase.PENDING,
    Word.STOPPED: Phase.SUSPENDED,
    # These say nothing about where the job stands. REVOKED: another cluster of the federation runs it.
    Word.REVOKED: Phase.UNKNOWN,
    Word.LAUNCH_FAILED: Phase.UNKNOWN,
    Word.RECONFIG_FAIL: Phase.UNKNOWN,
    Word.UPDATE_DB: Phase.UNKNOWN,
}

REQUEUEABLE = frozenset({Word.PREEMPTED, Word.NODE_FAIL, Word.BOOT_FAIL})
"""Ends for accounting that slurmctld may follow with another run: only squeue tells which (seen on 22.05.8)."""

_BY = re.compile(r"(?P<word>CANCELLED) by (?P<uid>\d+)")


@dataclass(frozen=True, slots=True)
class State:
    """A state as some Slurm program printed it.

    Attributes:
        text: Its words, in full: `CANCELLED by 1001`.
        word: The word of the vocabulary, or None when it is not in it.
        phase: What it means; UNKNOWN for a word that the vocabulary lacks.
    """

    text: str
    word: Word | None
    phase: Phase

    @property
    def ended(self) -> bool:
        """Whether this word, from the part of Slurm that may say so, is an end."""
        return self.phase.final

    @property
    def requeueable(self) -> bool:
        """Whether it is an end for accounting that another run may follow."""
        return self.word in REQUEUEABLE


def read_state(text: str) -> State:
    """Read a state as squeue, sacct or scontrol print it.

    `CANCELLED by UID` is sacct's; a `+` marks a word that sacct has cut to its column, which is accepted where only
    one word can be meant. Whatever else there may be is UNKNOWN, and never an end.
    """
    text = text.strip()
    found = _BY.fullmatch(text)
    name = found["word"] if found else text
    word = _cut(name[:-1]) if name.endswith("+") else _whole(name)
    return State(text, word, PHASES[word] if word else Phase.UNKNOWN)


def _whole(name: str) -> Word | None:
    try:
        return Word(name)
    except ValueError:
        return None


def _cut(start: str) -> Word | None:
    whole = _whole(start)
    if whole is not None:
        return whole
    fitting = [word for word in Word if start and word.startswith(start)]
    return fitting[0] if len(fitting) == 1 else None
