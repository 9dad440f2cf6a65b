"""From sightings to states: the only place in the program where a state changes. Pure: no I/O, no clock.

The rules:

1. A sighting that is no newer than the one behind the present state changes nothing.
2. Ended is ended: nothing changes a record in a final phase.
3. Only a `Seen` with a final phase ends a job, and only of its present run, asked for after it was registered.
   A success without its expected output is none (verdict.outputs).
4. `Absent` is counted (verdict.absence); it may close a job as `lost`, which is never an end, or as succeeded where its
   expected output is there. A job that lives on under another id is followed there (verdict.following).
5. Who could not be asked changes no state (verdict.staleness).
6. A word that the source does not know is shown, told once, and is no end.
7. The end of a run after which the job may be started again is held until that is decided (verdict.holding).
8. What a source wants to be told next time (`facts`) is kept with any answer; it decides nothing here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from pydantic import JsonValue

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Seen, Sighting
from jobwarden.verdict.absence import absent, in_grace
from jobwarden.verdict.attempts import Run, first_submission, is_of_replaced, merged, which_run
from jobwarden.verdict.following import observed_late, said_of, successor, told_of
from jobwarden.verdict.holding import held, may_go_on, still_held
from jobwarden.verdict.judgement import Draft, Judgement
from jobwarden.verdict.outputs import with_outputs
from jobwarden.verdict.staleness import answered, is_late, unanswered
from jobwarden.verdict.stuck import expected_start, stuck_because
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord, LogPaths
from jobwarden_registry.phases import Phase

__all__ = ["Draft", "Judgement", "judge", "unanswered"]

UNKNOWN_WORDS = "unknown_words"
"""The record's key for the words that were told already."""


def judge(record: JobRecord, sighting: Sighting, *, asked_at: datetime, now: datetime, clocks: Clocks) -> Judgement:
    """Say what a sighting makes of a record.

    Args:
        record: The job as it stands.
        sighting: What its source answered.
        asked_at: When that was asked, by our clock.
        now: The present, by the same clock.
        clocks: The configured times. `poll_s` is the pace at which this host is really asked.

    Returns:
        The record afterwards and the events that tell of it; the same record and none when nothing has changed.
    """
    if record.phase.final:
        return Judgement(record)
    if isinstance(sighting, Seen):
        sighting = sighting.as_of(asked_at)
    if record.held is not None:
        still = still_held(record, sighting, now, clocks)
        if isinstance(still, Judgement):
            return still
        record = still
    told = record.changed(facts={**record.facts, **sighting.facts})
    if told == record:
        return _judge(record, sighting, asked_at, now, clocks)
    judgement = _judge(told, sighting, asked_at, now, clocks)
    if judgement.drafts:
        return judgement
    if is_late(asked_at, record.observed_at, now):
        return Judgement(record)
    return Judgement(told, (Draft(EventKind.UPDATED, told),))


def _judge(record: JobRecord, sighting: Sighting, asked_at: datetime, now: datetime, clocks: Clocks) -> Judgement:
    match sighting:
        case Seen():
            return _seen(record, sighting, asked_at, now, clocks)
        case Absent():
            return _absent(record, sighting, asked_at, now, clocks)
        case CouldNotAsk(code=code, text=text, evidence=evidence):
            return unanswered(record, code=code, text=text, at=asked_at, now=now, evidence=evidence)
        case DependsOn(slurm_ids=ids, evidence=evidence):
            text = f"Nobody has looked yet at the Slurm jobs that it depends on: {', '.join(ids)}."
            return unanswered(record, code="verdict.unresolved", text=text, at=asked_at, now=now, evidence=evidence)


def _seen(record: JobRecord, seen: Seen, asked_at: datetime, now: datetime, clocks: Clocks) -> Judgement:
    if seen.phase is Phase.LOST:  # what is lost is said by nobody but us
        seen = seen.model_copy(update={"phase": Phase.UNKNOWN})
    if is_late(asked_at, record.observed_at, now) or _before_registration(record, seen, asked_at, now):
        return Judgement(record)
    run = which_run(record, seen)
    if run is Run.EARLIER and is_of_replaced(record, seen):
        return _since(record, Judgement(record.changed(attempts=merged(record, seen))))
    if run is Run.EARLIER and not seen.phase.final:
        run = Run.PRESENT  # it is there and lives: a clock that was set back makes no absence of that
    if run is Run.EARLIER:
        # The source knows an earlier run and not the present one: of that it has said nothing.
        known = record.changed(attempts=merged(record, seen))
        nowhere = Absent(where=(), evidence=seen.evidence, outputs=seen.outputs)
        return _since(record, absent(known, nowhere, asked_at=asked_at, now=now, clocks=clocks))
    found = successor(record, seen, asked_at, clocks)
    if found is not None:
        return _followed(record, found, seen, asked_at, now, clocks)
    decided = with_outputs(record, seen, asked_at, now, clocks)
    return decided if isinstance(decided, Judgement) else _present(record, decided, run, asked_at, now, clocks)


def _present(record: JobRecord, seen: Seen, run: Run, asked_at: datetime, now: datetime, clocks: Clocks) -> Judgement:
    """Judge a sighting of the present run, or of a new one."""
    after = answered(record.changed(**_fields(record, seen, run, asked_at)), asked_at, now)
    after = after.changed(stuck=stuck_because(after, seen, asked_at, clocks))
    if after == record.changed(observed_at=asked_at):
        return Judgement(record)
    word_is_news = seen.phase is Phase.UNKNOWN and seen.status not in _told_words(record)
    if word_is_news:
        after = after.changed(**{UNKNOWN_WORDS: [*_told_words(record), seen.status]})
    drafts = _drafts(record, after, seen, run)
    if word_is_news:
        drafts = [_with_word(drafts[0], seen.status), *drafts[1:]]
    if seen.phase.final:
        finish = _finish(after, seen, asked_at, clocks)
        if may_go_on(after):
            kept = held(finish, asked_at)
            return Judgement(kept.record, (*drafts, *kept.drafts))
        drafts.append(finish)
    return Judgement(after, tuple(drafts), finished=seen.phase.final)


def _followed(
    record: JobRecord, found: Seen, sighting: Seen | Absent, asked_at: datetime, now: datetime, clocks: Clocks
) -> Judgement:
    """Go on with the job under its new id; its log is another one."""
    told = told_of(record, found, sighting)
    moved = record.changed(resubmitted_as=found.attempts[-1].id, log=None, elements=None)
    judgement = _seen(moved, found, asked_at, now, clocks)
    drafts = tuple(
        Draft(draft.kind, draft.record, text=f"{draft.text} {told}", evidence=draft.evidence, extra=draft.extra)
        if draft.kind is EventKind.ATTEMPT
        else draft
        for draft in judgement.drafts
    )
    return Judgement(judgement.record, drafts, finished=judgement.finished)


def _absent(record: JobRecord, sighting: Absent, asked_at: datetime, now: datetime, clocks: Clocks) -> Judgement:
    found = successor(record, sighting, asked_at, clocks)
    if (
        found is not None
        and not is_late(asked_at, record.observed_at, now)
        and not in_grace(record, asked_at, now, clocks)
    ):
        return _followed(record, found, sighting, asked_at, now, clocks)
    return absent(record, sighting, asked_at=asked_at, now=now, clocks=clocks)


def _before_registration(record: JobRecord, seen: Seen, asked_at: datetime, now: datetime) -> bool:
    """An end that was seen before the job was registered may be that of another job, which had its id before."""
    return seen.phase.final and record.registered_at is not None and asked_at < record.registered_at <= now


def _since(record: JobRecord, judgement: Judgement) -> Judgement:
    """Make sure that what changed before an absence was judged is in an event."""
    after = judgement.record
    if judgement.drafts or after == record:
        return Judgement(record) if after == record else judgement
    return Judgement(after, (Draft(EventKind.UPDATED, after),))


def _fields(record: JobRecord, seen: Seen, run: Run, asked_at: datetime) -> dict[str, Any]:
    """What the record's fields become; what is not told stays, but for what belongs to an earlier run."""
    before = record.changed(exit_code=None, signal=None, started_at=None, node=None) if run is Run.NEW else record
    attempts = merged(record, seen)
    pending, final = seen.phase is Phase.PENDING, seen.phase.final
    return {
        "phase": seen.phase,
        "last_status": seen.status,
        "reason": seen.reason,
        "expected_start_at": expected_start(record, seen),
        "job_name": seen.name or record.job_name,
        "name": record.name or seen.name,
        "user": record.user or seen.user or "",
        "submitted_at": record.submitted_at or first_submission(record.changed(attempts=attempts)),
        "started_at": None if pending else seen.started_at or before.started_at,
        "ended_at": (seen.ended_at or asked_at) if final else None,
        "exit_code": _told(seen.exit_code, before.exit_code),
        "signal": _told(seen.signal, before.signal),
        "node": seen.node or before.node,
        "work_dir": seen.work_dir or record.work_dir,
        "log": _log(record.log, seen.log),
        "attempts": attempts,
        "elements": seen.elements or record.elements,
        "output_missing_since": None,
        "absence": None,
        "observed_at": asked_at,
        "stalled": record.stalled if run is not Run.NEW and seen.phase is Phase.RUNNING else None,
    }


def _told(new: int | None, old: int | None) -> int | None:
    return old if new is None else new


def _log(old: LogPaths | None, new: LogPaths | None) -> LogPaths | None:
    if old is None or new is None:
        return new or old
    return LogPaths(stdout=new.stdout or old.stdout, stderr=new.stderr or old.stderr, host=new.host)


def _drafts(record: JobRecord, after: JobRecord, seen: Seen, run: Run) -> list[Draft]:
    """The events before the end, if this is one: what they leave is not ended yet."""
    told = after
    if seen.phase.final:
        told = record.changed(attempts=after.attempts, absence=None)
        told = told.changed(phase=Phase.UNKNOWN) if record.phase is Phase.LOST else told
    drafts: list[Draft] = []
    if record.phase is Phase.LOST:
        drafts.append(Draft(EventKind.FOUND_AGAIN, told, evidence=seen.evidence))
    if run is Run.NEW:
        drafts.append(_new_run(record, told, seen))
    if seen.phase.final:
        return drafts
    if after.stuck is not None and record.stuck is None:  # another reason to be stuck is no news
        return [*drafts, Draft(EventKind.STUCK, after, text=f"It {after.stuck}.", evidence=seen.evidence)]
    if drafts:
        return drafts
    if record.stuck is not None and after.stuck is None:
        return [Draft(EventKind.STATUS_CHANGE, after, text="It is no longer stuck.", evidence=seen.evidence)]
    moved = record.phase is not after.phase or record.last_status != after.last_status
    kind = EventKind.STATUS_CHANGE if moved else EventKind.UPDATED
    return [Draft(kind, after, evidence=seen.evidence)]


def _new_run(record: JobRecord, told: JobRecord, seen: Seen) -> Draft:
    same_id = told.attempts[-1].id == record.attempts[-1].id
    kind = EventKind.REQUEUED if same_id else EventKind.ATTEMPT
    return Draft(
        kind, told, text=f"Run {len(told.attempts)}.", evidence=seen.evidence, extra={"run": len(told.attempts)}
    )


def _finish(after: JobRecord, seen: Seen, asked_at: datetime, clocks: Clocks) -> Draft:
    extra: dict[str, JsonValue] = {"observed_late": True} if observed_late(seen, asked_at, clocks) else {}
    text = said_of(seen.newer) if seen.phase is not Phase.SUCCEEDED else ""
    return Draft(EventKind.FINISHED, after, text=text or None, evidence=seen.evidence, extra=extra)


def _told_words(record: JobRecord) -> tuple[str, ...]:
    words: object = (record.model_extra or {}).get(UNKNOWN_WORDS)
    return tuple(str(word) for word in cast("list[object]", words)) if isinstance(words, list) else ()


def _with_word(draft: Draft, word: str) -> Draft:
    text = f"{draft.text or ''} The source's vocabulary lacks the word {word!r}: shown as it is, and no end.".strip()
    kind = EventKind.NOTE if draft.kind is EventKind.UPDATED else draft.kind
    return Draft(kind, draft.record, text=text, evidence=draft.evidence, extra={**draft.extra, "unknown_word": word})
