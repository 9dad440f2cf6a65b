"""When to ask, and what to keep of an answer: pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.merging import merged
from jobwarden.ledger.snapshot import Failure, Snapshot, Want
from jobwarden.sources.base import CouldNotAsk, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceError
from jobwarden.transport.errors import TransportError
from jobwarden_registry.model import Evidence
from jobwarden_registry.phases import Phase


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants of the ledger.

    Attributes:
        wanted: The jobs.
        max_age_s: How old an answer may be.
        person: Somebody is waiting for it: a pause after failures is cut short.
        quick: One of the first questions after a registration: the floor does not hold, the budget does.
        interval_s: What the configuration says is the least time between two questions to this host.
    """

    wanted: Sequence[Wanted]
    max_age_s: float
    person: bool
    quick: bool
    interval_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether to ask now.

    Attributes:
        ask: Ask.
        quick: It counts against the budget of quick questions.
    """

    ask: bool
    quick: bool = False


_NO = Turn(ask=False)
_YES = Turn(ask=True)


def turn(snapshot: Snapshot, ask: Ask, *, own: Failure | None, now: datetime, clocks: Clocks) -> Turn:
    """Decide whether this call may put a question now, or takes the stored answer.

    Args:
        snapshot: What is stored for everybody.
        ask: What is wanted.
        own: Why this process alone could not ask, when it last tried.
        now: The present.
        clocks: The configured times.
    """
    if not ask.wanted:
        return _NO
    age_s = _since_last_try(snapshot, own, now)
    if age_s is None:
        return _YES
    if age_s < ask.interval_s:
        return _NO
    failing = snapshot.failure is not None or _unanswered_since(own, snapshot)
    if paused(snapshot.failure, now) or paused(own, now):
        return Turn(ask=ask.person and age_s >= clocks.floor_s)
    due = age_s >= clocks.floor_s and (age_s > ask.max_age_s or failing)
    if due and not snapshot.silent:
        return _YES
    covered = covers(snapshot, ask.wanted)
    if covered and snapshot.silent and age_s < clocks.floor_s * 2.0 ** min(snapshot.silent, 3) and not ask.person:
        return _NO
    if due or (age_s >= clocks.floor_s and not covered):
        return _YES
    early = not covered or (ask.quick and age_s > ask.max_age_s)
    if early and len(spent(snapshot.quick, now, clocks)) < clocks.quick_budget:
        return Turn(ask=True, quick=True)
    return _NO


def _since_last_try(snapshot: Snapshot, own: Failure | None, now: datetime) -> float | None:
    """Seconds since the latest question. A moment to come is of a clock that was set back since, and does not count."""
    tries = [moment for moment in (snapshot.tried_at, own.at if own else None) if moment is not None and moment <= now]
    return min(((now - moment).total_seconds() for moment in tries), default=None)


def _unanswered_since(own: Failure | None, snapshot: Snapshot) -> bool:
    return own is not None and (snapshot.asked_at is None or own.at > snapshot.asked_at)


def paused(failure: Failure | None, now: datetime) -> bool:
    """Whether the pause after a failure still runs."""
    return failure is not None and failure.at <= now < failure.next_try_at


def spent(quick: Iterable[datetime], now: datetime, clocks: Clocks) -> tuple[datetime, ...]:
    """Give the quick questions that still count against the budget."""
    window = timedelta(seconds=clocks.quick_budget_window_s)
    return tuple(moment for moment in quick if now - window < moment <= now)


def covers(snapshot: Snapshot, wanted: Iterable[Wanted]) -> bool:
    """Whether there is an answer about each of these jobs, and not about one that had the same id before."""
    return all(_covers(snapshot, one) for one in wanted)


def _covers(snapshot: Snapshot, one: Wanted) -> bool:
    asked_at = snapshot.asked.get(one.id)
    return asked_at is not None and not (_newer(one, asked_at) and _ended(snapshot.answered.get(one.id)))


def ended(snapshot: Snapshot) -> dict[str, Seen]:
    """Give those jobs of which the end was seen."""
    return {job: one for job, one in snapshot.answered.items() if isinstance(one, Seen) and one.phase.final}


def _ended(sighting: Sighting | None) -> bool:
    return isinstance(sighting, Seen) and sighting.phase.final


def _newer(one: Wanted, asked_at: datetime) -> bool:
    """Whether the job was registered after that question: its id may have been another job's at the time."""
    return one.registered_at is not None and one.registered_at > asked_at


def open_questions(snapshot: Snapshot, wanted: Iterable[Wanted]) -> list[Wanted]:
    """Give what to ask about: all that is wanted, but for what is known to have ended, unless that is wanted too."""
    known, over = snapshot.answered, ended(snapshot)
    return [
        _with_facts(one, snapshot) if one.id in known and known[one.id].facts else one
        for one in wanted
        if one.id not in over or one.after_end or not _remembered(snapshot, one)
    ]


def _with_facts(one: Wanted, snapshot: Snapshot) -> Wanted:
    """Tell a source what it wanted to be told, though whoever asks has read a record from before that answer."""
    sighting, asked_at = snapshot.answered[one.id], snapshot.asked.get(one.id)
    if asked_at is None or _newer(one, asked_at):
        return one
    return one.model_copy(update={"facts": {**one.facts, **sighting.facts}})


def _remembered(snapshot: Snapshot, one: Wanted) -> bool:
    return _settled(snapshot.answered.get(one.id), one) and _covers(snapshot, one)


def _settled(sighting: Sighting | None, one: Wanted) -> bool:
    """Whether this end leaves nothing to ask.

    It is of the present run, no output is missing, and no other job may be this one's next attempt.
    """
    if not isinstance(sighting, Seen) or not sighting.phase.final or sighting.newer:
        return False
    if one.has_run_since(sighting):
        return False
    there = [output.expect for output in sighting.outputs if output.found is not False]
    return sighting.phase is not Phase.SUCCEEDED or all(expect in there for expect in one.expect)


def answered(
    old: Snapshot, wanted: Iterable[Wanted], asked: Sequence[Wanted], answer: Mapping[str, Sighting], at: datetime
) -> Snapshot:
    """Put a whole answer in the place of the old one.

    An end that was seen is kept until nobody wants it any more: a scheduler forgets, and a session whose registry
    could not be written just then must still learn of it. Only a newer sighting of the job replaces it.
    What nobody wants any more is dropped.
    """
    sightings = {one.id: answer.get(one.id) or _left_out(at) for one in asked}
    moments = dict.fromkeys(sightings, at)
    over = ended(old)
    for one in wanted:
        if one.id in over and not isinstance(sightings.get(one.id), Seen) and _remembered(old, one):
            sightings[one.id], moments[one.id] = old.answered[one.id], old.asked[one.id]
    silent = old.silent + 1 if any(map(_is_silent, sightings.values())) else 0
    return Snapshot(asked_at=at, answered=sightings, asked=moments, silent=silent)


def _is_silent(sighting: Sighting) -> bool:
    return sighting.kind == "could_not_ask" and sighting.code.endswith(("unavailable", ".unreadable"))


def _left_out(at: datetime) -> Sighting:
    rule = "An answer that says nothing of a job that it was asked about is no answer about it."
    evidence = Evidence(asked_at=at, rule=rule)
    return CouldNotAsk(code="source.incomplete", text="The answer left this job out.", evidence=evidence)


def failed(
    error: TransportError | SourceError,
    before: Failure | None,
    *,
    at: datetime,
    now: datetime,
    clocks: Clocks,
    rng: random.Random,
) -> Failure:
    """Note a failure of a question asked `at`: each in a row doubles the pause from `now`, up to the longest."""
    count = before.count + 1 if before else 1
    pause_s = min(clocks.backoff_most_s, clocks.backoff_first_s * 2.0 ** min(count - 1, 30))
    pause_s *= 1.0 + rng.uniform(-clocks.jitter, clocks.jitter)
    return Failure(
        code=error.code,
        text=error.text,
        hint=error.hint,
        since=before.since if before else at,
        at=at,
        next_try_at=now + timedelta(seconds=pause_s),
        count=count,
        shared=error.shared,
    )


def all_wanted(wants: Mapping[str, Want], wanted: Sequence[Wanted], now: datetime, keep_s: float) -> list[Wanted]:
    """Give what counts now of all that is written down, and these, whether they are written down or not."""
    counts = _counting(wants, now, keep_s)
    both = {job_id: want.wanted for job_id, want in counts.items()}
    both |= {one.id: _merged(counts.get(one.id), one, now) for one in wanted}
    return list(both.values())


def renewed(wants: Mapping[str, Want], wanted: Sequence[Wanted], now: datetime, keep_s: float) -> dict[str, Want]:
    """Add these wants, for `keep_s` from now, and drop those that have run out."""
    until = now + timedelta(seconds=keep_s)
    kept = _counting(wants, now, keep_s)
    for one in wanted:
        before = kept.get(one.id)
        both = _merged(before, one, now)
        said = one.resubmitted_as is not None and one.resubmitted_as == both.resubmitted_as
        before_until = before.followed_until if before is not None and both.resubmitted_as is not None else None
        kept[one.id] = Want(wanted=both, until=until, followed_until=until if said else before_until)
    return kept


def _counting(wants: Mapping[str, Want], now: datetime, keep_s: float) -> dict[str, Want]:
    """Leave out what has run out, and what would last for far too long: it is of a clock that was set back since."""
    latest = now + timedelta(seconds=2 * keep_s)
    return {job_id: want for job_id, want in wants.items() if now < want.until <= latest}


def _merged(before: Want | None, one: Wanted, now: datetime) -> Wanted:
    """Add what is said now to what was said before, by this session or by another one that watches the job."""
    if before is None or (one.resubmitted_as is None and _follows_no_more(before, now)):
        return one
    known = before.wanted
    if known is one or known == one:
        return known
    both = merged(known, one)
    again = one.registered_at == both.registered_at  # this registration speaks once more, and may have learned of a log
    return both.model_copy(update={"log_known": one.log_known}) if again else both


def _follows_no_more(want: Want, now: datetime) -> bool:
    return want.wanted.resubmitted_as is not None and want.followed_until is not None and want.followed_until <= now


def must_renew(wants: Mapping[str, Want], wanted: Sequence[Wanted], now: datetime, keep_s: float) -> bool:
    """Whether the file of wants must be written: not at every call, or it would be written all the time."""
    half, latest = now + timedelta(seconds=keep_s / 2), now + timedelta(seconds=2 * keep_s)
    for one in wanted:
        want = wants.get(one.id)
        if want is None or not half <= want.until <= latest or _says_more(want, one, now):
            return True
        if one.resubmitted_as is not None and (want.followed_until or want.until) < half:
            return True
    return False


def _says_more(want: Want, one: Wanted, now: datetime) -> bool:
    """Whether this adds to what is written. A log that one of two sessions lacks would be written back and forth."""
    after = _merged(want, one, now)
    if after is want.wanted:
        return False
    if want.wanted.log_known and one.registered_at != want.wanted.registered_at:
        after = after.model_copy(update={"log_known": True})
    return after != want.wanted
