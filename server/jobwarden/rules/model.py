"""What a rule is: what is looked for about one job, and what is done then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from jobwarden.actions.call import ActionCall

OutputType = Literal["stdout", "stderr", "both"]
OUTPUT_TYPES: Final[tuple[OutputType, ...]] = ("stdout", "stderr", "both")
END: Final = "end"
"""Among the states of a rule: the job has ended, however."""
ANY: Final = "any"
"""Among the states of a rule: every new word of the source."""


class Kind(StrEnum):
    """What makes a rule look."""

    PATTERN = "pattern"
    """A line matches."""
    SILENCE = "silence"
    """Nothing has been written for so long, while the job runs."""
    STANDSTILL = "standstill"
    """A captured value has not changed for so long, while the job runs."""
    STATE = "state"
    """The job has come into one of these states."""
    TIME = "time"
    """The job has run for so long; with `max_triggers`, every so long."""
    MISSING_FILE = "missing_file"
    """The job has run for so long, or has ended, and the file is not there."""
    CHECK_FAILED = "check_failed"
    """The job said that it had succeeded, and what was expected of it is not there."""
    RESTART = "restart"
    """A run has failed in one of these ways, and the job is started again."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one job; checked when it was made (`jobwarden.rules.building`).

    Attributes:
        name: Unique among the job's rules.
        kind: What makes it look.
        actions: What is done, in order; none: it is only told.
        pattern: In RE2's syntax; of `PATTERN` and `STANDSTILL`.
        captures: Names of the groups from the first on; each group has its number too, and its own name if it has one.
        condition: See `jobwarden.rules.conditions`; empty: always.
        for_s: Of `SILENCE`, `STANDSTILL`, `TIME`; of `MISSING_FILE` 0: at the end.
        counter: The captured value that may not stand still.
        states: Of `STATE`: phases, the source's own words, `END`, `ANY`.
        ways: Of `RESTART`: see `jobwarden.rules.restarts`; `pattern` is what its patterns are together.
        path: Of `MISSING_FILE`: absolute, or below the job's working directory.
        interval_s: Between two looks.
        max_triggers: It fires no more often; None: as often as it must.
        cooldown_s: After it has fired it is left alone for so long.
        output_type: Which of the job's streams are read.
        at_end: Of `PATTERN`: it fires once, when the job has ended, with the last line that matched.
    """

    name: str
    kind: Kind = Kind.PATTERN
    actions: tuple[ActionCall, ...] = ()
    pattern: str = ""
    captures: tuple[str, ...] = ()
    condition: str = ""
    for_s: float = 0.0
    counter: str = ""
    states: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    path: str = ""
    interval_s: float = 60.0
    max_triggers: int | None = None
    cooldown_s: float = 0.0
    output_type: OutputType = "stdout"
    at_end: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Which streams it needs."""
        if self.kind not in (Kind.PATTERN, Kind.STANDSTILL, Kind.SILENCE, Kind.RESTART):
            return ()
        if self.kind is Kind.RESTART and not self.pattern:
            return ()
        return ("stdout", "stderr") if self.output_type == "both" else (self.output_type,)
