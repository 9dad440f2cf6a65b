"""One look at one job for all of its rules: read, decide, note, and have done what fired."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from anyio import to_thread
from pydantic import JsonValue

from jobwarden.actions.carrying import Actor
from jobwarden.actions.deeds import Deeds
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.planning import tells_agent
from jobwarden.delivery.news import QUIET
from jobwarden.logs.allowed import LogRefusedError
from jobwarden.rules.building import read_rule
from jobwarden.rules.deciding import cause_of, decided, hopeless, told_or_open, wants_cause
from jobwarden.rules.engine import file_is_due, step, wait_s
from jobwarden.rules.job_logs import LogReader, New
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.sight import Look, Outcome
from jobwarden.rules.state import Fired, JobRules
from jobwarden.rules.store import Change, Tell, change_rules, load_rules
from jobwarden.verdict.holding import RUN_FAILED, as_it_ended
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

if TYPE_CHECKING:
    from jobwarden.verdict.rounds import Rounds

log = logging.getLogger(__name__)

_PAUSE = "pause"
_OPEN = "open"
_QUIET = frozenset({"store_metric"})
"""A rule that does nothing else keeps a curve; nobody wants to be told of each of its points."""
_OPEN_S = 15.0
_AT_ONCE_S = 0.05
_CAUSE_GIVE_UP = timedelta(minutes=2)
_GIVE_UP = timedelta(hours=1)
"""A log of an ended job that cannot be read is given up after this."""
_RERUN = frozenset({EventKind.ATTEMPT, EventKind.REQUEUED})


@dataclass(frozen=True, slots=True)
class Looked:
    """What comes after a look.

    Attributes:
        wait_s: So long nothing is to be done, unless something changes; None: never again.
        version: Of the rules' state after it; -1: not known.
    """

    wait_s: float | None
    version: int = -1


@dataclass(frozen=True, slots=True)
class _Known:
    """What is on disk of one job's rules.

    Attributes:
        state: What is remembered.
        record: The job, as it stands, or as it ended; None: nobody knows it any more.
        over: It is watched no longer.
        words: The states since the last look.
        words_before: So many of them, the first ones, are those of an earlier run.
        seq: The journal's latest event that these are of.
        word: The last of these states.
    """

    state: JobRules
    record: JobRecord | None
    over: bool
    words: Sequence[tuple[Phase, str]]
    words_before: int
    seq: int
    word: str


class Looker:
    """Looks for rules, for all jobs of one watcher.

    Args:
        rounds: How to reach hosts and sessions.
        env: The process's environment.
    """

    def __init__(self, rounds: Rounds, env: Mapping[str, str]) -> None:
        self._rounds = rounds
        self._reader = LogReader(rounds, env)
        self._actor = Actor(rounds, env)

    async def look(self, session: Session, uid: str, *, lease: str | None) -> Looked:
        """Look once.

        Args:
            session: Whose job.
            uid: Which.
            lease: The watcher's lease token.

        Returns:
            How long it can be left alone, and the version of its rules' state.

        Raises:
            JobwardenError: The session cannot be read or written.
        """
        call = self._rounds.sessions.call
        known = await call(session, partial(_known, uid=uid))
        record, now = known.record, self._rounds.clock()
        if record is None or (known.over and not record.rules):
            gone = record or JobRecord(type="", id="", uid=uid)
            waits = await self._waits(session, uid, lease)
            return await self._close(session, gone, known.state.version, lease, waits=waits)
        paused = (await self._rounds.paused()).of(session.entry.session_id, record) is not None
        if paused or self._rounds.elsewhere(record.site):
            return Looked(self._rounds.config.clocks.poll_s, known.state.version)
        waits = await self._waits(session, uid, lease)
        rules, broken = _rules(record)
        for text in broken:
            log.warning("session %s: job %s: this rule cannot be read: %s", session.entry.session_id, record.id, text)
        version = await self._do(session, record, rules, lease)
        if known.state.done:
            return await self._close(session, record, version, lease, waits=waits)
        state = known.state
        if record.held is not None and decided(rules, state, record) and not state.pending:
            deeds = self._actor.deeds
            told = await told_or_open(self._rounds, session, deeds, record, lease)
            return Looked(_AT_ONCE_S if told else self._rounds.config.clocks.rules_least_s, version)
        over = known.over or record.held is not None
        if over is (state.ended_at is None):
            state = state.model_copy(update={"ended_at": now if over else None})
        look, new, stuck = await self._see(record, rules, state, known)
        # Beside the loop: hard patterns in a long log would hold up every other session's verdicts.
        outcome = await to_thread.run_sync(step, rules, _moved(state, new, known), look)
        if look.last:
            outcome = replace(outcome, state=outcome.state.model_copy(update={"done": True}))
        if not await self._note(session, record, rules, known, outcome, lease):
            return Looked(_AT_ONCE_S)
        version = await self._do(session, record, rules, lease)
        if look.run_over:
            return Looked(_AT_ONCE_S, version)
        wait_s = self._wait_s(rules, outcome.state, new, ended=over, stuck=stuck)
        waits = waits or await call(session, partial(_has_open, deeds=self._actor.deeds, uid=uid))
        return Looked(min(wait_s, _OPEN_S) if waits else wait_s, version)

    async def _see(
        self, record: JobRecord, rules: Sequence[Rule], state: JobRules, known: _Known
    ) -> tuple[Look, New, bool]:
        """Read and ask what the rules want to know; answers that, and whether it could not be had."""
        ended, now = as_it_ended(record), self._rounds.clock()  # as rules see it: what is held has ended
        settle = timedelta(seconds=self._rounds.config.clocks.rules_settle_s)
        since = now - (state.ended_at or now)
        settled = state.ended_at is not None and since >= settle
        settled = settled or (record.held is not None and hopeless(rules, state, ended))
        new = await self._read(ended, rules, state, last=settled)
        stuck = bool(new.unread) and new.known
        given_up = since > _GIVE_UP
        last = settled and not new.more and (not stuck or given_up)
        cause = None
        if last and not decided(rules, state, record) and wants_cause(rules, state, ended):
            cause = await cause_of(self._rounds, ended)
            if cause is None and since < _CAUSE_GIVE_UP:
                last, stuck = False, True
        look = Look(
            ended,
            now,
            texts=new.texts,
            grew=frozenset(new.grew),
            unread=new.unread,
            refused=new.refused,
            words=known.words,
            words_before=known.words_before,
            last=last and known.over,
            run_over=last,
            cause=cause,
        )
        look = await self._with_files(look, rules, state)
        if last and not given_up and any(rule.path in look.unread for rule in rules):
            return replace(look, last=False, run_over=False), new, True
        return look, new, stuck

    async def _waits(self, session: Session, uid: str, lease: str | None) -> bool:
        """Go on with what a job's rules have begun; answers whether some of it is still to be done."""
        return any(done.outcome == _OPEN for done in await self._actor.take_up(session, uid=uid, lease=lease))

    async def _close(
        self, session: Session, record: JobRecord, version: int, lease: str | None, *, waits: bool
    ) -> Looked:
        """Forget a job's rules when nothing is left to be done for them."""
        if waits:
            return Looked(_OPEN_S, version)
        gone = Change(record, version, None)
        done = await self._rounds.sessions.call(session, partial(change_rules, change=gone, lease=lease))
        return Looked(None if done else _AT_ONCE_S, version)

    def _wait_s(self, rules: Sequence[Rule], state: JobRules, new: New, *, ended: bool, stuck: bool) -> float:
        clocks = self._rounds.config.clocks
        if new.more:
            return _AT_ONCE_S
        if ended and not stuck:
            return max(_AT_ONCE_S, clocks.rules_settle_s / 2)
        waits = [wait_s(rule, state.of(rule.name), least_s=clocks.rules_least_s) for rule in rules]
        least_s = clocks.backoff_first_s if stuck else clocks.rules_least_s
        return max(least_s, min(waits, default=clocks.poll_s))

    async def _read(self, record: JobRecord, rules: Sequence[Rule], state: JobRules, *, last: bool) -> New:
        streams = {stream for rule in rules for stream in rule.reads}
        waits = record.phase is Phase.PENDING and not state.files and state.ended_at is None
        if not streams or waits:
            return New(dict(state.files))
        return await self._reader.read(record, state, streams, last=last)

    async def _with_files(self, look: Look, rules: Sequence[Rule], state: JobRules) -> Look:
        """Add whether those files are missing that it matters for now."""
        missing: dict[str, bool] = {}
        refused, unread = dict(look.refused), dict(look.unread)
        for rule in rules:
            if rule.path in missing or not file_is_due(rule, state.of(rule.name), look):
                continue
            try:
                found = await self._reader.is_missing(look.record, rule.path)
            except LogRefusedError as error:
                refused[rule.path] = error.text
            else:
                if found is None:
                    unread[rule.path] = f"Whether {rule.path} is there could not be found out."
                else:
                    missing[rule.path] = found
        return replace(look, refused=refused, unread=unread, missing=missing)

    async def _note(
        self,
        session: Session,
        record: JobRecord,
        rules: Sequence[Rule],
        known: _Known,
        outcome: Outcome,
        lease: str | None,
    ) -> bool:
        """Keep what came of a look; answers False where somebody changed the rules meanwhile: look again."""
        lot = "has not seen all at its end" if outcome.state.done else "is disabled"
        named = {rule.name: rule for rule in rules}
        events = [fired_event(one, named[one.rule]) for one in outcome.fired]
        events += [
            Tell(EventKind.NOTE, f"The rule {name} of {record.type} {record.id} {lot}: {why}")
            for name, why in outcome.said.items()
        ]
        if outcome.state == known.state:
            return True
        change = Change(record, known.state.version, outcome.state, events)
        return await self._rounds.sessions.call(session, partial(change_rules, change=change, lease=lease))

    async def _do(self, session: Session, record: JobRecord, rules: Sequence[Rule], lease: str | None) -> int:
        """Have done what has fired and was not begun yet, in order; answers the version of the state after that."""
        call = self._rounds.sessions.call
        actions = {rule.name: rule.actions for rule in rules}
        while True:
            # As it stands now: the deed before this one may have begun another run.
            state, record = await call(session, partial(_pending, record=record))
            if not state.pending:
                return state.version
            fired, pause, said = state.pending[0], False, ""
            if fired.rule not in actions:  # what it would have told is told all the same
                said = f"The rule {fired.rule} fired just before it was removed: {fired.line}".rstrip(": ")
            elif calls := actions[fired.rule]:
                firing = fired.firing(record.uid)
                try:
                    done = await self._actor.carry_out(session, record, firing, calls, lease=lease)
                    pause = any(one.action == _PAUSE and one.outcome == "done" for one in done)
                except JobwardenError:
                    raise
                except Exception as error:  # a fault in one rule's actions stops no other rule
                    log.exception("session %s: %s", session.entry.session_id, fired.id)
                    said = f"What the rule {fired.rule} asks for failed: {type(error).__name__}: {error}"
            await call(session, partial(_forget, record=record, fired=fired, lease=lease, pause=pause, said=said))


def fired_event(fired: Fired, rule: Rule) -> Tell:
    """Write the event that tells of a firing.

    It is no news where the rule only keeps a curve, and where its own message tells the agent all of it; of a restart
    that is the new attempt, or the end.
    """
    quiet = (bool(rule.actions) and {one.name for one in rule.actions} <= _QUIET) or rule.kind is Kind.RESTART
    extra: dict[str, JsonValue] = {
        "firing": fired.id,
        "rule": fired.rule,
        "captures": dict(fired.captures),
        "line": fired.line,
        "stream": fired.stream,
        "manual": fired.manual,
        QUIET: quiet or any(map(tells_agent, rule.actions)),
    }
    text = f"{fired.rule}{fired.firing('').how}: {fired.line}".rstrip(": ")
    return Tell(EventKind.RULE_FIRED, text, extra)


@lru_cache(maxsize=1000)
def _rule(text: str) -> Rule | None:
    try:
        return read_rule(text)
    except InvalidRuleError:
        return None


def _rules(record: JobRecord) -> tuple[list[Rule], list[str]]:
    """Read a job's rules; one that a newer version wrote spoils no other."""
    rules = [(text, _rule(text)) for text in record.rules]
    return [rule for _, rule in rules if rule is not None], [text for text, rule in rules if rule is None]


def _moved(state: JobRules, new: New, known: _Known) -> JobRules:
    """Give the state with where its logs and the journal were read to."""
    begin = state.begin if new.unread else "start"
    moved = {"files": new.files, "seen_seq": known.seq, "word": known.word, "begin": begin}
    same = state.files == new.files and not known.words and state.begin == begin
    # The journal grows by other jobs' events, too: that alone is not worth a write each time.
    return state if same and known.seq - state.seen_seq < _UNSEEN_MOST else state.model_copy(update=moved)


_UNSEEN_MOST = 200
_PHASES = {phase.value for phase in Phase}


def _has_open(session: Session, *, deeds: Deeds, uid: str) -> bool:
    """Whether something that a rule asks for is begun and not ended."""
    return bool(deeds.of(session).open(uid=uid))


def _pending(session: Session, *, record: JobRecord) -> tuple[JobRules, JobRecord]:
    state = load_rules(session).get(record.uid, JobRules())
    return state, next((one for one in session.load() if one.uid == record.uid), record)


def _forget(session: Session, *, record: JobRecord, fired: Fired, lease: str | None, pause: bool, said: str) -> bool:
    state = load_rules(session).get(record.uid)
    if state is None:
        return True
    after = state.model_copy(update={"pending": tuple(one for one in state.pending if one.id != fired.id)})
    if pause:
        after = after.with_rule(fired.rule, after.of(fired.rule).model_copy(update={"paused": True}))
    change = Change(record, state.version, after, [Tell(EventKind.NOTE, said)] if said else [])
    return change_rules(session, change, lease=lease)


def _known(session: Session, *, uid: str) -> _Known:
    state = load_rules(session).get(uid, JobRules())
    record = next((one for one in session.load() if one.uid == uid), None)
    over = record is None
    fresh = list(session.journal.read(state.seen_seq))
    events = [event for event in fresh if event.uid == uid]
    if over:
        record = _as_it_ended(session, uid)
    words, before, word = _words(events, state.word)
    return _Known(state, record, over, words, before, fresh[-1].seq if fresh else state.seen_seq, word)


def _as_it_ended(session: Session, uid: str) -> JobRecord | None:
    """Find a job in its last event. One that was removed by hand has no end."""
    for event in reversed(session.journal.read()):
        if event.uid == uid and event.event == EventKind.FINISHED and event.record is not None:
            return JobRecord.model_validate(event.record)
        if event.uid == uid and event.event == EventKind.REMOVED:
            return None
    return None


def _words(events: Sequence[Event], word: str) -> tuple[list[tuple[Phase, str]], int, str]:
    """Give the states of these events, how many of them an earlier run had, and the last one as it is remembered."""
    found: list[tuple[Phase, str]] = []
    before = 0
    for event in events:
        if event.event in _RERUN:
            before = len(found)
        if not event.new_status or event.phase not in _PHASES:
            continue
        phase = Phase.FAILED if (event.model_extra or {}).get(RUN_FAILED) is True else Phase(event.phase)
        if phase is Phase.PENDING and word == f"{Phase.FAILED} {event.new_status}":
            continue  # its end is held
        shown = f"{phase} {event.new_status}"
        if shown != word or event.event in _RERUN:
            found.append((phase, event.new_status))
            word = shown
    return found, before, word
