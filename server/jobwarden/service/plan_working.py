"""Bringing a plan forward: whatever state it was left in, each job is submitted once and watched.

One pass decides about each job in turn (`plans.deciding`), does that, and notes what came of it before the next. A pass
that left something on its way is repeated until it is certain what came of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import anyio

from jobwarden.actions.cancel import Doomed, request_cancel
from jobwarden.actions.cancel import Order as CancelOrder
from jobwarden.actions.deeds import SUBMITS
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.halting import bar_of, halt_of
from jobwarden.actions.planning import run_of
from jobwarden.plans.deciding import Decision, Do, Known, Standing, current_id, decide, stale_dependencies
from jobwarden.plans.errors import PlanError
from jobwarden.plans.places import read_job_script
from jobwarden.plans.spec import JobSpec
from jobwarden.plans.state import (
    INTENDED,
    NEVER,
    REFUSED,
    SUBMITTED,
    UNSURE,
    Run,
    load_plans,
    new_token,
)
from jobwarden.rules.syntax import read_text
from jobwarden.service.names import Known as Watched
from jobwarden.service.plan_book import PlanBook
from jobwarden.service.plan_hosts import There
from jobwarden.service.plan_records import (
    Rulebook,
    chain,
    ids_of,
    is_over,
    record_of,
    rules_of,
    take,
    watched_there,
)
from jobwarden.service.ruling import add_rules
from jobwarden.sources.errors import SourceError
from jobwarden.sources.plugins import guarded
from jobwarden.sources.resubmitting import NotAgainError
from jobwarden.sources.submitting import Submission
from jobwarden.transport.errors import OutcomeUnknownError, TransportError
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

_STEPS = 4
"""Decisions about one job in one pass: found, then watched."""
_WAIT_STEP_S = 1.0


@dataclass(slots=True)
class Work(PlanBook):
    """One process's work at one plan."""

    async def run(self) -> None:
        """Bring it forward as far as it goes now."""
        while True:
            self.troubles.clear()
            waiting = await self._pass()
            if not self.order.dry_run and (trouble := await self.desk.ensure_watcher()) is not None:
                self.notes.append(trouble)  # it may have ended meanwhile: nothing was left
            if not waiting or not self.order.wait or self.order.dry_run:
                return
            await anyio.sleep(min(_WAIT_STEP_S, self.limit_s / 5))

    # -- one pass

    async def _pass(self) -> bool:
        """Decide about each job once, and do it; answers whether one is on its way."""
        await self.look()
        waiting = False
        async with self.hosts.opened():
            for spec in self.specs():
                try:
                    waiting = await self._job(spec) or waiting
                except (TransportError, SourceError) as error:
                    self.trouble(spec, error)
            if self.order.submit:
                await self._renew_dependencies()
        return waiting

    async def _job(self, spec: JobSpec) -> bool:
        self.said.pop(spec.name, None)
        for _ in range(_STEPS):
            known = await self._known(spec)
            if known is None:
                return False
            decision = self._narrowed(spec, decide(spec, known))
            if decision.do in (Do.WAIT, Do.BLOCKED):
                self.said[spec.name] = decision.text
                return decision.do is Do.WAIT
            if decision.do is Do.NOTHING:
                return False
            if not await self._do(spec, decision):
                return self._is_open(spec)
        return False

    def _is_open(self, spec: JobSpec) -> bool:
        latest = self.state.latest(spec.name)
        return latest is not None and latest.step == INTENDED

    def _narrowed(self, spec: JobSpec, decision: Decision) -> Decision:
        """Leave out what this call is not to do; and take up what has ended, where that is wanted."""
        standing, order = self.standings[spec.name], self.order
        if decision.do is Do.NOTHING and order.include_ended and is_over(standing) and spec.name not in self.renewed:
            self.renewed.add(spec.name)
            return Decision(Do.WATCH, "watched anew")
        if decision.do is Do.SUBMIT and not order.submit:
            return Decision(Do.BLOCKED, "It is not submitted; `jobwarden plan resume` submits what is missing.")
        if decision.do is Do.SUBMIT and order.at_most is not None and self.submitted >= order.at_most:
            return Decision(Do.BLOCKED, f"{order.at_most} were submitted now; `jobwarden plan resume` goes on.")
        return decision

    async def _known(self, spec: JobSpec) -> Known | None:
        there = await self.hosts.at(spec, self.specs(), within_s=self.window_s())
        if there is None:
            self.said[spec.name] = f"{spec.host} could not be asked."
            return None
        folder = there.folders.get(spec.work_dir)
        if spec.can_be_submitted and folder is None and self.state.real(spec.name) is None:
            self.said[spec.name] = f"{spec.work_dir or 'Its home folder'} is not there on {spec.host}."
            return None
        folders = folder.names if folder is not None and spec.can_be_submitted else ()
        elsewhere, here = dict[str, str](), dict[str, str]()
        if there.listing.living(spec.known_as, folders):
            plans = await self.desk.world.sessions.call(self.session, load_plans)
            site = await self.hosts.site_of(spec.host)
            elsewhere, here = await watched_there(self.desk, self.session, spec, site, plans, self.name)
        return Known(
            state=self.state,
            standings=self.standings,
            listing=there.listing,
            folders=folders,
            watched=elsewhere,
            others=here,
            now=self.desk.world.clock(),
            limit_s=self.limit_s,
            retry=self.order.retry,
            chosen=self.order.chosen,
        )

    # -- doing

    async def _do(self, spec: JobSpec, decision: Decision) -> bool:
        """Do it; answers whether more is to be decided about the job now."""
        latest = self.state.latest(spec.name)
        match decision.do:
            case Do.FOUND if latest is not None and decision.job is not None:
                await self._settle(spec, latest, SUBMITTED, decision.text, job_id=decision.job.id)
            case Do.NEVER if latest is not None:
                await self._settle(spec, latest, NEVER, decision.text)
                return True
            case Do.UNSURE if latest is not None:
                await self._settle(spec, latest, UNSURE, decision.text)
                return True
            case Do.ADOPT if decision.job is not None:
                await self._adopt(spec, decision)
            case Do.WATCH:
                await self._watch(spec)
            case Do.SUBMIT:
                await self._submit(spec, decision)
            case _:
                pass
        return False

    async def _adopt(self, spec: JobSpec, decision: Decision) -> None:
        assert decision.job is not None
        run = Run(step=SUBMITTED, at=self.desk.world.clock(), how="adopted", id=decision.job.id)
        await self._taken(spec, run, f"{spec.name}: {decision.text}", instead=False)

    async def _watch(self, spec: JobSpec) -> None:
        run = self.state.real(spec.name)
        assert run is not None
        await self._taken(spec, run, f"{spec.name}: {run.id} is watched", instead=None)

    async def _settle(self, spec: JobSpec, run: Run, step: str, text: str, *, job_id: str = "") -> None:
        """Note what came of a submission; one of which there is a job is watched from the same moment on."""
        after = run.model_copy(update={"step": step, "id": job_id, "text": "" if job_id else text})
        if job_id:
            said = f"{spec.name}: {'submitted again' if run.how == 'retried' else 'submitted'} as {job_id}"
            await self._taken(spec, after, said if text == SUBMITTED else f"{spec.name}: {text}", instead=True)
            await self._stop_if_halted(spec, run, job_id)
            return
        if step != NEVER:
            self.said[spec.name] = text
        await self.write(spec, after, f"{spec.name}: {text}", instead=True)

    async def _stop_if_halted(self, spec: JobSpec, run: Run, job_id: str) -> None:
        """Cancel what was on its way when everything was stopped, and is seen only now."""
        halt = await self.desk.world.sessions.call(self.session, partial(bar_of, asked_at=run.at))
        if halt is None or self.order.dry_run:
            return
        alive = await self.desk.world.sessions.call(self.session, Session.load)
        mine = [Doomed(self.session, one) for one in alive if run_of(one) == job_id]
        order = CancelOrder(by=halt.by, session_id=self.session.entry.session_id, reason=halt.said())
        for report in await request_cancel(self.desk.world.rounds, mine, order):
            self.notes.append(f"{spec.name}: {job_id} was on its way when all was stopped; cancel {report.outcome}.")

    async def _taken(self, spec: JobSpec, run: Run, text: str, *, instead: bool | None) -> None:
        """Note a run of which there is a job, and watch it; `instead` None: the run was noted before."""
        if self.order.dry_run:
            self.standings[spec.name] = Standing()
            await self.write(spec, run, text, instead=instead)
            return
        rules = await self._rules(spec)
        before = self._before(spec, run)
        alone = await record_of(self.desk, self.caller, self.state, spec, run, rules.rules)
        chained = alone if before is None else chain(before, alone)
        self.notes += rules.notes
        taken: list[tuple[JobRecord, bool]] = []

        def register(transaction: Transaction) -> None:
            taken.append(take(transaction, alone, chained, before, f"of the plan {self.name}"))

        await self.write(spec, run, text, instead=instead, also=register)
        ((record, created),) = taken
        if not created and rules.rules:
            written = [one for rule in rules.rules for one in read_text(rule)]
            try:
                await add_rules(self.desk, Watched(record, self.session, live=True), written, from_start=False)
            except InvalidRuleError as error:
                self.notes.append(f"{spec.name}: the plan's rules were not added: {error}")
        if self.state.suspended is not None:
            await self.pause([record])
        self.standings[spec.name] = Standing(record, live=True)

    def _before(self, spec: JobSpec, run: Run) -> JobRecord | None:
        """Give the record of the attempts before this one."""
        record = self.standings[spec.name].record
        return None if record is None or run.id in ids_of(record) else record

    async def _rules(self, spec: JobSpec) -> Rulebook:
        """Read the rules for a job that runs already: its script is read if that can be done now."""
        script = b""
        there = self.hosts.known(spec)
        try:
            if there is not None and spec.can_be_submitted:
                script = await read_job_script(spec, there.host.transport)
        except JobwardenError as error:
            self.notes.append(f"{spec.name}: the rules in its script were not read: {error}")
        try:
            return await rules_of(self.desk, self.session, spec, script)
        except InvalidRuleError as error:
            self.notes.append(f"{spec.name}: its rules were not taken: {error}")
            return Rulebook(())

    async def _submit(self, spec: JobSpec, decision: Decision) -> None:
        there = self.hosts.known(spec)
        folder = there.folders.get(spec.work_dir) if there is not None else None
        assert there is not None
        assert folder is not None  # `_known` looked
        try:
            script = await read_job_script(spec, there.host.transport)
            await rules_of(self.desk, self.session, spec, script)
        except (PlanError, InvalidRuleError) as error:
            self.said[spec.name] = str(error)
            self.troubles.append(f"{spec.name} was not submitted: {error}")
            return
        if (halt := await self.desk.world.sessions.call(self.session, halt_of)) is not None:
            self.said[spec.name] = f"Nothing is submitted: {halt.said()}. To lift that: jobwarden stop-all --lift"
            self.troubles.append(f"{spec.name} was not submitted: {halt.said()}")
            return
        if decision.again and await self._is_resubmitted(spec):
            self.said[spec.name] = "A rule of it is submitting it again just now."
            return
        how = "retried" if decision.again else SUBMITTED
        run = Run(step=INTENDED, at=self.desk.world.clock(), how=how, token=new_token(), after=decision.after)
        self.submitted += 1
        waits = f", after {', '.join(decision.words)}" if decision.words else ""
        if self.order.dry_run:
            await self.write(
                spec, run.model_copy(update={"step": SUBMITTED, "id": "(new)"}), f"{spec.name}: submitted{waits}"
            )
            self.standings[spec.name] = Standing()
            return
        await self.write(spec, run, "")
        if (self.desk.world.clock() - run.at).total_seconds() > self.desk.world.config.clocks.ask_timeout_s:
            return  # a machine that slept meanwhile: whoever looks next may have given it up
        submission = Submission(
            name=spec.known_as,
            work_dir=folder.path,
            options=spec.options,
            arguments=spec.arguments,
            script=script,
            comment="",
            after=decision.words,
        )
        await self._send(spec, run, submission, there)

    async def _is_resubmitted(self, spec: JobSpec) -> bool:
        """Whether a rule has begun to submit it again: what that has sent may be on its way."""
        record = self.standings[spec.name].record
        if record is None:
            return False
        of = self.deeds.of
        open_ = await self.desk.world.sessions.call(self.session, lambda session: of(session).open(uid=record.uid))
        return any(one.action in SUBMITS for one in open_)

    async def _send(self, spec: JobSpec, run: Run, submission: Submission, there: There) -> None:
        try:
            with guarded(spec.type):
                new_id = await there.source.submit_script(there.host, submission, run.token)
        except NotAgainError as error:
            self.troubles.append(f"{spec.name}: {error}")
            await self._settle(spec, run, REFUSED, str(error))
        except (OutcomeUnknownError, SourceError) as error:
            self.trouble(spec, error)
        except TransportError as error:  # nothing was sent
            await self._settle(spec, run, NEVER, str(error))
            self.trouble(spec, error)
        else:
            if new_id:
                await self._settle(spec, run, SUBMITTED, SUBMITTED, job_id=new_id)
                return
            self.said[spec.name] = "Whether it was submitted is not known yet."

    async def _renew_dependencies(self) -> None:
        """Have jobs wait for the new attempt of what they waited for, where that was replaced."""
        for spec in self.state.spec.jobs:
            run, standing = self.state.real(spec.name), self.standings.get(spec.name, Standing())
            if run is None or not run.after or not standing.live:
                continue
            try:
                known = await self._known(spec)
                renewed = None if known is None else stale_dependencies(spec, known)
                there = self.hosts.known(spec)
                if renewed is None or there is None:
                    continue
                after, words = renewed
                job_id = current_id(standing.record, run)
                if not self.order.dry_run:
                    with guarded(spec.type):
                        await there.source.wait_for(there.host, job_id, words)
                fresh = run.model_copy(update={"after": after})
                text = f"{spec.name}: {job_id} waits for {', '.join(words) or 'nothing'} now"
                await self.write(spec, fresh, text, instead=True)
            except (TransportError, SourceError) as error:
                self.trouble(spec, error)
