"""What the project's file and the journal say together. Pure: reads nothing, writes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pydantic import JsonValue

from jobwarden_registry.active_file import Contents, Found
from jobwarden_registry.events import EventKind
from jobwarden_registry.projection import Projection, Told
from jobwarden_registry.rawjson import Raw
from jobwarden_registry.records import (
    KNOWN,
    Identity,
    adoptable,
    edits,
    identity,
    in_order,
    is_newer,
    lay_over,
    same_identity,
)

Closed = Callable[[str], Identity | None]
"""Gives the job of that uid if the journal ever told its end."""


@dataclass(slots=True)
class Finding:
    """One thing that the journal does not know yet.

    Attributes:
        kind: As it is journaled.
        uid: The job; empty for the session's own matters, and for an entry that is to be adopted.
        text: For people.
        change: Fields that a person changed.
        gone: Unknown keys that a person removed.
        entry: What is to be adopted.
        item: The place in the file of what is to be adopted.
        fingerprint: Of what is said once only.
    """

    kind: EventKind
    uid: str = ""
    text: str = ""
    change: Raw = field(default_factory=Raw)
    gone: list[str] = field(default_factory=list[str])
    entry: Raw | None = None
    item: int = -1
    fingerprint: str = ""


@dataclass(slots=True)
class Layout:
    """How the file is to look: the items' places, with those of ours named by uid.

    Attributes:
        places: For each item of the file what stands there: a uid, or the item itself when it is not ours.
        wrote: The object in the file, of each uid that was in it.
        told: Fingerprints of the entries in the file that cannot be watched.
    """

    places: list[tuple[str, JsonValue]] = field(default_factory=list[tuple[str, JsonValue]])
    wrote: dict[str, Raw] = field(default_factory=dict[str, Raw])
    told: set[str] = field(default_factory=set[str])

    def items(self, alive: dict[str, Raw]) -> list[JsonValue]:
        """Write the file's items: ours in their places, new ones at the end."""
        items: list[JsonValue] = []
        placed: set[str] = set()
        for uid, item in self.places:
            if not uid:
                items.append(item)
            elif uid in alive and uid not in placed:
                placed.add(uid)
                items.append(_written(alive[uid], self.wrote.get(uid)))
        items.extend(_written(raw, None) for uid, raw in alive.items() if uid not in placed)
        return items


def _written(raw: Raw, before: Raw | None) -> JsonValue:
    if is_newer(raw):
        return dict(raw if before is None else before)
    # An unknown key that stands there empty is nothing that the journal could tell.
    empty = {key: None for key, value in (before or {}).items() if value is None and key not in raw}
    return in_order(raw | {key: value for key, value in empty.items() if key not in KNOWN})


def reconcile(
    projection: Projection, told: Told, contents: Contents, *, session_id: str, own: bool, closed: Closed
) -> tuple[Layout, list[Finding]]:
    """Compare the file with the journal.

    Args:
        projection: What the file reflected when we last wrote it.
        told: What the journal says now.
        contents: What the file holds now.
        session_id: Owns what is adopted.
        own: Whether hand-written entries count: only in the caller's own session.
        closed: See `Closed`.

    Returns:
        How the file is to look, and what must be journaled first, in this order.
    """
    layout = Layout()
    findings: list[Finding] = []
    if contents.found is Found.BROKEN:
        findings.extend(_broken(contents, told))
    strangers = _place_known(layout, told, contents)
    for index, item in strangers:
        finding = _judge_stranger(layout, told, item, index, session_id=session_id, own=own, closed=closed)
        if finding is not None:
            findings.append(finding)
    if told.twice:
        text = f"Two machines wrote to this session at the same moment (events {told.twice}); both are kept."
        findings.append(Finding(EventKind.NOTE, text=text, fingerprint=fingerprint(list[JsonValue](told.twice))))
    findings.extend(_missing(projection, told, contents, layout))
    findings.extend(_edited(projection, told, contents, layout))
    already = projection.told | told.told
    return layout, [finding for finding in findings if not finding.fingerprint or finding.fingerprint not in already]


def apply_quietly(told: Told, findings: Iterable[Finding]) -> None:
    """Let the findings count without journaling them, for somebody who only reads."""
    for finding in findings:
        if finding.kind is EventKind.REMOVED:
            told.alive.pop(finding.uid, None)
        elif finding.uid in told.alive:
            apply_edit(told.alive[finding.uid], finding)


def apply_edit(raw: Raw, finding: Finding) -> None:
    """Lay over a record what a person changed in it."""
    lay_over(raw, finding.change)
    for key in finding.gone:
        raw.pop(key, None)


def fingerprint(item: JsonValue | bytes) -> str:
    """Name a thing that was said, so that it is not said again."""
    data = item if isinstance(item, bytes) else json.dumps(item, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def _broken(contents: Contents, told: Told) -> list[Finding]:
    text = (
        f"active_jobs.json could not be parsed. It was set aside; {len(contents.items)} entries were found in it, "
        f"and all {len(told.alive)} jobs that were watched still are."
    )
    return [Finding(EventKind.NOTE, text=text, fingerprint=fingerprint(contents.data))]


def _place_known(layout: Layout, told: Told, contents: Contents) -> list[tuple[int, JsonValue]]:
    """Find the entries that are ours by their uid, and give the others with their places."""
    strangers: list[tuple[int, JsonValue]] = []
    for index, item in enumerate(contents.items):
        layout.places.append(("", item))
        uid = item.get("uid") if isinstance(item, dict) else None
        raw = told.alive.get(uid) if isinstance(uid, str) else None
        if raw is None or not isinstance(item, dict) or not same_identity(raw, item):
            strangers.append((index, item))
            continue
        _place(layout, index, str(uid), item)
    return strangers


def _place(layout: Layout, index: int, uid: str, item: Raw) -> None:
    layout.places[index] = (uid, None)
    layout.wrote.setdefault(uid, item)


def _judge_stranger(
    layout: Layout, told: Told, item: JsonValue, index: int, *, session_id: str, own: bool, closed: Closed
) -> Finding | None:
    """Decide about an item that is not ours by its uid: ours all the same, an old one of ours, or somebody else's."""
    if not isinstance(item, dict):
        return _refused(layout, item, "it is not an object") if own else None
    name = identity(item)
    uid = next((uid for uid, raw in told.alive.items() if identity(raw) == name), "")
    if uid:
        _place(layout, index, uid, item)
        return None
    uid = str(item.get("uid", ""))
    if name in told.adopted or name in (told.closed.get(uid), closed(uid) if uid else None):
        layout.places[index] = (uid or "-", None)  # a uid of nothing alive: it leaves the file
        return None
    if not own or is_newer(item):
        return None
    entry, wrong = adoptable(item, session_id)
    if entry is None:
        return _refused(layout, item, wrong)
    return Finding(EventKind.REGISTERED, text="found in active_jobs.json", entry=entry, item=index)


def _refused(layout: Layout, item: JsonValue, wrong: str) -> Finding:
    mark = fingerprint(item)
    layout.told.add(mark)
    shown = json.dumps(item)[:200]
    return Finding(
        EventKind.NOTE, text=f"An entry of active_jobs.json is not watched: {wrong}: {shown}", fingerprint=mark
    )


def _is_behind(projection: Projection, contents: Contents, layout: Layout) -> bool:
    """Say whether the file is older than what we wrote last: a backup, an editor's old copy, a mount that came back.

    Then what it lacks was not taken out of it, and what differs was not changed.
    """
    if not projection.has_file or projection.place != contents.place:
        return True
    return any(
        _seq(item) < _seq(projection.records[uid])
        for uid, item in layout.wrote.items()
        if uid in projection.records and not is_newer(item)
    )


def _seq(raw: Raw) -> float:
    seq = raw.get("seq")
    return seq if isinstance(seq, int) else float("inf")


def _missing(projection: Projection, told: Told, contents: Contents, layout: Layout) -> list[Finding]:
    """Find what was in the file when we wrote it and is not there now."""
    missing = [uid for uid in projection.records if uid in told.alive and uid not in layout.wrote]
    if not missing or contents.found is Found.BROKEN:
        return []
    if contents.found is Found.WHOLE and not _is_behind(projection, contents, layout):
        text = "taken out of active_jobs.json by hand; no longer watched"
        return [Finding(EventKind.REMOVED, uid, text) for uid in missing]
    if contents.found is Found.WHOLE and projection.place == contents.place:
        return []
    orphans = [uid for uid in missing if told.alive[uid].get("orphan") is not True and not is_newer(told.alive[uid])]
    findings = [Finding(EventKind.UPDATED, uid, change={"orphan": True}) for uid in orphans]
    if projection.has_file:
        text = f"active_jobs.json is gone; {len(missing)} jobs are still watched, rebuilt from the journal"
        findings.insert(0, Finding(EventKind.NOTE, text=text, fingerprint=fingerprint(["gone", projection.seq])))
    return findings


def _edited(projection: Projection, told: Told, contents: Contents, layout: Layout) -> list[Finding]:
    """Find what a person changed in our entries."""
    if _is_behind(projection, contents, layout):
        return []
    findings: list[Finding] = []
    for uid, item in layout.wrote.items():
        before = projection.records.get(uid)
        if before is None or is_newer(item) or is_newer(told.alive[uid]):
            continue
        change, gone = edits(before, item)
        now = told.alive[uid]
        change = {key: value for key, value in change.items() if key not in now or now[key] != value}
        gone = [key for key in gone if key in now]
        if item.get("uid") != uid:
            gone = []  # written anew by hand: what it does not say is not denied
        if change or gone:
            findings.append(Finding(EventKind.UPDATED, uid, "changed by hand", change=change, gone=gone))
    return findings
