"""What is alive, as the journal tells it; and the note of how much of that the project's file already reflects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from jobwarden_registry.disk import Folder
from jobwarden_registry.events import EventKind
from jobwarden_registry.journal import seq_of
from jobwarden_registry.rawjson import Raw, read_object, write_json
from jobwarden_registry.records import Identity, lay_over

PROJECTION = "projection.json"
_VERSION = 1
_CLOSING = frozenset({EventKind.FINISHED.value, EventKind.REMOVED.value})


@dataclass(frozen=True, slots=True)
class Projection:
    """The state of the project's file when it was last written.

    Attributes:
        seq: The journal's latest event that the file reflects.
        offset: Where the journal ended then, in bytes.
        has_file: Whether there was a file at all: a removed project has none.
        place: The inode of the folder in which it was; another folder's file is not the one that we wrote.
        records: What was alive, by uid, as it stands in the file.
        told: Fingerprints of entries that cannot be watched, and of which that was said.
        known: False when there was no such note, or it could not be read.
    """

    seq: int = 0
    offset: int = 0
    has_file: bool = False
    place: int = 0
    records: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    told: frozenset[str] = frozenset()
    known: bool = False


def load_projection(folder: Folder) -> Projection:
    """Read the note. Without one, everything is told again from the journal's beginning."""
    raw = read_object(folder.read(PROJECTION) or b"")
    if raw is None:
        return Projection()
    seq, offset, records, told = raw.get("seq"), raw.get("offset"), raw.get("records"), raw.get("told")
    place = raw.get("place")
    if not isinstance(seq, int) or not isinstance(offset, int) or not isinstance(records, dict):
        return Projection()
    return Projection(
        seq=seq,
        offset=offset,
        has_file=raw.get("has_file") is True,
        place=place if isinstance(place, int) else 0,
        records={uid: record for uid, record in records.items() if isinstance(record, dict)},
        told=frozenset(str(mark) for mark in told) if isinstance(told, list) else frozenset(),
        known=True,
    )


def save_projection(folder: Folder, projection: Projection) -> None:
    """Write the note. It is not forced to the disk: if it is lost, the journal tells everything again."""
    raw: Raw = {
        "v": _VERSION,
        "seq": projection.seq,
        "offset": projection.offset,
        "has_file": projection.has_file,
        "place": projection.place,
        "records": dict(projection.records),
        "told": list[JsonValue](sorted(projection.told)),
    }
    folder.replace(PROJECTION, write_json(raw), sync=False)


@dataclass(slots=True)
class Told:
    """What the journal says, from a projection to its end.

    Attributes:
        alive: The records that are watched, by uid, in the order of their registration.
        closed: What finished or was removed since the projection: uid to (type, id, host).
        adopted: (type, id, host) to uid, of the hand-written entries adopted since the projection.
        told: Fingerprints of what was said since the projection.
        seq: The highest number so far.
        twice: Numbers that were given twice since the projection: two writers at once.
    """

    alive: dict[str, Raw]
    closed: dict[str, Identity]
    adopted: dict[Identity, str]
    told: set[str]
    seq: int
    twice: list[int]


def tell(projection: Projection, events: Sequence[Raw]) -> Told:
    """Replay the journal's lines after the projection.

    Args:
        projection: Where to begin.
        events: The lines, unread by any model: what a newer version wrote counts too.
    """
    alive = {uid: dict(raw) for uid, raw in projection.records.items()}
    told = Told(alive, {}, {}, set(), projection.seq, [])
    for event in events:
        seq = seq_of(event)
        if seq <= told.seq:
            told.twice.append(seq)
        told.seq = max(told.seq, seq)
        _tell_one(told, event)
    return told


def job_of(event: Raw) -> Identity:
    """Give the job that an event is about, as a hand-written entry would name it; see `records.identity`."""
    return (str(event.get("type", "")), str(event.get("job_id", "")), str(event.get("host", "")))


def _tell_one(told: Told, event: Raw) -> None:
    kind, uid = event.get("event"), event.get("uid")
    mark = event.get("fingerprint")
    if isinstance(mark, str):
        told.told.add(mark)
    if not isinstance(uid, str) or not uid:
        return
    record, change, gone = event.get("record"), event.get("change"), event.get("gone")
    if kind in _CLOSING:
        told.alive.pop(uid, None)
        told.closed[uid] = job_of(event)
    elif kind == EventKind.REGISTERED.value and isinstance(record, dict) and uid not in told.closed:
        told.alive.setdefault(uid, dict(record))
        if event.get("adopted") is True:
            told.adopted[job_of(event)] = uid
    elif uid in told.alive:
        raw = told.alive[uid]
        lay_over(raw, change if isinstance(change, dict) else {})
        for key in gone if isinstance(gone, list) else ():
            raw.pop(str(key), None)
        raw["seq"] = event["seq"]
