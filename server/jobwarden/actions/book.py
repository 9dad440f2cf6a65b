"""The book in which deeds are kept: every step is written under the session's lock, and under the watcher's lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jobwarden.actions.deeds import OPEN, After, Deed, Deeds, Known, note_after
from jobwarden.actions.errors import HaltedError
from jobwarden.actions.halting import Halt, bar_of
from jobwarden.verdict.rounds import Rounds
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Book:
    """One session's deeds, as one caller may write them.

    Attributes:
        rounds: How to reach everything.
        session: Whose jobs.
        deeds: What is known of the journal.
        lease: The watcher's token; a lost lease writes nothing.
        said: By id; what this caller noted as the end of a deed.
    """

    rounds: Rounds
    session: Session
    deeds: Deeds
    lease: str | None
    said: dict[str, str] = field(default_factory=dict[str, str])

    async def known(self) -> Known:
        """Give all deeds of the session, to look single ones up."""
        return await self.rounds.sessions.call(self.session, self.deeds.of)

    async def open(self, *, uid: str | None = None, firing: str | None = None) -> list[Deed]:
        """Give what was begun and not ended, of one job or firing, or all."""
        return await self.rounds.sessions.call(
            self.session, lambda session: self.deeds.of(session).open(uid=uid, firing=firing)
        )

    async def write(self, work: Callable[[Transaction, Known], None]) -> None:
        """Write under the lock, with what is known there and then.

        Raises:
            LeaseLostError: Another watcher acts for this session now.
            RegistryError: As `Session.transaction`; nothing was written.
        """

        def locked(session: Session) -> None:
            with session.transaction(lease=self.lease, own=False) as transaction:
                work(transaction, self.deeds.of(session))

        await self.rounds.sessions.call(self.session, locked)

    async def claim(self, deed: Deed, seen: After | None, claim: After, check: Callable[[Known], None]) -> bool:
        """Begin a deed that must not be done twice.

        Args:
            deed: Which.
            seen: How far it had come when it was decided.
            claim: What to note.
            check: Raises what stands against it.

        Returns:
            False when somebody has gone on with it meanwhile.

        Raises:
            HaltedError: The session is halted; nothing was begun. A halt that comes later finds the claim.
        """
        claimed = False

        def work(transaction: Transaction, known: Known) -> None:
            nonlocal claimed
            if known.step(deed.id) in OPEN and known.after.get(deed.id) == seen:
                if (halt := bar_of(self.session, deed.at)) is not None:
                    raise HaltedError(f"The rules' actions are {halt.said()}.")
                check(known)
                note_after(transaction, deed, claim, f"{deed.who}: {deed.action} begins", told=False)
                claimed = True

        await self.write(work)
        return claimed

    async def note(self, deed: Deed, step: str, text: str, *, told: bool = True) -> None:
        """Note what came of a deed."""
        after = (await self.known()).after.get(deed.id)
        made = After(id=deed.id, step=step, at=self.rounds.clock())
        if after is not None:
            made = after.model_copy(update={"step": step})
        text = f"{deed.who}: {text}"
        await self.write(lambda transaction, _: note_after(transaction, deed, made, text, told=told and not deed.quiet))
        self.said[deed.id] = text

    async def bar(self, deed: Deed) -> Halt | None:
        """Give the halt for which a deed is not to be done, holding or lifted since; None: there is none."""
        return await self.rounds.sessions.call(self.session, lambda session: bar_of(session, deed.at))

    async def refuse_halted(self, deed: Deed) -> None:
        """Raise what stands against beginning a deed.

        Raises:
            HaltedError: The session is halted, or was since it was asked for.
        """
        if (halt := await self.bar(deed)) is not None:
            raise HaltedError(f"The rules' actions are {halt.said()}.")

    async def record(self, uid: str) -> JobRecord | None:
        """Give a job as it is watched, or as it ended."""

        def work(session: Session) -> JobRecord | None:
            alive = next((one for one in session.load() if one.uid == uid), None)
            if alive is not None:
                return alive
            ends = [one for one in session.journal.read() if one.uid == uid and one.event == EventKind.FINISHED]
            return JobRecord.model_validate(ends[-1].record) if ends and ends[-1].record else None

        return await self.rounds.sessions.call(self.session, work)


def pinned(record: JobRecord, run: str) -> JobRecord:
    """Give a record as it was when it lived under this id: a later run is not meant."""
    before = record.attempts
    while before and before[-1].id != run and any(one.id == run for one in before):
        before = before[:-1]
    return record.changed(resubmitted_as=None if run == record.id else run, attempts=before)
