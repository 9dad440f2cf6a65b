"""Where what is remembered of rules is kept: `rules.json` in the session's state folder.

What must not be lost (a firing, a pause) is in the journal first, with the job's whole state (`kept`); then comes the
file. What is in the file alone is how far logs were read without anything firing: after a crash that is read again, and
nothing fires again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue, ValidationError

from jobwarden.actions.deeds import RULES_OF, RULES_PAUSED
from jobwarden.rules.state import JobRules
from jobwarden_registry.disk import Folder, told_plainly
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.rawjson import Raw, read_object, write_json
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

RULES = "rules.json"
KEPT = "kept"
"""In an event's extra fields: the job's `JobRules` as they are after it."""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Tell:
    """An event that goes with a change."""

    kind: EventKind
    text: str
    extra: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one job's rules.

    Attributes:
        record: The job, as it stands or as it ended.
        before: The version that this rests on: where another is there meanwhile, nothing is changed.
        after: None: forget them.
        events: In order.
    """

    record: JobRecord
    before: int
    after: JobRules | None
    events: Sequence[Tell] = ()


Kept = dict[str, JobRules]
"""By the job's uid."""


def load_rules(session: Session) -> Kept:
    """Give what is remembered of a session's rules.

    Raises:
        UntrustedError, UnreadableError: The session's folder cannot be used.
    """
    folder = session.opened()
    if folder is None:
        return {}
    with folder:
        return _load(session, folder)[0]


def has_rules(session: Session) -> bool:
    """Whether anything is remembered: there may be a job whose end was not looked at."""
    folder = session.opened()
    if folder is None:
        return False
    with folder:
        return bool(_jobs(read_object(folder.read(RULES) or b"") or {}))


def change_rules(
    session: Session,
    change: Change,
    *,
    lease: str | None = None,
    own: bool = False,
    edit: Callable[[Transaction], None] | None = None,
) -> bool:
    """Change what is remembered of one job's rules; answers False where somebody else did so meanwhile.

    Args:
        session: Whose.
        change: What.
        lease: As in `Session.transaction`.
        own: Likewise.
        edit: What else is changed with it, in the record; only with an event.

    Raises:
        As `Session.transaction`. What was journaled has happened.
    """
    uid = change.record.uid
    after = change.after
    if after is not None:
        after = after.model_copy(update={"version": change.before + 1})
    journaled = bool(change.events)
    if journaled:
        with session.transaction(lease=lease, own=own) as transaction:
            if load_rules(session).get(uid, JobRules()).version != change.before:
                return False
            if edit is not None:
                edit(transaction)
            _tell(transaction, change, after)
    with session.locked() as folder, told_plainly(folder.path):
        kept, _ = _load(session, folder)
        if not journaled:
            if kept.get(uid, JobRules()).version != change.before:
                return False
            if after is None:
                kept.pop(uid, None)
            else:
                kept[uid] = after
        _save(session, folder, kept)
    return True


def _tell(transaction: Transaction, change: Change, after: JobRules | None) -> None:
    record = change.record
    # Of a job that has ended the transaction knows nothing any more.
    about: dict[str, JsonValue] = {
        "type": record.type,
        "host": record.host,
        "job_id": record.id,
        "name": record.name,
        "phase": record.phase.value,
        "new_status": record.last_status,
    }
    state: JsonValue = None if after is None else after.model_dump(mode="json", exclude_defaults=True)
    for number, tell in enumerate(change.events, start=1):
        # The last one alone holds it: half of these events would else be taken for all of them.
        kept = {KEPT: state} if number == len(change.events) else {}
        extra = {**about, **tell.extra, **kept}
        transaction.note(tell.text, kind=tell.kind, uid=record.uid, extra=extra)


def _load(session: Session, folder: Folder) -> tuple[Kept, int]:
    raw = read_object(folder.read(RULES) or b"") or {}
    seq = raw.get("seq")
    seq = seq if isinstance(seq, int) else 0
    kept = {uid: state for uid, value in _jobs(raw).items() if (state := _read(value)) is not None}
    for event in session.journal.read(seq):
        extra = event.model_extra or {}
        if RULES_OF in extra and event.uid not in kept:
            kept[event.uid] = kept.get(str(extra[RULES_OF]), JobRules()).for_new_run(event.seq, extra.get(RULES_PAUSED))
        if KEPT in extra:
            state = _read(extra[KEPT])
            if state is not None and state.version >= kept.get(event.uid, JobRules()).version:
                kept[event.uid] = state
    return kept, seq


def _save(session: Session, folder: Folder, kept: Kept) -> None:
    jobs: Raw = {uid: state.model_dump(mode="json", exclude_defaults=True) for uid, state in kept.items()}
    folder.replace(RULES, write_json({"v": _VERSION, "seq": session.journal.last_seq(), "jobs": jobs}), sync=False)


def _jobs(raw: Raw) -> Raw:
    jobs = raw.get("jobs")
    return jobs if isinstance(jobs, dict) else {}


def _read(value: JsonValue) -> JobRules | None:
    try:
        return JobRules.model_validate(value)
    except ValidationError:
        return None
