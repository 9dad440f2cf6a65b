"""What is remembered of the rules of one job: how far its logs were read, how often each rule fired, what is undone."""

from __future__ import annotations

from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from jobwarden.actions.call import Firing
from jobwarden_registry.model import Utc


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Held(_Kept):
    """What a rule fires for: a line that matched, a state, a time."""

    captures: dict[str, str] = Field(default_factory=dict[str, str])
    line: str = ""
    stream: str = ""
    run: str = ""
    """The id of the run that it is about; empty: the one that is there."""
    runs: int = 0
    """How many the job had had then, that one included."""


class RuleState(_Kept):
    """One rule's."""

    matches: int = 0
    """Lines that matched, whatever the condition said."""
    fired: int = 0
    """How often, by itself."""
    last_fired_at: Utc | None = None
    failures: int = 0
    """Looks in a row that failed."""
    disabled: str | None = None
    """Why it is not looked at any more; only a person or agent changes that."""
    paused: bool = False
    quiet: int = 0
    """Looks in a row in which nothing matched."""
    window_at: Utc | None = None
    in_window: int = 0
    """Firings since then; see `engine.MOST_A_MINUTE`."""
    since: Utc | None = None
    """Of a silence: the latest output; of a standstill: when the value last changed."""
    value: str | None = None
    """Of a standstill."""
    spent: str | None = None
    """For what it has fired already: this silence, this value, this run. It does not fire for the same twice."""
    held: Held | None = None
    """Of a rule that fires at the end: its latest match."""


_GOES_ON = ("matches", "fired", "last_fired_at", "failures", "disabled", "paused", "window_at", "in_window")


class Place(_Kept):
    """How far one file was read."""

    host: str
    path: str
    """Links resolved."""
    streams: tuple[str, ...] = ()
    place: str = ""
    """`Position.encode` of it; empty: nothing was read yet."""
    size_bytes: int = -1
    begin: Literal["start", "end"] = "start"
    """Where to begin a file that was not read yet."""
    closed: bool = False
    """It was read to its end, and the job writes to another one now."""
    run: str = ""
    """Whose lines come next, as far as is certain: see `Held.run`."""
    runs: int = 0


class Fired(_Kept):
    """A firing whose actions may not be done yet."""

    id: str
    rule: str
    at: Utc
    captures: dict[str, str] = Field(default_factory=dict[str, str])
    line: str = ""
    stream: str = ""
    manual: bool = False
    run: str = ""
    """See `Held.run`."""
    runs: int = 0
    times: int = 0
    """Which of the rule's own firings it is; 0: by hand, or not known."""

    def firing(self, uid: str) -> Firing:
        """Give it as its actions take it."""
        return Firing(
            self.id,
            self.rule,
            uid,
            self.at,
            self.captures,
            self.line,
            self.stream,
            manual=self.manual,
            run=self.run,
            runs=self.runs,
            times=self.times,
        )


class JobRules(_Kept):
    """All of one job's rules'."""

    version: int = 0
    """Counts the changes: who has read an older one does not write over a newer."""
    sequence: int = 0
    """Of the firings, by whatever rule; it never begins anew."""
    seen_seq: int = 0
    """Up to which event of the journal the job's states were looked at."""
    word: str = ""
    """The last state that was looked at."""
    begin: Literal["start", "end"] = "start"
    """Where to begin in a log whose place is not known yet."""
    run: str = ""
    """The run that was there at the latest look; see `Held.run`."""
    runs: int = 0
    ended_at: Utc | None = None
    """When its end was first noticed here."""
    done: bool = False
    """It has ended, and all its rules have seen that; it is kept for what its actions still wait for."""
    rules: dict[str, RuleState] = Field(default_factory=dict[str, RuleState])
    files: dict[str, Place] = Field(default_factory=dict[str, Place])
    pending: tuple[Fired, ...] = ()

    def of(self, rule: str) -> RuleState:
        """Give one rule's; a rule that nothing is known of is new."""
        return self.rules.get(rule, RuleState())

    def for_new_run(self, seq: int, paused: object) -> JobRules:
        """Give it for the same job, watched anew after its end: counts and what is stopped go on, logs begin anew.

        Args:
            seq: Of the event that told so.
            paused: Names of rules that are paused from now on.
        """
        names = (
            [one for one in cast("list[object]", paused) if isinstance(one, str)] if isinstance(paused, list) else []
        )
        begun = {
            name: RuleState(**{field: getattr(state, field) for field in _GOES_ON})
            for name, state in self.rules.items()
        }
        begun |= {name: begun.get(name, RuleState()).model_copy(update={"paused": True}) for name in names}
        return JobRules(sequence=self.sequence, seen_seq=seq, rules=begun)

    def with_rule(self, name: str, state: RuleState) -> JobRules:
        """Give it with another state of one rule."""
        return self.model_copy(update={"rules": {**self.rules, name: state}})
