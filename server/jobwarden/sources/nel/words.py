"""The states of nel's own vocabulary, and what Slurm's words make of them.

`ExecutionState` of nemo-evaluator-launcher 0.2.6 has five; `not_found`, `error` and `unknown` say that nel could not
find out, which is no state of a task.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from jobwarden_registry.phases import Phase


class NelState(StrEnum):
    """The states of a task."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    KILLED = "killed"


PHASES: Final = {
    NelState.PENDING: Phase.PENDING,
    NelState.RUNNING: Phase.RUNNING,
    NelState.SUCCESS: Phase.SUCCEEDED,
    NelState.FAILED: Phase.FAILED,
    NelState.KILLED: Phase.CANCELLED,
}

TROUBLE: Final = frozenset({"not_found", "error", "unknown"})

RESUMED: Final = frozenset({"TIMEOUT", "PREEMPTED", "NODE_FAIL"})
"""Ends of a Slurm job after which nel's job script goes on under a new id (`_generate_autoresume_handler`, 0.2.6)."""

_OF_PHASE: Final = {phase: state.value for state, phase in PHASES.items()} | {Phase.SUSPENDED: "suspended"}


def phase_of(status: str) -> Phase:
    """Give the phase of nel's word; a word that it does not have is unknown, and no end."""
    try:
        return PHASES[NelState(status)]
    except ValueError:
        return Phase.UNKNOWN


def word_of(phase: Phase, slurm_word: str) -> str:
    """Say Slurm's state in nel's words; nel folds SUSPENDED into running, which we do not."""
    return _OF_PHASE.get(phase, slurm_word)
