"""Carrying out what a rule asks for: noted before it is done, done once, and what came of it noted and told."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio
from anyio import to_thread

from jobwarden.actions.book import Book, pinned
from jobwarden.actions.call import ActionCall, Firing
from jobwarden.actions.cancel import Doomed, Order, request_cancel
from jobwarden.actions.deeds import (
    CLAIMED,
    DONE,
    FAILED,
    INTENDED,
    OPEN,
    REFUSED,
    SUBMITS,
    UNSURE,
    After,
    Deed,
    Deeds,
    Known,
    intend,
)
from jobwarden.actions.errors import ActionError, HaltedError, InvalidRuleError
from jobwarden.actions.grants import Grants, granted_in
from jobwarden.actions.halting import Halt, bar_of, halt_of
from jobwarden.actions.planning import MESSAGES, Plan, dry_text, plan
from jobwarden.actions.restarting import is_told, note_restart, refuse_restart
from jobwarden.actions.resubmit import resubmit
from jobwarden.actions.running import run_named
from jobwarden.actions.telling import message_of, send
from jobwarden.config.reading import ConfigError
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.resubmitting import NotAgainError
from jobwarden.verdict.rounds import Rounds
from jobwarden_registry.errors import (
    InvalidIdError,
    JobwardenError,
    LeaseLostError,
    LockTimeoutError,
    UnreadableError,
    UntrustedError,
    UnwritableError,
)
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

log = logging.getLogger(__name__)

_AGAIN = timedelta(seconds=10)
"""Slurm's accounting is some seconds behind, and without job_script it forgets scripts in minutes."""
_AGAIN_MOST = timedelta(minutes=10)
_GIVE_UP = timedelta(hours=2)
_CANNOT_NOTE = (LeaseLostError, LockTimeoutError, UnreadableError, UntrustedError, UnwritableError)
"""Nothing can be noted, so the deed stays open."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one call.

    Attributes:
        action: The call's name.
        outcome: done, refused, failed, unsure (not known, and not repeated), dry_run, or open (`take_up` goes on).
        text: For people, one line.
    """

    action: str
    outcome: str
    text: str


@dataclass(slots=True)
class _Wait:
    until: datetime
    tries: int = 1


@dataclass(slots=True)
class _Lane:
    """One job's: its deeds are done one after the other, and hold up those of no other job."""

    guard: anyio.Lock = field(default_factory=anyio.Lock)
    waits: dict[str, _Wait] = field(default_factory=dict[str, _Wait])


class Actor:
    """Does what rules ask for. One for a process; the watcher's acts under its leases."""

    def __init__(self, rounds: Rounds, env: Mapping[str, str]) -> None:
        self._rounds = rounds
        self._env = env
        self.deeds = Deeds()
        """What the journals say that was done."""
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._faults: dict[str, str] = {}
        """By session: why nothing is granted there, as it was said last."""
        self._busy: set[str] = set()
        """Where something that was open is being done: whoever hangs there holds up one look, not all."""

    async def carry_out(
        self,
        session: Session,
        record: JobRecord,
        firing: Firing,
        calls: Sequence[ActionCall],
        *,
        lease: str | None = None,
        dry_run: bool = False,
        grants: Grants | None = None,
    ) -> list[Done]:
        """Do what a rule that fired asks for. All is noted first; the same firing given twice is done once.

        Args:
            session: Whose job.
            record: The job, alive or as it ended.
            firing: What made the rule fire; its `id` makes each deed one.
            calls: From `check_call`.
            lease: The watcher's token.
            dry_run: Only say what would be done; nothing is noted.
            grants: What may be done, instead of what the configuration grants: a person's own act.

        Returns:
            One for each call, in order. `pause` is the caller's to obey: its outcome is done. Of what had ended before
            the text is empty.

        Raises:
            RegistryError: Nothing was noted, or it could not be noted how it went on; `take_up` finds that out.
        """
        book = Book(self._rounds, session, self.deeds, lease)
        asked = grants is not None
        grants = grants or await self._grants(session)
        if dry_run:
            plans = await self._rounds.sessions.call(
                session,
                lambda one: self._plans(
                    record, firing, calls, grants, self.deeds.of(one), bar_of(one, _asked_at(record, firing))
                ),
            )
            return [Done(one.deed.action, "dry_run", dry_text(one)) for one in plans]
        noted: dict[str, Plan] = {}
        async with self._lane(session, record.uid).guard:
            await book.write(
                lambda transaction, known: noted.update(
                    self._intend(
                        transaction, known, record, firing, calls, grants, bar_of(session, _asked_at(record, firing))
                    )
                )
            )
            mine = await book.open(firing=firing.id)
            # A cancel means the run that was there: what is submitted in its place comes first, and waits for its end.
            for deed in sorted(mine, key=lambda one: one.action not in SUBMITS):
                if (await book.known()).step(deed.id) in OPEN:
                    await self._go_on(book, record, deed if asked else _by_grant(deed), grants)
            known = await book.known()
        ids = [f"{firing.id}#{place}" for place in range(len(calls))]
        return [_done(book, known, call.name, deed, noted.get(deed)) for call, deed in zip(calls, ids, strict=True)]

    async def take_up(self, session: Session, *, uid: str | None = None, lease: str | None = None) -> list[Done]:
        """Go on with what was begun and not ended: after a restart, and where a host did not answer. Call it often.

        Args:
            session: Whose jobs.
            uid: Whose deeds; None: those of all of its jobs.
            lease: The watcher's token.

        Returns:
            One for each deed that was open and is ours to go on with: none of a job that only another machine can
            ask about, nor a person's own act, but under a halt, where nothing is begun any more. What somebody of
            this process is busy with stays open.

        Raises:
            RegistryError: As `carry_out`.
        """
        book = Book(self._rounds, session, self.deeds, lease)
        open_ = await book.open(uid=uid)
        if any(deed.free for deed in open_):
            halted = await self._rounds.sessions.call(session, halt_of) is not None
            open_ = [_by_grant(deed) for deed in open_ if halted or not deed.free]
        if not open_:
            return []
        grants = await self._grants(session)
        ours: list[Deed] = []
        for deed in open_:
            wait = self._lane(session, deed.uid).waits.get(deed.id)
            if wait is None or wait.until <= self._rounds.clock():
                record = await book.record(deed.uid)
                if record is not None and self._rounds.elsewhere(record.site):
                    continue
                await self._take_up(book, record, deed, grants)
            ours.append(deed)
        known = await book.known()
        return [_done(book, known, deed.action, deed.id) for deed in ours]

    async def _take_up(self, book: Book, record: JobRecord | None, deed: Deed, grants: Grants) -> None:
        lane, place = self._lane(book.session, deed.uid), _place(deed)
        if lane.guard.locked() or place in self._busy:
            return
        async with lane.guard:
            self._busy.add(place)
            try:
                if (await book.known()).step(deed.id) not in OPEN:
                    return
                if record is None:
                    await self._give_up(book, deed, f"{deed.action} was not done: the job is watched here no longer")
                else:
                    await self._go_on(book, record, deed, grants, again=True)
            finally:
                self._busy.discard(place)

    def _lane(self, session: Session, uid: str) -> _Lane:
        return self._lanes.setdefault((session.entry.session_id, uid), _Lane())

    async def _grants(self, session: Session) -> Grants:
        limit_s = self._rounds.config.clocks.disk_timeout_s
        try:
            with anyio.fail_after(limit_s):
                work = partial(granted_in, self._env, session.entry.project)
                grants, fault = await to_thread.run_sync(work, abandon_on_cancel=True), ""
        except ConfigError as error:
            grants, fault = Grants(), str(error)
        except TimeoutError as error:
            raise UnreadableError(f"The configuration has not answered for {limit_s:.0f} s.") from error
        if fault and self._faults.get(session.entry.session_id) != fault:
            log.warning("session %s: nothing is granted: %s", session.entry.session_id, fault)
        self._faults[session.entry.session_id] = fault
        return grants

    def _plans(
        self,
        record: JobRecord,
        firing: Firing,
        calls: Sequence[ActionCall],
        grants: Grants,
        known: Known,
        halt: Halt | None,
    ) -> list[Plan]:
        now = self._rounds.clock()
        return [
            plan(call, place, record=record, firing=firing, grants=grants, known=known, now=now, halt=halt)
            for place, call in enumerate(calls)
        ]

    def _intend(
        self,
        transaction: Transaction,
        known: Known,
        record: JobRecord,
        firing: Firing,
        calls: Sequence[ActionCall],
        grants: Grants,
        halt: Halt | None,
    ) -> dict[str, Plan]:
        """Note what a firing asks for; answers what was noted now."""
        plans = self._plans(record, firing, calls, grants, known, halt)
        if any(known.is_noted(one.deed) for one in plans):
            return {}
        for one in plans:
            intend(transaction, one.deed, firing, one.text, told=one.told)
            note_restart(transaction, one.deed)
        return {one.deed.id: one for one in plans}

    async def _go_on(self, book: Book, record: JobRecord, deed: Deed, grants: Grants, *, again: bool = False) -> None:
        """Do one deed, or as much of it as can be done now. Its fault is its own, however it fails."""
        waits = self._lane(book.session, deed.uid).waits
        try:
            await self._deed(book, record, deed, grants, again=again)
        except (ActionError, NotAgainError, InvalidIdError, InvalidRuleError) as error:
            await book.note(deed, FAILED, f"{deed.action} was not done: {error}", told=await is_told(book, deed))
        except HaltedError as error:  # news to nobody: the halt itself is
            await book.note(deed, REFUSED, f"{deed.action} was not done: {error}", told=False)
        except _CANNOT_NOTE:
            raise
        except JobwardenError as error:
            await self._later(book, deed, str(error))
        except Exception as error:  # one deed's fault stops no other, nor any rule
            # Of a message only its kind: what a fault says may hold a part of what it failed on, a password in a URL.
            said = type(error).__name__ if deed.action in MESSAGES else f"{type(error).__name__}: {error}"
            if deed.id not in waits:
                log.exception("session %s: %s", book.session.entry.session_id, deed.id)
                text = f"{deed.who}: {deed.action} failed and is tried again: {said}"
                await book.write(lambda transaction, _: transaction.note(text))
            await self._later(book, deed, said)
        else:
            waits.pop(deed.id, None)

    async def _deed(self, book: Book, record: JobRecord, deed: Deed, grants: Grants, *, again: bool) -> None:
        if (await book.known()).step(deed.id) == INTENDED:
            await book.refuse_halted(deed)
        if deed.action in SUBMITS:
            await self._submit(book, record, deed, grants)
        elif deed.action == "cancel_job":
            await self._cancel(book, record, deed, grants, again=again)
        elif deed.action in MESSAGES:
            await self._tell(book, record, deed, grants)
        else:
            await self._run(book, deed, grants)

    async def _submit(self, book: Book, record: JobRecord, deed: Deed, grants: Grants) -> None:
        await refuse_restart(book, deed)
        await resubmit(book, record, _as_granted(deed, grants), grants)

    async def _later(self, book: Book, deed: Deed, why: str) -> None:
        """Have a deed tried again some time from now, or give it up."""
        now, waits = self._rounds.clock(), self._lane(book.session, deed.uid).waits
        if now - deed.at > _GIVE_UP:
            await self._give_up(book, deed, f"{deed.action} was given up: {why}")
            return
        tries = waits[deed.id].tries + 1 if deed.id in waits else 1
        waits[deed.id] = _Wait(now + min(_AGAIN * 2 ** min(tries - 1, 6), _AGAIN_MOST), tries)
        if deed.by:
            book.said[deed.id] = f"{deed.who}: {deed.action} is not over: {why}"
        log.info("%s of %s is tried again: %s", deed.action, deed.who, why)

    async def _give_up(self, book: Book, deed: Deed, text: str) -> None:
        step = (await book.known()).step(deed.id)
        told = await is_told(book, deed)
        await book.note(deed, FAILED if step in (INTENDED, None) else UNSURE, text, told=told)
        self._lane(book.session, deed.uid).waits.pop(deed.id, None)

    async def _cancel(self, book: Book, record: JobRecord, deed: Deed, grants: Grants, *, again: bool) -> None:
        if not grants.cancel:
            raise ActionError("No rule may cancel a job any more.")
        if again and record.attempts and record.attempts[-1].id == deed.run and len(record.attempts) > deed.runs:
            raise ActionError("Another run of it has begun meanwhile.")
        reason = str(deed.arguments.get("reason", ""))
        order = Order(by=deed.who, session_id=book.session.entry.session_id, reason=reason)
        doomed = Doomed(book.session, pinned(record, deed.run))
        (report,) = await request_cancel(self._rounds, [doomed], order, lease=book.lease)
        if report.outcome == "failed":
            raise SourceUnavailableError(report.text)
        step = DONE if report.outcome == "accepted" else REFUSED
        await book.note(deed, step, f"cancel_job{': ' + reason if reason else ''}: {report.text}")

    async def _tell(self, book: Book, record: JobRecord, deed: Deed, grants: Grants) -> None:
        if deed.target not in grants.notify:
            raise ActionError(f"Nobody is configured as {deed.target!r} any more.")
        message = message_of(deed, record, book.session.entry.session_id)
        if message.to and message.to not in grants.notify[deed.target].to:
            raise ActionError(f"{message.to!r} is no recipient of [notify.{deed.target}] any more.")
        await send(deed.target, grants.notify[deed.target], message, self._env)
        await book.note(deed, DONE, f"told {deed.target}: {message.subject}")

    async def _run(self, book: Book, deed: Deed, grants: Grants) -> None:
        after = (await book.known()).after.get(deed.id)
        if after is not None:  # a command may do anything: once begun, it is not begun again
            await book.note(deed, UNSURE, "run_command was begun; whether it ran to its end is not known")
            return
        name = str(deed.arguments["command"])
        values = {key: str(value) for key, value in deed.arguments.items() if key != "command"}
        if name not in grants.commands or grants.commands[name].fills != values.keys():
            raise ActionError(f"No command that takes this is configured as {name!r} any more.")
        claim = After(id=deed.id, step=CLAIMED, at=self._rounds.clock())
        if not await book.claim(deed, None, claim, lambda _: None):
            return
        grace_s = self._rounds.config.clocks.cancel_grace_s
        ran = await run_named(name, grants.commands[name], values, self._env, grace_s=grace_s)
        await book.note(deed, DONE if ran.ok else FAILED, f"run_command: {ran.text}")


def _asked_at(record: JobRecord, firing: Firing) -> datetime:
    """Say when a deed was asked for: a job that was stopped may be found to have ended long after."""
    ended_at = record.ended_at or record.observed_at
    return min(firing.at, ended_at) if record.phase.closed and ended_at is not None else firing.at


def _by_grant(deed: Deed) -> Deed:
    """Give a deed as one who is no person may go on with it: whatever the journal says, it needs the grant."""
    return deed.model_copy(update={"free": False})


def _as_granted(deed: Deed, grants: Grants) -> Deed:
    """Give a resubmission as it may be done now: without the grant, what lives is not cancelled, nor doubled."""
    if grants.cancel or not deed.arguments.get("cancel_original"):
        return deed
    return deed.model_copy(update={"arguments": {**deed.arguments, "cancel_original": False}})


def _place(deed: Deed) -> str:
    """Say where a deed may hang."""
    return deed.target or str(deed.arguments.get("command") or deed.about.get("host", ""))


def _done(book: Book, known: Known, action: str, deed: str, noted: Plan | None = None) -> Done:
    step = known.step(deed) or (noted.deed.step if noted else DONE)
    text = book.said.get(deed) or known.said.get(deed) or (noted.text if noted else "")
    return Done(action, "open" if step in OPEN else step, text)
