"""What one writer does to a session, in memory; nothing is written before it is over."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pydantic import JsonValue

from jobwarden_registry.clock import Clock
from jobwarden_registry.errors import JobNotFoundError, NewerRecordError
from jobwarden_registry.events import EVENT_VERSION, EventKind
from jobwarden_registry.model import RECORD_VERSION, Evidence, JobRecord, utc_text
from jobwarden_registry.phases import Phase
from jobwarden_registry.projection import Told
from jobwarden_registry.rawjson import Raw
from jobwarden_registry.reconcile import Finding, Layout, apply_edit
from jobwarden_registry.records import changes, fresh_raw, is_newer, lay_over, read_record


class Transaction:
    """Changes to one session that become true together, or not at all.

    Args:
        session_id: The session.
        told: What the journal says; changed in place.
        layout: Where the entries stand in the file.
        clock: Gives the events their time.
        beat: Called at each change, so that a long transaction keeps its lock.
    """

    def __init__(
        self, session_id: str, told: Told, layout: Layout, clock: Clock, beat: Callable[[], None] = lambda: None
    ) -> None:
        self._session_id = session_id
        self._told = told
        self._layout = layout
        self._clock = clock
        self._beat = beat
        self._jobs = {uid: job for uid, raw in told.alive.items() if (job := read_record(raw)) is not None}
        self.events: list[Raw] = []
        """What is to be journaled."""

    @property
    def jobs(self) -> Mapping[str, JobRecord]:
        """The watched jobs by uid, as they stand now in this transaction."""
        return MappingProxyType(self._jobs)

    def register(
        self, record: JobRecord, *, evidence: Evidence | None = None, text: str | None = None
    ) -> tuple[JobRecord, bool]:
        """Watch a job from now on, unless it is watched already.

        Args:
            record: Its `uid`, `registered_at`, `v` and `seq` are given here.
            evidence: What was seen of it.
            text: For people.

        Returns:
            The record as it is watched, and whether it is new. The same type, site and id is the same job as long as
            it is neither over nor lost, and so is the id under which it was submitted again; where one of the two has
            no site yet, the host as written decides. A lost one is finished, as lost: its id may be another job's now.
        """
        for known in list(self._jobs.values()):
            if not _same_job(known, record):
                continue
            if known.phase is not Phase.LOST or record.phase.closed or is_newer(self._told.alive[known.uid]):
                return self._with_more(known, record), False
            self.finish(known.uid, known, text=_AGAIN)
        registered_at = record.registered_at or self._clock()
        record = record.changed(v=RECORD_VERSION, registered_at=registered_at, uid="", seq=0)
        return self._register(fresh_raw(record), evidence=evidence, text=text), True

    def _with_more(self, known: JobRecord, record: JobRecord) -> JobRecord:
        """Add what a later registration says of the job, as an agent's after a hook's; what is known of it stays.

        Who was told that it is watched believes that all this holds.
        """
        more = known.changed(
            expect=tuple(dict.fromkeys((*known.expect, *record.expect))),
            tags=tuple(dict.fromkeys((*known.tags, *record.tags))),
            name=known.name or record.name,
            description=known.description or record.description,
            log_path=known.log_path or record.log_path,
            ready=known.ready or record.ready,
        )
        if more == known or is_newer(self._told.alive[known.uid]):
            return known
        text = "More is expected of it." if more.expect != known.expect else "More is said of it."
        return self.change(known.uid, more, EventKind.UPDATED, text=text)

    def change(
        self,
        uid: str,
        record: JobRecord,
        kind: EventKind,
        *,
        evidence: Evidence | None = None,
        text: str | None = None,
        extra: Mapping[str, JsonValue] | None = None,
    ) -> JobRecord:
        """Put the record in the place of the one that is watched, and journal that.

        `UPDATED` without any change is not journaled.

        Raises:
            JobNotFoundError: No such job is watched.
            NewerRecordError: A newer jobwarden wrote it.
        """
        old, raw = self._writable(uid)
        change = changes(old, record)
        if not change and kind is EventKind.UPDATED:
            return old
        lay_over(raw, change)
        event = self._journal(kind, uid, raw, evidence=evidence, text=text, extra=extra)
        event["old_status"] = old.last_status
        event["change"] = change
        fresh = record.changed(uid=uid, v=old.v, seq=self._told.seq)
        self._jobs[uid] = fresh
        return fresh

    def finish(
        self,
        uid: str,
        record: JobRecord,
        *,
        evidence: Evidence | None = None,
        text: str | None = None,
        extra: Mapping[str, JsonValue] | None = None,
    ) -> JobRecord:
        """Journal the end of a job with its whole record; it is watched no longer.

        Raises:
            ValueError: The record's phase is not a closed one.
            JobNotFoundError, NewerRecordError: See `change`.
        """
        if not record.phase.closed:
            raise ValueError(f"{record.phase} is not an end")
        old, raw = self._writable(uid)
        lay_over(raw, changes(old, record))
        event = self._journal(EventKind.FINISHED, uid, raw, evidence=evidence, text=text, extra=extra)
        event["old_status"] = old.last_status
        event["record"] = dict(raw)
        self._forget(uid)
        return record.changed(uid=uid, v=old.v, seq=self._told.seq)

    def remove(self, uid: str, *, text: str) -> None:
        """Stop watching a job that may well go on.

        Raises:
            JobNotFoundError, NewerRecordError: See `change`.
        """
        _, raw = self._writable(uid)
        self._journal(EventKind.REMOVED, uid, raw, text=text)
        self._forget(uid)

    def note(
        self,
        text: str,
        *,
        kind: EventKind = EventKind.NOTE,
        uid: str = "",
        evidence: Evidence | None = None,
        extra: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Journal something that changes no record."""
        self._journal(kind, uid, self._told.alive.get(uid, {}), evidence=evidence, text=text, extra=extra)

    def take_in(self, finding: Finding) -> None:
        """Journal what the file says and the journal does not know yet."""
        if finding.entry is not None:
            raw = finding.entry | {"v": RECORD_VERSION, "registered_at": utc_text(self._clock())}
            record = self._register(raw, text=finding.text, extra={"adopted": True})
            self._layout.places[finding.item] = (record.uid, None)
            return
        if not finding.uid:
            self.note(finding.text, extra={"fingerprint": finding.fingerprint} if finding.fingerprint else None)
            return
        raw = self._told.alive[finding.uid]
        apply_edit(raw, finding)
        event = self._journal(finding.kind, finding.uid, raw, text=finding.text or None)
        if finding.kind is EventKind.REMOVED:
            self._forget(finding.uid)
            return
        event["change"] = dict(finding.change)
        event["gone"] = list[JsonValue](finding.gone)
        edited = read_record(raw)
        assert edited is not None
        self._jobs[finding.uid] = edited

    def _register(
        self,
        raw: Raw,
        *,
        evidence: Evidence | None = None,
        text: str | None = None,
        extra: Mapping[str, JsonValue] | None = None,
    ) -> JobRecord:
        uid = secrets.token_hex(6)
        raw["uid"] = uid
        event = self._journal(EventKind.REGISTERED, uid, raw, evidence=evidence, text=text, extra=extra)
        event["record"] = dict(raw)
        self._told.alive[uid] = raw
        record = read_record(raw)
        assert record is not None
        self._jobs[uid] = record
        return record

    def _forget(self, uid: str) -> None:
        self._told.alive.pop(uid)
        self._jobs.pop(uid, None)

    def _writable(self, uid: str) -> tuple[JobRecord, Raw]:
        if uid not in self._jobs:
            raise JobNotFoundError(f"No watched job has the uid {uid!r}.")
        raw = self._told.alive[uid]
        if is_newer(raw):
            raise NewerRecordError(
                f"Job {raw.get('id')} was written by a newer jobwarden.", hint="Use that version to change it."
            )
        return self._jobs[uid], raw

    def _journal(
        self,
        kind: EventKind,
        uid: str,
        raw: Raw,
        *,
        evidence: Evidence | None = None,
        text: str | None = None,
        extra: Mapping[str, JsonValue] | None = None,
    ) -> Raw:
        self._beat()
        self._told.seq += 1
        if uid and kind is not EventKind.REMOVED:
            raw["seq"] = self._told.seq
        event: Raw = {
            "v": EVENT_VERSION,
            "seq": self._told.seq,
            "timestamp": utc_text(self._clock()),
            "event": kind.value,
            "session": self._session_id,
            "type": str(raw.get("type", "")),
            "host": str(raw.get("host", "")),
            "job_id": str(raw.get("id", "")),
            "uid": uid,
            "name": raw.get("name"),
            "new_status": raw.get("last_status"),
            "phase": raw.get("phase"),
            "text": text,
            "evidence": evidence.model_dump(mode="json") if evidence is not None else None,
        }
        # An event about the session itself has no job; what it is about may be said in `extra`.
        event = {key: value for key, value in event.items() if value is not None and (value or key not in _ABOUT)}
        event.update({key: value for key, value in (extra or {}).items() if key not in event})
        self.events.append(event)
        return event


_AGAIN = "Lost, and its id was registered again: that is watched now. How this one ended is not known."
_ABOUT = frozenset({"type", "host", "job_id", "uid"})


def _same_job(known: JobRecord, record: JobRecord) -> bool:
    if known.type != record.type or record.id not in (known.id, known.resubmitted_as):
        return False
    if known.site and record.site:
        return known.site == record.site
    return known.host == record.host
