"""Submitting a job again, once: looked for before it is done, and never two alive.

The new job is submitted before the one that it replaces is cancelled, and waits for its end: whatever dies in between,
one of the two goes on. It carries a token, by which it is found when its answer was lost.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import cast

import anyio

from jobwarden.actions.book import Book, pinned
from jobwarden.actions.cancel import Doomed, Order, request_cancel
from jobwarden.actions.deeds import CLAIMED, DONE, INTENDED, SUBMITTED, After, Deed, Known, note_after
from jobwarden.actions.errors import ActionError
from jobwarden.actions.grants import Grants, line
from jobwarden.actions.modifications import words_of
from jobwarden.actions.planning import run_of
from jobwarden.actions.substitution import Value
from jobwarden.sources.base import Host, Seen, Wanted
from jobwarden.sources.errors import SourceError, SourceUnavailableError
from jobwarden.sources.resubmitting import Original, Resubmits
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.apply import write_draft
from jobwarden.verdict.engine import judge
from jobwarden.verdict.wanting import wanted_of
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.transaction import Transaction

_LOOKS_S = (0.0, 1.0, 2.0)
"""Before each look at whether the run that was replaced has ended."""
_NUMBER = re.compile(r"(?:.*:)?(\d+)")


class NotYetError(SourceUnavailableError):
    """Whether it was submitted cannot be said yet: it is looked for again later."""

    code: str = "resubmit.not_yet"


async def resubmit(book: Book, record: JobRecord, deed: Deed, grants: Grants) -> str:
    """Go on with a resubmission from wherever it stands; answers what was done.

    Raises:
        ActionError, NotAgainError: It is not done, and will not be.
        TransportError, SourceError: It could not be found out, or not be finished; go on later.
        RegistryError: The session cannot be written.
    """
    source = book.rounds.source(record)
    if not isinstance(source, Resubmits):
        raise ActionError(f"{record.type} jobs cannot be submitted again.")
    target = await book.rounds.target(record)
    if book.rounds.elsewhere(target.key.site):
        raise ActionError("It ran on another machine.")
    after = (await book.known()).after.get(deed.id)
    async with book.rounds.host(target) as host:
        if after is None or after.step in (INTENDED, CLAIMED):
            new_id = await _submitted(book, record, deed, grants, host, source)
            await _adopt(book, record, deed, new_id, host)
        else:
            new_id = after.new_id
    said = f"submitted again as {new_id}{_changed(deed)}"
    if deed.arguments.get("cancel_original"):
        said += await _replace(book, record, deed)
    await book.note(deed, DONE, said, told=False)  # the new attempt is told
    return said


def token_of(session_id: str, deed: Deed) -> str:
    """Give what a submission is found by; the same whoever asks."""
    return "jw" + hashlib.sha256(f"{session_id}/{deed.id}".encode()).hexdigest()[:20]


def gpu_hours(original: Original, changes: Mapping[str, Value]) -> float:
    """Say what a new job may use at most.

    Raises:
        ActionError: It uses GPUs, and for how long nobody can say.
    """
    nodes = _count(changes.get("nodes"), original.nodes)
    gpus = math.ceil(original.gpus * nodes / max(1, original.nodes))
    gpus = max(gpus, _count(changes.get("gpus"), 0), nodes * _count(changes.get("gpus_per_node"), 0))
    gpus = max(gpus, nodes * _count(changes.get("gres"), 0))
    gpus = max(gpus, _count(changes.get("gpus_per_task"), 0) * max(nodes, _count(changes.get("ntasks"), 1)))
    limit_s = _seconds(str(changes["time"])) if "time" in changes else original.time_limit_s
    if gpus and limit_s is None:
        raise ActionError("It uses GPUs and has no time limit, so no budget holds it.", code="action.budget")
    return gpus * (limit_s or 0.0) / 3600


async def _submitted(book: Book, record: JobRecord, deed: Deed, grants: Grants, host: Host, source: Resubmits) -> str:
    """Look for the job, and submit it when it is certain that nobody has."""
    token = token_of(book.session.entry.session_id, deed)
    after = (await book.known()).after.get(deed.id)
    now, clocks = book.rounds.clock(), book.rounds.config.clocks
    limit_s = 2 * clocks.ask_timeout_s + clocks.connect_timeout_s
    if after is not None:
        age_s = (now - after.at).total_seconds()
        found = await source.submitted(host, token, within_s=max(0.0, (now - deed.at).total_seconds()))
        if found is not None:
            return found
        if age_s <= limit_s:  # the command that was sent may still be on its way
            raise NotYetError("Its submission was begun, and nothing is seen of it yet.")
    original = await _original(book, record, deed, host, source)
    changes = cast("dict[str, Value]", deed.arguments["modifications"])
    hours = gpu_hours(original, changes)
    claim = After(id=deed.id, step=CLAIMED, at=now, gpu_hours=hours)
    if not await book.claim(deed, after, claim, lambda known: _affordable(known, deed, grants, hours)):
        raise NotYetError("Somebody else goes on with it.")
    if (book.rounds.clock() - now).total_seconds() > clocks.ask_timeout_s:
        raise NotYetError("It took too long to note that it begins.")  # a machine that slept meanwhile
    new_id = await source.submit(host, original, words_of(changes), token)
    found = new_id or await source.submitted(host, token, within_s=limit_s)
    if found is None:
        raise NotYetError("Whether it was submitted is not known yet.")
    return found


async def _original(book: Book, record: JobRecord, deed: Deed, host: Host, source: Resubmits) -> Original:
    current = await book.record(deed.uid) or record
    if run_of(current) != deed.run:
        raise ActionError(f"It goes on as {run_of(current)} already.")
    original = await source.original(host, wanted_of(pinned(current, deed.run)))
    if original.alive and not deed.arguments.get("cancel_original"):
        raise ActionError("It lives, and two of it may not; with cancel_original=true it is replaced.")
    twins = sorted(set(original.twins) - await _watched(book, record))
    if twins:
        raise ActionError(f"A job with its name and folder lives already: {', '.join(twins[:5])}.")
    return original


async def _watched(book: Book, record: JobRecord) -> set[str]:
    """Give the ids of other watched jobs there: members of a sweep share a name."""
    sessions = await book.rounds.sessions.known()
    groups = await book.rounds.groups(sessions)
    target = await book.rounds.target(record)
    group = groups.get(target.key)
    others = [one for one in group.records if one.uid != record.uid] if group else []
    return {name for one in others for name in (one.id, one.resubmitted_as) if name}


def _affordable(known: Known, deed: Deed, grants: Grants, hours: float) -> None:
    others = [(one, used) for one, used in known.submissions() if one.id != deed.id]
    spent = sum(used for _, used in others)
    if len(others) >= grants.resubmissions:
        raise ActionError(f"{len(others)} jobs were submitted; {line('grants', f'resubmissions = {len(others) + 1}')}")
    if hours > 0 and spent + hours > grants.gpu_hours:
        raise ActionError(
            f"It may use {hours:.1f} GPU-hours; of {grants.gpu_hours:g} are {spent:.1f} spent. "
            f"{line('grants', f'gpu_hours = {math.ceil(spent + hours)}')}",
            code="action.budget",
        )


async def _adopt(book: Book, record: JobRecord, deed: Deed, new_id: str, host: Host) -> None:
    """Make the new job an attempt of the same record, on the evidence of its own look; the engine decides."""
    asked_at = book.rounds.clock()
    wanted = Wanted(id=new_id, user=record.user)
    seen = (await book.rounds.source(record).observe(host, [wanted]))[new_id]
    if not isinstance(seen, Seen):
        raise NotYetError(f"Job {new_id} was submitted and is not seen yet.")
    text = f"Rule {deed.rule} submitted it again as {new_id}{_changed(deed)}."

    def work(transaction: Transaction, known: Known) -> None:
        before = known.after.get(deed.id) or After(id=deed.id, step=CLAIMED, at=asked_at)
        step = before.model_copy(update={"step": SUBMITTED, "new_id": new_id})
        note_after(transaction, deed, step, f"rule {deed.rule}: submitted as {new_id}", told=False)
        _follow(transaction, record, seen, new_id, text, asked_at, book)

    await book.write(work)


def _follow(
    transaction: Transaction, record: JobRecord, seen: Seen, new_id: str, text: str, asked_at: datetime, book: Book
) -> None:
    current = transaction.jobs.get(record.uid)
    if current is not None and run_of(current) == new_id:
        return
    runs = (current or record).attempts or (Attempt(id=run_of(record), submitted_at=record.submitted_at),)
    told = seen.model_copy(update={"attempts": (*runs, _run(seen, new_id))})
    moved = (current or record).changed(
        resubmitted_as=new_id, log=None, elements=None, attempts=runs, absence=None, ended_at=None, cause=None,
        exit_code=None, signal=None, output_missing_since=None,
    )  # fmt: skip
    if current is None:  # it had ended: the same job, watched again
        moved = moved.changed(phase=Phase.UNKNOWN, registered_at=asked_at, last_status="", observed_at=None)
        moved, _ = transaction.register(moved, text=text)
    judgement = judge(moved, told, asked_at=asked_at, now=book.rounds.clock(), clocks=book.rounds.config.clocks)
    for draft in judgement.drafts:
        said = f"{draft.text or ''} {text}".strip() if draft.kind is EventKind.ATTEMPT else draft.text
        kind = draft.kind
        made = type(draft)(kind, draft.record, text=said, evidence=draft.evidence, extra=draft.extra)
        write_draft(transaction, made, {})


def _run(seen: Seen, new_id: str) -> Attempt:
    return Attempt(
        id=new_id,
        submitted_at=seen.submitted_at,
        started_at=None if seen.phase is Phase.PENDING else seen.started_at,
        status=seen.status,
        phase=seen.phase,
        node=seen.node,
    )


async def _replace(book: Book, record: JobRecord, deed: Deed) -> str:
    """Cancel the run that was replaced; the new one waits for its end."""
    old = pinned(await book.record(deed.uid) or record, deed.run)
    order = Order(by=f"rule {deed.rule}", session_id=book.session.entry.session_id, reason="replaced by a new attempt")
    (report,) = await request_cancel(book.rounds, [Doomed(book.session, old)], order, lease=book.lease)
    if report.outcome == "failed":
        raise SourceUnavailableError(report.text)
    await _note_end(book, old, deed)
    return f"; {deed.run} cancelled" if report.outcome == "accepted" else f"; {deed.run}: {report.text}"


async def _note_end(book: Book, old: JobRecord, deed: Deed) -> None:
    """Look for the end of the run that was replaced: nobody asks about it later."""
    target = await book.rounds.target(old)
    for wait_s in _LOOKS_S:
        await anyio.sleep(wait_s)
        with suppress(TransportError, SourceError):  # then its last known state stays
            async with book.rounds.host(target) as host:
                seen = (await book.rounds.source(old).observe(host, [wanted_of(old)]))[old.id]
            if isinstance(seen, Seen) and seen.phase.final:
                await book.write(partial(_put_end, deed=deed, seen=seen))
                return


def _put_end(transaction: Transaction, _: Known, *, deed: Deed, seen: Seen) -> None:
    record = transaction.jobs.get(deed.uid)
    places = [at for at, run in enumerate(record.attempts) if run.id == deed.run] if record is not None else []
    if record is None or not places or record.attempts[places[-1]].phase.final:
        return
    told = ("status", "phase", "ended_at", "exit_code", "signal", "node", "started_at")
    known = {name: value for name in told if (value := getattr(seen, name)) is not None}
    run = record.attempts[places[-1]].model_copy(update=known)
    attempts = (*record.attempts[: places[-1]], run, *record.attempts[places[-1] + 1 :])
    after = record.changed(attempts=attempts)
    transaction.change(deed.uid, after, EventKind.UPDATED, text=f"{deed.run} has ended.", evidence=seen.evidence)


def _changed(deed: Deed) -> str:
    words = words_of(cast("dict[str, Value]", deed.arguments["modifications"]))
    return f" with {' '.join(words)}" if words else ""


def _count(value: object, otherwise: int) -> int:
    if isinstance(value, int):
        return value
    found = _NUMBER.fullmatch(str(value).rpartition("-")[2]) if isinstance(value, str) else None
    return int(found[1]) if found else (1 if isinstance(value, str) else otherwise)


def _seconds(text: str) -> float:
    """Read sbatch's forms of a time: minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s."""
    days, dash, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
        return int(days) * 86400.0 + hours * 3600 + minutes * 60 + seconds
    if len(parts) == 3:
        return parts[0] * 3600.0 + parts[1] * 60 + parts[2]
    return parts[0] * 60.0 + (parts[1] if len(parts) == 2 else 0)
