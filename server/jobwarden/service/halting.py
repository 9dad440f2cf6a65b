"""The emergency stop: rules and restarts are halted first, then everything that was registered is ended, at once.

It needs no watcher, and works beside one. What a rule was in the middle of submitting is looked for, and ended too:
what is left of a job's line of runs is looked at again until nothing of it lives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from jobwarden.actions.cancel import CancelReport, Doomed, Order, request_cancel
from jobwarden.actions.carrying import Actor
from jobwarden.actions.deeds import OPEN, SUBMITS, Deeds
from jobwarden.actions.halting import Halt, halt, halt_of, lift
from jobwarden.actions.lineage import runs_of
from jobwarden.actions.planning import run_of
from jobwarden.identity import Caller
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.service.desk import Desk
from jobwarden.service.halting_views import DoomedView, HaltView, StopView
from jobwarden.service.names import Known
from jobwarden.service.stopping import NOT_ASKED_ABOUT, order_of
from jobwarden.service.views import CancelRow, CancelView
from jobwarden.verdict.targets import Group
from jobwarden.watcher.presence import ring
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

_LOOKS_S = (0.5, 1.0, 2.0, 3.0)
"""Before each look at what is left; then the last again and again."""
_PATIENCE_S = 60.0
"""So long an end is waited for: Slurm gives a job half a minute to end by itself."""
_LOOKS_REFUSED = 2
"""So many more looks at what was refused: it may have ended by itself."""
_ROUNDS_MOST = 1000
_HALTED = (
    "The rules of this session are halted: they tell, and do nothing else, also for jobs that are registered from now "
    "on. To let them act again: jobwarden rules resume --all"
)
_Lineage = set[tuple[str, str, str]]
"""(type, place, id) of every run that is meant."""


@dataclass
class _Stop:
    """One stop, as it goes on.

    Attributes:
        order: Whose it is.
        sessions: Those that are halted.
        deadline: By the loop's clock, when the patience is over.
        meant: Every run that is to be ended; grows by those that a resubmission made.
        asked: By uid and run, what came of asking for its end.
        troubles: What went wrong, in sentences.
    """

    order: Order
    sessions: list[Session]
    deadline: float
    meant: _Lineage = field(default_factory=_Lineage)
    asked: dict[tuple[str, str], CancelReport] = field(default_factory=dict[tuple[str, str], CancelReport])
    first: dict[str, Known] = field(default_factory=dict[str, Known])
    troubles: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, known: Sequence[Known]) -> list[Known]:
        """Give those that are meant and live, and remember the runs that they have become."""
        living: list[Known] = []
        for one in known:
            runs = _runs(one.record)
            if runs & self.meant:
                self.meant |= runs
                self.first.setdefault(one.record.uid, one)
                if not self.is_over(one):
                    living.append(one)
        return living

    def is_over(self, one: Known) -> bool:
        """Whether nothing of it lives: it has ended, or its run has and will not be started again."""
        report = self.asked.get((one.record.uid, run_of(one.record)))
        called_off = one.record.held is not None and report is not None and report.outcome == "accepted"
        return not one.live or one.record.phase.closed or called_off

    def is_to_be_asked(self, one: Known) -> bool:
        """Whether its end is to be asked for, for the first time or again."""
        report = self.asked.get((one.record.uid, run_of(one.record)))
        return report is None or report.outcome == "failed"

    def is_refused(self, one: Known) -> bool:
        """Whether asking for its end again is of no use."""
        report = self.asked.get((one.record.uid, run_of(one.record)))
        return report is not None and report.outcome == "refused"


class Halting:
    """Ends everything, keeps rules from acting, and lets them act again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._actor = Actor(desk.world.rounds, desk.world.env)
        self._deeds = Deeds()

    async def sessions(self, caller: Caller, *, session: str | None = None, project: bool = False) -> list[Session]:
        """Give the sessions that are meant: this one, those of the caller's project, or all of this user.

        Raises:
            UnreadableError: The index cannot be read; that is not "no sessions".
        """
        known = await self._desk.world.sessions.known()
        if session is not None:
            return [one for one in known if one.entry.session_id == session]
        return [one for one in known if not project or one.entry.project == caller.project]

    async def doomed(self, caller: Caller, sessions: Sequence[Session]) -> DoomedView:
        """Say what a stop of these sessions would end; asks no host."""
        living = [one for one in await self._known(sessions, {}) if one.live and not one.record.phase.closed]
        jobs = await self._desk.views(living, caller)
        return DoomedView(sessions=tuple(one.entry.session_id for one in sessions), jobs=jobs)

    async def stop(
        self,
        caller: Caller,
        sessions: Sequence[Session],
        *,
        reason: str,
        only: Collection[str] | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> StopView:
        """Halt these sessions and end what they watch; answers when all has ended, or the patience is over.

        What was registered after the halt is left alone; its rules do not act.

        Args:
            caller: Who wants it.
            sessions: Whose jobs.
            reason: Why; it is kept.
            only: Nothing else than these jobs (by `uid`), and what their rules made of them.
            patience_s: How long ends are waited for.

        Returns:
            A row for each job. `unsettled` says what may still live or come: the watcher, or the same call again,
            goes on with that, for as long as the halt holds.
        """
        began = anyio.current_time()
        stop = _Stop(order_of(caller, reason), list(sessions), began + patience_s)
        async with anyio.create_task_group() as tasks:
            for session in sessions:
                tasks.start_soon(self._halt, session, stop)
        ring(self._desk.world.places, "wake")
        for one in await self._known(sessions, stop.troubles):
            if one.live and not one.record.phase.closed and (only is None or one.record.uid in only):
                stop.meant |= _runs(one.record)
        unsettled = [*await self._until_nothing_lives(stop), *await self._elsewhere(stop)]
        if unsettled and (trouble := await self._desk.ensure_watcher()):
            unsettled.append(trouble)
        halted = await self.halts(sessions)
        rows = await self._rows(caller, stop)
        left = tuple(dict.fromkeys([*stop.troubles.values(), *unsettled]))
        return StopView(halted=halted, rows=rows, unsettled=left, seconds=anyio.current_time() - began)

    async def cancel_all(self, caller: Caller, *, reason: str, only: Collection[str] | None) -> CancelView:
        """Stop the caller's own session, as `cancel_job(all=true)` does; see `Service.cancel`."""
        session = await self._desk.session(caller)
        if session is None:
            return CancelView(rows=())
        patience_s = self._desk.world.config.clocks.cancel_grace_s
        late = await self._known([session], {}) if only is not None else []
        view = await self.stop(caller, [session], reason=reason, only=only, patience_s=patience_s)
        rows = list(view.rows)
        for one in late:
            if only is not None and one.live and one.record.uid not in only:
                job = await self._desk.view(one, caller)
                rows.append(CancelRow(job=job, outcome=NOT_ASKED_ABOUT.outcome, text=NOT_ASKED_ABOUT.text, ended=False))
        notes = (*(_HALTED for _ in view.halted), *view.unsettled)
        async with self._desk.news.telling(session, caller) as told:
            return CancelView(rows=tuple(rows), notes=notes, news=told)

    async def lift(self, caller: Caller, sessions: Sequence[Session]) -> tuple[HaltView, ...]:
        """Let the rules of these sessions act again; gives the halts that held."""
        lifted: list[HaltView] = []
        for session in sessions:
            held = await self._desk.world.sessions.call(
                session, partial(lift, at=self._desk.world.clock(), by=order_of(caller, "").by)
            )
            if held is not None:
                lifted.append(_view(session, held))
        ring(self._desk.world.places, "wake")
        return tuple(lifted)

    async def halts(self, sessions: Sequence[Session]) -> tuple[HaltView, ...]:
        """Say which of these sessions are halted."""
        found: list[HaltView] = []
        for session in sessions:
            held = await self._desk.world.sessions.call(session, halt_of)
            if held is not None:
                found.append(_view(session, held))
        return tuple(found)

    # -- inner

    async def _halt(self, session: Session, stop: _Stop) -> None:
        by, reason, at = stop.order.by, stop.order.reason, self._desk.world.clock()
        try:
            await self._desk.world.sessions.call(session, partial(halt, at=at, by=by, reason=reason))
        except JobwardenError as error:  # its jobs are ended all the same
            name = session.entry.session_id
            stop.troubles[name] = f"Session {name} could not be halted, so its rules may act: {error}"

    async def _known(self, sessions: Sequence[Session], troubles: dict[str, str]) -> list[Known]:
        found: list[Known] = []
        for session in sessions:
            name = session.entry.session_id
            try:
                found += await self._desk.known([session])
            except JobwardenError as error:
                troubles[f"read {name}"] = f"Session {name} cannot be read, so its jobs go on: {error}"
            else:
                troubles.pop(f"read {name}", None)
        return found

    async def _until_nothing_lives(self, stop: _Stop) -> list[str]:
        """Cancel, settle and look, until nothing is left or the patience is over; answers what is left."""
        for number in range(_ROUNDS_MOST):
            living = stop.take(await self._known(stop.sessions, stop.troubles))
            with anyio.move_on_after(stop.deadline - anyio.current_time()):  # a host that hangs holds up no answer
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._end, stop, living)
                    tasks.start_soon(self._settle, stop)
            living = stop.take(await self._known(stop.sessions, stop.troubles))
            begun = await self._begun(stop)
            hopeless = number >= _LOOKS_REFUSED and all(stop.is_refused(one) for one in living)
            if not begun and (not living or hopeless):
                return [_still(one) for one in living]
            if anyio.current_time() >= stop.deadline:
                return [*begun, *(_still(one) for one in living)]
            fresh = [one for one in living if (one.record.uid, run_of(one.record)) not in stop.asked]
            if not fresh:
                await anyio.sleep(_LOOKS_S[min(number, len(_LOOKS_S) - 1)])
        return []

    async def _end(self, stop: _Stop, living: Sequence[Known]) -> None:
        """Ask for the end of each run, again where it is not known what came of it, and look; each host by itself."""
        rounds = self._desk.world.rounds
        groups = await rounds.groups(stop.sessions)
        where = {record.uid: key for key, group in groups.items() for record in group.records}
        here: dict[LedgerKey | None, list[Known]] = {}
        for one in living:
            here.setdefault(where.get(one.record.uid), []).append(one)

        async def there(group: Group | None, mine: Sequence[Known]) -> None:
            wanted = [one for one in mine if stop.is_to_be_asked(one)]
            if wanted:
                await self._cancel_there(stop, wanted)
            if group is not None:
                await self._desk.check(group, max_age_s=0.0, quick=True)

        async with anyio.create_task_group() as tasks:
            for key, mine in here.items():
                tasks.start_soon(there, groups[key] if key is not None else None, mine)

    async def _cancel_there(self, stop: _Stop, group: Sequence[Known]) -> None:
        doomed = [Doomed(one.session, one.record) for one in group]
        for one in group:
            stop.asked[one.record.uid, run_of(one.record)] = CancelReport("failed", "No answer came in time.")
        reports = await request_cancel(self._desk.world.rounds, doomed, stop.order)
        for one, report in zip(group, reports, strict=True):
            stop.asked[one.record.uid, run_of(one.record)] = report

    async def _settle(self, stop: _Stop) -> None:
        """Go on with what rules have begun: under a halt that refuses what is not done, and ends what was submitted."""
        for session in stop.sessions:
            name = session.entry.session_id
            try:
                await self._actor.take_up(session)
            except JobwardenError as error:
                stop.troubles[f"settle {name}"] = f"What rules of session {name} had begun is not known: {error}"
            else:
                stop.troubles.pop(f"settle {name}", None)

    async def _begun(self, stop: _Stop) -> list[str]:
        """Say which resubmissions were begun and are neither done nor given up."""
        left: list[str] = []
        for session in stop.sessions:
            with_open = await self._open(session)
            left += [
                f"A resubmission of {run} was begun before the halt, and whether it was submitted is not known yet."
                for run in with_open
            ]
        return left

    async def _elsewhere(self, stop: _Stop) -> list[str]:
        """Say which of these jobs go on as a run that another session has had submitted: that is not ours to end."""
        meant = {one.entry.session_id for one in stop.sessions}
        try:
            others = [one for one in await self._desk.world.sessions.known() if one.entry.session_id not in meant]
        except JobwardenError as error:
            return [f"Whether another session goes on with one of these cannot be said: {error}"]
        left: list[str] = []
        for one in await self._known(others, {}):
            runs, record = _runs(one.record), one.record
            now = (record.type, record.site or record.host, run_of(record))
            if one.live and not record.phase.closed and runs & stop.meant and now not in stop.meant:
                name = one.session.entry.session_id
                left.append(
                    f"Session {name}, which was not stopped, has one of these go on as {record.type} {run_of(record)} "
                    f"on {record.host}. To stop that, too: jobwarden stop-all --session {name}"
                )
        return left

    async def _open(self, session: Session) -> list[str]:
        def work(session: Session) -> list[str]:
            known = self._deeds.of(session)
            return [one.run for one in known.open() if one.action in SUBMITS and known.step(one.id) in OPEN]

        try:
            return await self._desk.world.sessions.call(session, work)
        except JobwardenError:  # `_known` tells it
            return []

    async def _rows(self, caller: Caller, stop: _Stop) -> tuple[CancelRow, ...]:
        now = {one.record.uid: one for one in await self._known(stop.sessions, {})}
        rows: list[CancelRow] = []
        for uid, one in stop.first.items():
            fresh = now.get(uid, one)
            ended = stop.is_over(fresh)
            report = _last(stop.asked, uid, ended=ended)
            job = await self._desk.view(fresh, caller)
            rows.append(CancelRow(job=job, outcome=report.outcome, text=report.text, ended=ended))
        return tuple(rows)


def _last(asked: dict[tuple[str, str], CancelReport], uid: str, *, ended: bool) -> CancelReport:
    reports = [report for (one, _), report in asked.items() if one == uid]
    if not reports:
        return CancelReport("already ended", "It had ended before it was asked for.")
    accepted = [report for report in reports if report.outcome == "accepted"]
    if ended and not accepted and reports[-1].outcome == "failed":
        return CancelReport("already ended", f"It has ended. (At first: {reports[-1].text})")
    return (accepted or reports)[-1]


def _runs(record: JobRecord) -> _Lineage:
    return {(record.type, record.site or record.host, run) for run in runs_of(record)}


def _still(one: Known) -> str:
    record = one.record
    return f"{record.type} {run_of(record)} on {record.host} has not ended yet: {record.last_status or record.phase}."


def _view(session: Session, held: Halt) -> HaltView:
    return HaltView(session=session.entry.session_id, since=held.at, by=held.by, reason=held.reason)
