"""Between a record and the JSON object that stands for it in a file, which may hold more than we know.

The object in the file is never written anew from the record: only the fields that changed are laid over it. So keys
that this version lacks, and values that it cannot read, survive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue, ValidationError

from jobwarden_registry.model import RECORD_VERSION, JobRecord
from jobwarden_registry.rawjson import Raw

CONTRACT: Final = ("type", "id", "host", "user", "submitted", "description", "last_status", "owner")
"""The eight keys that other tools and hand-written entries share, in the order in which they stand."""

Identity = tuple[str, str, str]
"""Type, id and host, as written."""

_IDENTITY: Final = ("type", "id", "host", "user")
"""Who changes one of these by hand means another job."""

BY_HAND: Final = frozenset({"description", "name", "tags", "submitted"})
"""What a person may change in a watched entry. Every other field that we know is the journal's alone: a pid, a log's
path, a completion check or a state that came by hand would be a stranger's word."""

KNOWN: Final = frozenset(JobRecord.model_fields)
_WELCOME: Final = BY_HAND | frozenset({*CONTRACT, "submitted_at"})
_NEVER: Final = frozenset({"pid", "rules", "restart", "restart_policy", "env", "command"})
"""Keys of other tools and later versions that must not come by hand, whatever they will mean."""
_DEFAULTS: Final[Mapping[str, JsonValue]] = JobRecord(type="x", id="x").model_dump(mode="json")
_ALWAYS: Final = frozenset({*CONTRACT, "v", "uid", "phase"})
_BOOKKEEPING: Final = frozenset({"uid", "seq", "v"})

_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:@-]{0,199}")
_WORD = re.compile(r"[^\s\x00-\x20\x7f-\x9f-][^\s\x00-\x20\x7f-\x9f]{0,254}")
"""A host or user: no blank, no control character, and no dash in front that a program would take for an option."""


def read_record(raw: Mapping[str, JsonValue]) -> JobRecord | None:
    """Read what can be read: a field that does not fit is left at its default.

    Returns:
        None when the type or the id is not there.
    """
    fields = dict(raw)
    while True:
        try:
            return JobRecord.model_validate(fields)
        except ValidationError as error:
            bad = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]} & fields.keys()
            if not bad or bad & {"type", "id"}:
                return None
            fields = {key: value for key, value in fields.items() if key not in bad}


def fresh_raw(record: JobRecord) -> Raw:
    """Write a new record: the contract keys always, the others where they say something."""
    fields: Raw = record.model_dump(mode="json", exclude_none=True)
    return {
        key: value for key, value in fields.items() if key in _ALWAYS or key not in KNOWN or value != _DEFAULTS[key]
    }


def changes(old: JobRecord, new: JobRecord) -> Raw:
    """Give the fields that differ, as JSON."""
    before: Raw = old.model_dump(mode="json")
    after: Raw = new.model_dump(mode="json")
    return {
        key: value
        for key, value in after.items()
        if key not in _BOOKKEEPING and (key not in before or before[key] != value)
    }


def lay_over(raw: Raw, change: Mapping[str, JsonValue]) -> None:
    """Put changed fields into an object; a field of ours that became empty leaves it."""
    for key, value in change.items():
        if value is None and key in KNOWN and key not in CONTRACT:
            raw.pop(key, None)
        else:
            raw[key] = value


def in_order(raw: Raw) -> Raw:
    """Put the contract keys first."""
    return {key: raw[key] for key in CONTRACT if key in raw} | raw


def is_newer(raw: Mapping[str, JsonValue]) -> bool:
    """Say whether a newer jobwarden wrote it."""
    version = raw.get("v")
    return isinstance(version, int) and version > RECORD_VERSION


def identity(raw: Mapping[str, JsonValue]) -> Identity:
    """Give what a hand-written entry is known by."""
    return (str(raw.get("type", "")), str(raw.get("id", "")), str(raw.get("host", _DEFAULTS["host"])))


def same_identity(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    """Say whether two objects mean one job, where nobody changed an identity by hand."""
    return all(str(one.get(key, _DEFAULTS.get(key))) == str(other.get(key, _DEFAULTS.get(key))) for key in _IDENTITY)


def edits(before: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> tuple[Raw, list[str]]:
    """Find what a person changed in an entry that we wrote.

    Returns:
        The fields that have other values now, and the unknown keys that are gone.
    """
    change = {
        key: value
        for key, value in now.items()
        if _may_change(key) and (key not in before or before[key] != value) and not (value is None and key in KNOWN)
    }
    gone = [key for key in before if key not in KNOWN and key not in now]
    return change, gone


def _may_change(key: str) -> bool:
    return key in BY_HAND or (key not in KNOWN and key not in _NEVER)


def adoptable(raw: Mapping[str, JsonValue], session_id: str) -> tuple[Raw | None, str]:
    """Turn a hand-written entry into an object that can be watched, and leave out what may not come by hand.

    Returns:
        The object without `uid` and `seq`, or None and what is wrong with the entry.
    """
    kept: Raw = {key: value for key, value in raw.items() if key in _WELCOME or _may_change(key)}
    number = kept.get("id")
    if isinstance(number, int) and not isinstance(number, bool):
        kept["id"] = str(number)
    wrong = _what_is_wrong(kept)
    if wrong:
        return None, wrong
    owner = kept.get("owner")
    kept["owner"] = {"agent": "manual", "session_id": session_id, **(owner if isinstance(owner, dict) else {})}
    record = read_record(kept)
    assert record is not None
    return fresh_raw(record) | kept, ""


def _what_is_wrong(raw: Mapping[str, JsonValue]) -> str:
    for key, pattern, needed in (("type", _TYPE, True), ("id", _ID, True), ("host", _WORD, False)):
        value = raw.get(key)
        if key not in raw and not needed:
            continue
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            return f"{key!r} is missing or cannot be one"
    user = raw.get("user", "")
    if not isinstance(user, str) or (user and _WORD.fullmatch(user) is None):
        return "'user' cannot be one"
    if raw["type"] == "process":
        return "a process is watched only when jobwarden has started it"
    return ""
