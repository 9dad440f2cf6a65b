"""When a rule fires: from what is known of a job now to firings and what is to be remembered. Pure.

A line is looked at once, however the log is cut into pieces; a rule that is paused, disabled or has fired often enough
lets lines pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from jobwarden.actions.planning import run_of, runs_of
from jobwarden.logs.pattern import Match, PatternError
from jobwarden.logs.secrets import mask
from jobwarden.rules.condition_reading import ConditionError
from jobwarden.rules.conditions import holds
from jobwarden.rules.model import ANY, END, Kind, Rule
from jobwarden.rules.restarts import way_of
from jobwarden.rules.sight import Look, Outcome, Text, built_in, captured, compiled, group_of, held_of
from jobwarden.rules.state import Fired, Held, JobRules, RuleState
from jobwarden.verdict.holding import may_go_on
from jobwarden.verdict.outputs import OUTPUT_MISSING
from jobwarden_registry.phases import Phase

MOST_FAILURES: Final = 5
"""So many looks in a row that failed, and a rule is disabled."""
MOST_A_MINUTE: Final = 10
"""A rule fires no more often; what matches beyond that is counted."""
_SLOWER, _SLOWEST = 1.1, 5.0
_QUIET_MOST = 50
_BEGUN_ANEW: Final = {"since": None, "spent": None, "value": None, "held": None}


def step(rules: Sequence[Rule], state: JobRules, look: Look) -> Outcome:
    """Look at all rules of a job."""
    fired: list[Fired] = []
    said: dict[str, str] = {}
    restarts = False
    run, runs = run_of(look.record), runs_of(look.record)
    again = bool(state.run) and (state.run, state.runs) != (run, runs)
    state = state.model_copy(update={"run": run, "runs": runs})
    for rule in rules:
        if again and rule.kind in (Kind.SILENCE, Kind.STANDSTILL):  # what an earlier run did says nothing of this one
            state = state.with_rule(rule.name, state.of(rule.name).model_copy(update=_BEGUN_ANEW))
        one = _OneRule(rule, state.of(rule.name), look)
        one.other_restart = restarts
        after = one.run()
        restarts = restarts or (rule.kind is Kind.RESTART and bool(one.fires))
        for times, held in enumerate(one.fires, start=state.of(rule.name).fired + 1):
            state = state.model_copy(update={"sequence": state.sequence + 1})
            fired.append(fired_as(rule.name, state, look.record.uid, look.now, held, times=times))
        if after.disabled and not state.of(rule.name).disabled:
            said[rule.name] = after.disabled
        if after != state.of(rule.name):
            state = state.with_rule(rule.name, after)
    if fired:
        state = state.model_copy(update={"pending": (*state.pending, *fired)})
    return Outcome(state, tuple(fired), said)


def fired_as(rule: str, state: JobRules, uid: str, at: datetime, held: Held, *, times: int = 0) -> Fired:
    """Give a firing its name: the latest number of `state`. `times`: how often by itself; 0: by hand."""
    return Fired(
        id=f"{uid}:{rule}:{state.sequence}",
        rule=rule,
        at=at,
        captures={name: mask(value) for name, value in held.captures.items()},
        line=mask(held.line),
        stream=held.stream,
        manual=not times,
        run=held.run,
        runs=held.runs,
        times=times,
    )


def wait_s(rule: Rule, state: RuleState, *, least_s: float) -> float:
    """Say how long a rule can be left alone: its interval, and more and more as long as nothing matches."""
    if rule.kind is not Kind.PATTERN or rule.at_end:
        return max(least_s, rule.interval_s)
    return max(least_s, rule.interval_s * min(_SLOWEST, _SLOWER ** min(state.quiet, _QUIET_MOST)))


_Found = tuple[Match, Text]


class _OneRule:
    """One rule at one look."""

    def __init__(self, rule: Rule, state: RuleState, look: Look) -> None:
        self.rule = rule
        self.look = look
        self.fires: list[Held] = []
        self._state = state
        self._matches = state.matches
        self._failed = ""
        self._worked = False
        self.other_restart = False  # the first rule that fits starts a job again

    def run(self) -> RuleState:
        """Give what is to be remembered of it; what fires is in `fires`."""
        if self._state.paused or self._state.disabled is not None:
            return self._state
        try:
            self._look()
        except (ArithmeticError, LookupError, TypeError, ValueError, PatternError) as error:
            self._failed = f"{type(error).__name__}: {error}"  # a fault in one rule is that rule's alone
        self._count_failures()
        if self._matches != self._state.matches:
            self._note(matches=self._matches)
        return self._state

    def _look(self) -> None:
        match self.rule.kind:
            case Kind.PATTERN:
                self._match_lines()
            case Kind.SILENCE:
                self._silence()
            case Kind.STANDSTILL:
                self._standstill()
            case Kind.STATE:
                self._states()
            case Kind.TIME:
                self._time()
            case Kind.MISSING_FILE:
                self._missing_file()
            case Kind.CHECK_FAILED:
                self._check_failed()
            case Kind.RESTART:
                self._restart()

    # -- the kinds

    def _match_lines(self) -> None:
        before, latest = self._matches, None
        for found in self._matching():
            self._matches += 1
            # What fires for no line any more, or for the last one alone, is counted: to take a line apart costs most.
            if self.rule.at_end and not self.rule.condition:
                latest = found
            elif self.rule.at_end or self._may_fire():
                held = self._held(found)
                if self._holds(held):
                    latest = found
                    _ = self.rule.at_end or self._fire(held)
        self._worked = self._worked or (not self.rule.condition and self._matches > before)
        if self.rule.at_end and latest is not None:
            self._note(held=self._held(latest))
        matched = self._matches > before
        # Only a look that found lines, none of which matched, says that nothing matches.
        if matched or any(self._reads(text) for text in self.look.texts):
            self._note(quiet=0 if matched else min(_QUIET_MOST, self._state.quiet + 1))
        if self.look.last and self._state.held is not None:
            self._fire(self._state.held)
            self._note(held=None)

    def _silence(self) -> None:
        if self.rule.pattern:
            output = next(self._matching(), None) is not None
        else:
            output = any(stream in self.look.grew for stream in self.rule.reads)
        if output or not self._goes_on():
            self._note(since=self.look.now, spent=None)
            return
        if self._state.since is None:
            self._note(since=self.look.now)
        self._fire_after(self._state.since or self.look.now)

    def _standstill(self) -> None:
        value, latest = self._state.value, None
        number = group_of(self.rule, compiled(self.rule.pattern))
        for found in self._matching():
            now = captured(found[0].groups[number])
            if now != value:
                value, latest = now, found
        if latest is not None:
            self._note(value=value, since=self.look.now, spent=None, held=self._held(latest))
        if not self._goes_on():
            self._note(since=self.look.now)
        elif self._state.value is not None and self._state.since is not None:
            self._fire_after(self._state.since, self._state.held)

    def _states(self) -> None:
        runs = self.look.record.attempts
        earlier = (runs[-2].id, len(runs) - 1) if len(runs) > 1 else ("", 0)
        for number, (phase, word) in enumerate(self.look.words):
            shown = f"{phase.value}: {word}"
            run, count = earlier if number < self.look.words_before else ("", 0)
            # A word may be followed by what it means this time: EXITED 1, CANCELLED by 1001.
            names = {phase.value, *word.lower().split()[:1]}
            if ANY in self.rule.states or names & {one.lower() for one in self.rule.states}:
                self._fire_if(Held(line=shown, captures={"0": shown}, run=run, runs=count))
        if self.look.last and END in self.rule.states:
            record = self.look.record
            self._fire_if(Held(line=f"{record.phase.value}: {record.last_status}"))

    def _time(self) -> None:
        started = self.look.record.started_at
        if started is None or not self._goes_on():
            return
        run = started.isoformat()
        times = int((self._state.spent or "").rpartition(" ")[2] or 0) if self._is_spent_on(run) else 0
        if (times and self.rule.max_triggers is None) or self.look.now < started + (times + 1) * self._for:
            return
        if self._fire_if(Held(line=f"It has run for {_told(self.look.now - started)}.")):
            self._note(spent=f"{run} {times + 1}")

    def _missing_file(self) -> None:
        record = self.look.record
        run = (record.started_at or record.submitted_at or self.look.now).isoformat()
        missing = self.look.missing.get(self.rule.path)
        if not self.due_for_file(self._state) or missing is None:
            return
        if missing:
            self._fire_if(Held(line=f"{self.rule.path} is not there."))
        self._note(spent=f"{run} 1")

    def due_for_file(self, state: RuleState) -> bool:
        """Whether it matters now whether the file is there."""
        record = self.look.record
        if self.rule.kind is not Kind.MISSING_FILE or state.paused or state.disabled is not None:
            return False
        started = record.started_at
        run = (started or record.submitted_at or self.look.now).isoformat()
        if (state.spent or "").startswith(f"{run} "):
            return False
        if self.look.last:
            return True
        return bool(self.rule.for_s) and started is not None and self.look.now >= started + self._for

    def _check_failed(self) -> None:
        record = self.look.record
        failed = record.phase is Phase.FAILED and OUTPUT_MISSING in (record.reason or "")
        if self.look.last and failed and self._state.spent is None:
            self._fire_if(Held(line=record.reason or ""))
            self._note(spent="end")

    def _restart(self) -> None:
        run = f"{run_of(self.look.record)} {runs_of(self.look.record)}"
        if self.rule.pattern:
            for found in self._matching():
                self._matches += 1
                self._note(held=self._held(found))
        if not self.look.run_over or self._state.spent == run:
            return
        matched = self._state.held
        mine = matched is not None and (not matched.run or f"{matched.run} {matched.runs}" == run)
        ended = self.look.record
        held = may_go_on(ended) and not self.look.last  # an end that was told is one
        way = way_of(self.rule.ways, ended, cause=self.look.cause, matched=mine) if held else None
        self._note(spent=run, held=None)
        if way is not None and not self.other_restart:
            captures = matched.captures if matched is not None and mine else {}
            self._fire_if(Held(captures=captures, line=f"failed ({ended.last_status})"))

    # -- the parts

    @property
    def _for(self) -> timedelta:
        return timedelta(seconds=self.rule.for_s)

    def _is_spent_on(self, run: str) -> bool:
        return (self._state.spent or "").startswith(f"{run} ")

    def _goes_on(self) -> bool:
        """Whether the job runs, and its logs could be read: else silence says nothing."""
        known = not any(stream in self.look.unread or stream in self.look.refused for stream in self.rule.reads)
        return known and self.look.record.phase is Phase.RUNNING and not self.look.last

    def _matching(self) -> Iterator[_Found]:
        pattern = compiled(self.rule.pattern)
        for text in self.look.texts:
            if not self._reads(text) or (self.rule.kind is not Kind.PATTERN and self._is_earlier(text)):
                continue
            for match in pattern.matches(text.data):
                yield match, text

    def _held(self, found: _Found) -> Held:
        return held_of(self.rule, compiled(self.rule.pattern), *found)

    def _reads(self, text: Text) -> bool:
        return not set(text.streams).isdisjoint(self.rule.reads)

    def _is_earlier(self, text: Text) -> bool:
        now = run_of(self.look.record), runs_of(self.look.record)
        return bool(text.run) and (text.run, text.runs) != now

    def _fire_after(self, since: datetime, held: Held | None = None) -> None:
        """Fire when it has lasted long enough, once."""
        if self.look.now - since < self._for or self._state.spent is not None:
            return
        lasted = _told(self.look.now - since)
        if self.rule.kind is Kind.SILENCE:
            told = Held(line=f"Nothing{' that matches' if self.rule.pattern else ''} was written for {lasted}.")
        else:
            told = (held or Held()).model_copy(
                update={"line": f"{self.rule.counter} has stood at {self._state.value} for {lasted}."}
            )
        if self._fire_if(told):
            self._note(spent="now")

    def _fire_if(self, held: Held) -> bool:
        return self._holds(held) and self._fire(held)

    def _holds(self, held: Held) -> bool:
        if not self.rule.condition:
            self._worked = True
            return True
        known = built_in(self.rule, self.look, held, count=self._matches, fired=self._state.fired)
        try:
            holding = holds(self.rule.condition, {**known, **held.captures})
        except ConditionError as error:
            self._failed = f"its condition {self.rule.condition!r} has no value: {error.text}"
            return False
        self._worked = True
        return holding

    def _may_fire(self) -> bool:
        """Whether it has not fired often enough, or just now."""
        state, now = self._state, self.look.now
        if self.rule.max_triggers is not None and state.fired >= self.rule.max_triggers:
            return False
        cooling = timedelta(seconds=self.rule.cooldown_s)
        if cooling and state.last_fired_at is not None and now - state.last_fired_at < cooling:
            return False
        return self._is_fresh() or state.in_window < MOST_A_MINUTE

    def _is_fresh(self) -> bool:
        """Whether another minute has begun."""
        window = self._state.window_at
        return window is None or not timedelta() <= self.look.now - window < timedelta(minutes=1)

    def _fire(self, held: Held) -> bool:
        """Fire, if it may."""
        if not self._may_fire():
            return False
        state, now, fresh = self._state, self.look.now, self._is_fresh()
        window, count = (now, 0) if fresh else (state.window_at, state.in_window)
        self._note(fired=state.fired + 1, last_fired_at=now, window_at=window, in_window=count + 1)
        if not held.run:
            held = held.model_copy(update={"run": run_of(self.look.record), "runs": runs_of(self.look.record)})
        self.fires.append(held)
        return True

    def _unseen(self) -> str:
        """Say why nothing of what it needs was seen at the last look, which was its last chance."""
        needs = self.rule.reads or (self.rule.path,)
        why = [text for what in needs if (text := self.look.refused.get(what) or self.look.unread.get(what))]
        due = self.rule.kind is not Kind.MISSING_FILE or self.due_for_file(self._state)
        return why[0] if self.look.last and due and len(why) == len(needs) else ""

    def _count_failures(self) -> None:
        if unseen := self._unseen():
            self._note(disabled=unseen)
            return
        needs = self.rule.reads or (self.rule.path,)
        refused = [self.look.refused[what] for what in needs if what in self.look.refused]
        failed = self._failed or (refused[0] if len(refused) == len(needs) else "")
        if self._worked or not failed:
            if self._worked or (self._state.failures and not failed and self.look.texts):
                self._note(failures=0)
            return
        failures = self._state.failures + 1
        why = f"{failures} looks in a row have failed: {failed}" if failures >= MOST_FAILURES else None
        self._note(failures=failures, disabled=why)

    def _note(self, **fields: object) -> None:
        self._state = self._state.model_copy(update=fields)


def file_is_due(rule: Rule, state: RuleState, look: Look) -> bool:
    """Whether it matters at this look whether the rule's file is there."""
    return _OneRule(rule, state, look).due_for_file(state)


def _told(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} s"
