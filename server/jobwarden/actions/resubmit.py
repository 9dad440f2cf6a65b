"""Submitting a job again, once: looked for before it is done, and never two alive.

The new job is submitted before the one that it replaces is cancelled, and waits for its end: whatever dies in between,
one of the two goes on. It carries a token, by which it is found when its answer was lost.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from functools import partial
from typing import cast

import anyio

from jobwarden.actions.book import Book, pinned
from jobwarden.actions.cancel import Doomed, Order, request_cancel
from jobwarden.actions.deeds import CLAIMED, DONE, INTENDED, After, Deed, Known
from jobwarden.actions.errors import ActionError, NotYetError
from jobwarden.actions.following import adopt
from jobwarden.actions.gpu_budget import gpu_hours
from jobwarden.actions.grants import CONFIG, Grants
from jobwarden.actions.halting import Halt
from jobwarden.actions.lineage import refuse_rivals, strangers
from jobwarden.actions.modifications import words_of
from jobwarden.actions.planning import run_of
from jobwarden.actions.substitution import Value
from jobwarden.sources.base import Host, Seen
from jobwarden.sources.errors import SourceError, SourceUnavailableError
from jobwarden.sources.resubmitting import Original, Resubmits
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.wanting import wanted_of
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.transaction import Transaction

_LOOKS_S = (0.0, 1.0, 2.0)
"""Before each look at whether the run that was replaced has ended."""


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
            await adopt(book, record, deed, new_id, host, changed=_changed(deed))
        else:
            new_id = after.new_id
    said = f"submitted again as {new_id}{_changed(deed)}"
    refused = ""
    if (halt := await book.bar(deed)) is not None:  # it was begun before that
        said += await _stop(book, new_id, halt)
    if deed.arguments.get("cancel_original"):
        cancelled, refused = await _replace(book, record, deed)
        said += cancelled or refused
    await book.note(deed, DONE, said, told=bool(refused))  # the new attempt is told
    return said


def token_of(session_id: str, deed: Deed) -> str:
    """Give what a submission is found by; the same whoever asks."""
    return "jw" + hashlib.sha256(f"{session_id}/{deed.id}".encode()).hexdigest()[:20]


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
    await book.refuse_halted(deed)
    original = await _original(book, record, deed, host, source)
    changes = cast("dict[str, Value]", deed.arguments["modifications"])
    hours = 0.0 if deed.free else gpu_hours(original, changes)
    claim = After(id=deed.id, step=CLAIMED, at=now, gpu_hours=hours)
    async with book.deeds.claiming:
        await refuse_rivals(book, record, deed, claimed=False)
        if not await book.claim(deed, after, claim, lambda known: _affordable(known, deed, grants, hours)):
            raise NotYetError("Somebody else goes on with it.")
    await refuse_rivals(book, record, deed, claimed=True)
    if (book.rounds.clock() - now).total_seconds() > clocks.ask_timeout_s:
        raise NotYetError("It took too long to note that it begins.")  # a machine that slept meanwhile
    await book.refuse_halted(deed)
    new_id = await source.submit(host, original, words_of(changes), token)
    found = new_id or await source.submitted(host, token, within_s=limit_s)
    if found is None:
        raise NotYetError("Whether it was submitted is not known yet.")
    return found


async def _original(book: Book, record: JobRecord, deed: Deed, host: Host, source: Resubmits) -> Original:
    current = await book.record(deed.uid) or record
    if run_of(current) != deed.run:
        raise ActionError(f"It goes on as {run_of(current)} already.")
    if current.phase is Phase.LOST:
        raise ActionError("It is lost: whether it still runs is not known, and two of it may not.")
    others = await strangers(book, current, deed.run)
    original = await source.original(host, wanted_of(pinned(current, deed.run)))
    if original.alive and not deed.arguments.get("cancel_original"):
        how = "replace=true" if deed.by else "cancel_original=true"
        raise ActionError(f"It lives, and two of it may not; with {how} it is replaced.")
    twins = sorted(set(original.twins) - others)
    if twins:
        raise ActionError(f"A job with its name and folder lives already: {', '.join(twins[:5])}.")
    return original


def _allows(text: str) -> str:
    return f"{text} below [grants] in {CONFIG} would allow it."


def _affordable(known: Known, deed: Deed, grants: Grants, hours: float) -> None:
    if deed.free:
        return
    others = [(one, used) for one, used in known.submissions() if one.id != deed.id and not one.free]
    spent = sum(used for _, used in others)
    if len(others) >= grants.resubmissions:
        more = _allows(f"resubmissions = {len(others) + 1}")
        raise ActionError(f"{len(others)} jobs were submitted; {more}")
    if hours > 0 and spent + hours > grants.gpu_hours:
        raise ActionError(
            f"It may use {hours:.1f} GPU-hours; of {grants.gpu_hours:g} are {spent:.1f} spent. "
            f"{_allows(f'gpu_hours = {math.ceil(spent + hours)}')}",
            code="action.budget",
        )


async def _replace(book: Book, record: JobRecord, deed: Deed) -> tuple[str, str]:
    """Cancel the run that was replaced, for whose end the new one waits; answers what was done, or what refused it."""
    old = pinned(await book.record(deed.uid) or record, deed.run)
    order = Order(by=deed.who, session_id=book.session.entry.session_id, reason="replaced by a new attempt")
    (report,) = await request_cancel(book.rounds, [Doomed(book.session, old)], order, lease=book.lease)
    if report.outcome == "failed":
        raise SourceUnavailableError(report.text)
    await _note_end(book, old, deed)
    if report.outcome == "accepted":
        return f"; {deed.run} cancelled", ""
    return "", f"; {deed.run} was not cancelled: {report.text}"


async def _stop(book: Book, new_id: str, halt: Halt) -> str:
    """Cancel a job that was submitted before a halt and seen after it; answers what came of it."""
    alive = await book.rounds.sessions.call(book.session, lambda session: session.load())
    mine = next((one for one in alive if run_of(one) == new_id), None)
    if mine is None:
        return f"; {new_id} has ended"
    order = Order(by=halt.by, session_id=book.session.entry.session_id, reason=halt.said())
    (report,) = await request_cancel(book.rounds, [Doomed(book.session, mine)], order, lease=book.lease)
    if report.outcome == "failed":
        raise SourceUnavailableError(report.text)
    return f"; {new_id}: cancel {report.outcome}: {report.text}"


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
