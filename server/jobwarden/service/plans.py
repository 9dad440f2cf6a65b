"""Plans: jobs that a file describes, submitted once each, watched, and taken up again after whatever."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from jobwarden.actions.audit_keys import BY
from jobwarden.identity import Caller
from jobwarden.plans.errors import PlanBusyError, PlanError
from jobwarden.plans.places import plan_lock
from jobwarden.plans.state import PlanState, change_plan, load_plans
from jobwarden.service.controlling import Controlling
from jobwarden.service.desk import Desk
from jobwarden.service.names import UID
from jobwarden.service.plan_book import Order
from jobwarden.service.plan_checking import check_plan, overrides_of, read_good
from jobwarden.service.plan_finding import change_fields, find_plan, own_session, read_meant, write_plan
from jobwarden.service.plan_pausing import Override, override, unpause_rules
from jobwarden.service.plan_records import chosen_names
from jobwarden.service.plan_showing import counted, groups, plan_row, planned_view
from jobwarden.service.plan_views import PlanCheckView, PlanListView, PlanRow, PlanView
from jobwarden.service.plan_working import Work
from jobwarden.service.stopping import order_of
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

RETRIED = ("failed", "cancelled", "lost", "unsure")
_REASON_CHARS = 300
_NOT_DONE = ("refused", "already ended")


class Plans:
    """What can be asked and done about plans. A plan is named by its file (a Path) or by its name (a str)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def check(self, caller: Caller, file: Path, *, ask_hosts: bool = True) -> PlanCheckView:
        """Say everything that is wrong with a plan's file; does nothing.

        Args:
            caller: Who asks; its project and the user's configuration decide what rules may do.
            file: The plan.
            ask_hosts: Whether to look there for the folders and scripts.

        Raises:
            PlanError: The file cannot be read at all.
        """
        return await check_plan(self._desk, caller, file, ask_hosts=ask_hosts)

    async def submit(
        self, caller: Caller, file: Path, *, at_most: int | None = None, wait: bool = True, dry_run: bool = False
    ) -> PlanView:
        """Submit what is missing, adopt what runs already, and watch all of it. Twice is as good as once.

        Args:
            caller: Whose session watches the jobs.
            file: The plan.
            at_most: Submit no more than so many now; the next call goes on.
            wait: Wait for submissions whose answer was lost, until it is certain what came of them.
            dry_run: Only say what would be done.

        Raises:
            PlanError: Something is wrong with it, and all of that is in the text; nothing was done.
            PlanBusyError: Another process works on it.
        """
        spec = await read_good(self._desk, caller, file)
        order = Order(at_most=at_most, wait=wait, dry_run=dry_run)
        async with self._working(caller, spec.name):
            session = await own_session(self._desk, caller, spec.name)
            state = await write_plan(self._desk, session, spec, {}, dry_run=dry_run)
            return await self._bring_forward(caller, Work(self._desk, caller, session, state, order))

    async def watch(
        self, caller: Caller, plan: Path | str, *, host: str = "", include_ended: bool = False, dry_run: bool = False
    ) -> PlanView:
        """Watch every job of a plan that exists, registered before or not; submits nothing.

        Args:
            caller: Whose session watches the jobs.
            plan: A plan's file, a session file (JSON), or a plan's name.
            host: Where the jobs of a session file are.
            include_ended: Watch those anew, too, whose end this session has seen.
            dry_run: Only say what would be done.
        """
        order = Order(submit=False, include_ended=include_ended, wait=False, dry_run=dry_run)
        spec, runs = await read_meant(self._desk, caller, plan, host)
        async with self._working(caller, spec.name):
            session = await own_session(self._desk, caller, spec.name)
            state = await write_plan(self._desk, session, spec, runs, dry_run=dry_run)
            return await self._bring_forward(caller, Work(self._desk, caller, session, state, order), twice=True)

    async def resume(
        self,
        caller: Caller,
        plan: Path | str,
        *,
        retry: Sequence[str] = (),
        names: Sequence[str] = (),
        tags: Sequence[str] = (),
        include_ended: bool = False,
        overrides: Mapping[str, Sequence[str]] | None = None,
        at_most: int | None = None,
        wait: bool = True,
        dry_run: bool = False,
    ) -> PlanView:
        """Go on after any interruption: find what was submitted, submit what is missing, lift a suspension.

        Args:
            caller: Whose session watches the jobs.
            plan: Its file or name.
            retry: Submit those again that ended so: failed, cancelled, lost; `unsure`: of whose submission nobody
                knows what came.
            names: Of these, only the jobs with such a name (`train*`).
            tags: Only those with all of these tags.
            include_ended: As `watch`.
            overrides: `rules`, `restart`, `expect`, `ready` instead of the plan's, from this call on, for what it
                submits and for what lives.
            at_most: As `submit`.
            wait: As `submit`.
            dry_run: As `submit`.

        Raises:
            As `submit`; JobNotFoundError: there is no such plan.
        """
        for one in retry:
            if one not in RETRIED:
                raise PlanError(f"{one[:40]!r} cannot be submitted again.", hint=f"There is: {', '.join(RETRIED)}.")
        spec, runs = await read_meant(self._desk, caller, plan, "")
        chosen = chosen_names(spec.jobs, names, tags)
        order = Order(
            retry=retry, chosen=chosen, include_ended=include_ended, at_most=at_most, wait=wait, dry_run=dry_run
        )
        async with self._working(caller, spec.name):
            session = await own_session(self._desk, caller, spec.name)
            said = await overrides_of(self._desk, caller, overrides or {})
            state = await write_plan(self._desk, session, spec, runs, dry_run=dry_run)
            state, done = await self._lifted(caller, session, state, dry_run=dry_run)
            await self._desk.refresh([session], max_age_s=0.0)
            work = Work(self._desk, caller, session, state, order, done=done, overrides=said)
            if state.held and not dry_run:
                await self._release(caller, work)
            await self._override(work)
            return await self._bring_forward(caller, work, twice=True)

    async def suspend(
        self, caller: Caller, name: str, *, reason: str, hold: bool = False, dry_run: bool = False
    ) -> PlanView:
        """Submit nothing more, and pause the rules of its jobs, until `resume`. What runs goes on.

        Args:
            caller: Who asks.
            name: The plan.
            reason: Shown with the plan.
            hold: Hold the jobs in the queue that wait there.
            dry_run: Only say what would be done.
        """
        text = " ".join(reason.split())[:_REASON_CHARS]
        if not text:
            raise PlanError("A suspension needs a reason.", hint="Say why: it is shown with the plan.")
        session, state = await find_plan(self._desk, caller, name)
        work = Work(self._desk, caller, session, state, Order(submit=False, dry_run=dry_run))
        await work.look()
        if not dry_run:
            now = self._desk.world.clock()
            suspended = {"suspended": text, "suspended_at": now, "changed_at": now}
            said, by = f"plan {name}: suspended: {text}", order_of(caller, "").by
            work.state = await change_fields(self._desk, session, name, suspended, said, by=by)
            await work.look()
            await work.pause(_living(work))
        work.done.append(f"{name} is suspended: {text}")
        if hold:
            await self._hold(caller, work, text)
        return await self._view(caller, work)

    async def status(self, caller: Caller, name: str, *, by: Sequence[str] = (), refresh: bool = True) -> PlanView:
        """Say how a plan stands, with a count for each tag, or for each combination of the keys in `by`."""
        session, state = await find_plan(self._desk, caller, name)
        work = Work(self._desk, caller, session, state, Order(submit=False))
        if refresh:
            work.notes += (await self._desk.refresh([session])).notes()
        return await self._view(caller, work, by=by)

    async def listed(self, caller: Caller) -> PlanListView:
        """List the plans of the caller's project."""
        rows: list[PlanRow] = []
        for session in await self._desk.in_scope(caller, project=True):
            for state in (await self._desk.world.sessions.call(session, load_plans)).values():
                work = Work(self._desk, caller, session, state, Order(submit=False))
                await work.look()
                rows.append(plan_row(state, session.entry.session_id, work.standings))
        return PlanListView(plans=tuple(rows))

    async def forget(self, caller: Caller, name: str) -> None:
        """Forget a plan; its jobs stay as they are, and what it holds is released.

        Raises:
            PlanBusyError: A submission may be on its way, or what it holds cannot be released now.
            JobNotFoundError: There is no such plan.
        """
        session, state = await find_plan(self._desk, caller, name)
        work = Work(self._desk, caller, session, state, Order(submit=False))
        if work.on_its_way():
            raise PlanBusyError(
                f"A submission of {name} may be on its way.", hint=f"First: jobwarden plan resume {name}"
            )
        if state.held:
            await self._release(caller, work)
            if work.state.held:
                raise PlanBusyError(
                    f"What {name} holds could not be released: {'; '.join(work.done)}", hint="Try again."
                )
        await unpause_rules(self._desk, session, state.paused)
        forget = partial(change_plan, name=name, change=lambda _state, _: None, text=f"plan {name}: forgotten")
        await self._desk.world.sessions.call(session, partial(forget, about={BY: order_of(caller, "").by}))

    # -- inner

    @asynccontextmanager
    async def _working(self, caller: Caller, name: str) -> AsyncGenerator[None]:
        """Be the only one here who works on a plan."""
        world = self._desk.world
        async with plan_lock(world.places, caller.project, name, timeout_s=world.config.clocks.lock_timeout_s):
            yield

    async def _lifted(
        self, caller: Caller, session: Session, state: PlanState, *, dry_run: bool
    ) -> tuple[PlanState, list[str]]:
        """Lift a suspension."""
        if state.suspended is None:
            return state, []
        name = state.spec.name
        done = [f"{name} is suspended no more (it was: {state.suspended})"]
        lifted: dict[str, object] = {"suspended": None, "suspended_at": None, "paused": {}}
        if dry_run:
            return state.model_copy(update=lifted), done
        await unpause_rules(self._desk, session, state.paused)
        said, by = f"plan {name}: suspended no more", order_of(caller, "").by
        return await change_fields(self._desk, session, name, lifted, said, by=by), done

    async def _hold(self, caller: Caller, work: Work, reason: str) -> None:
        """Hold what waits in the queue; what does not get held runs, and that is said."""
        waiting = [one for one in _living(work) if one.phase is Phase.PENDING and not _is_held(one)]
        if work.order.dry_run:
            work.done += [f"{one.name or one.id}: held" for one in waiting]
        elif waiting:
            before = work.state.held
            both = tuple(dict.fromkeys((*before, *(one.id for one in waiting))))
            work.state = await change_fields(self._desk, work.session, work.name, {"held": both}, "")
            refused = {
                row
                for row, outcome in (await self._control(caller, work, waiting, "hold", reason)).items()
                if outcome in _NOT_DONE
            }
            kept = tuple(one for one in both if one in before or one not in refused)
            work.state = await change_fields(self._desk, work.session, work.name, {"held": kept}, "")

    async def _release(self, caller: Caller, work: Work) -> None:
        """Release what a suspension holds; of what could not be asked the next resume does it."""
        await work.look()
        held = [one for one in _living(work) if one.id in work.state.held]
        outcomes = await self._control(caller, work, held, "release", "the plan is resumed")
        left = tuple(one for one in work.state.held if outcomes.get(one) == "failed")
        work.state = await change_fields(self._desk, work.session, work.name, {"held": left}, "")

    async def _control(
        self, caller: Caller, work: Work, records: Sequence[JobRecord], action: Literal["hold", "release"], reason: str
    ) -> dict[str, str]:
        """Do this to living jobs of the plan; answers by id what came of it."""
        if not records:
            return {}
        jobs = [f"{UID}{one.uid}" for one in records]
        view = await Controlling(self._desk).control(caller, jobs=jobs, action=action, reason=reason)
        for row in view.rows:
            work.done.append(f"{row.job.name or row.job.id}: {action}: {row.outcome}")
        return {row.job.id: row.outcome for row in view.rows}

    async def _override(self, work: Work) -> None:
        """Have living jobs watched as this call says."""
        if work.overrides == Override():
            return
        await work.look()
        for record in _living(work, work.order.chosen):
            if work.order.dry_run or await override(self._desk, work.session, record, work.overrides):
                work.done.append(f"{record.name or record.id}: watched with what was set")

    async def _bring_forward(self, caller: Caller, work: Work, *, twice: bool = False) -> PlanView:
        """Do the work, look at what came of it, and with `twice` once more with what was seen."""
        await work.run()
        if not work.order.dry_run:
            asked = await self._desk.refresh([work.session], about=await self._uids(work))
            if twice and await self._again(work):
                asked = await self._desk.refresh([work.session], about=await self._uids(work), max_age_s=0.0)
            work.notes += asked.notes()
        return await self._view(caller, work)

    async def _again(self, work: Work) -> bool:
        """Go over it once more, with what was seen; answers whether there was anything to be done."""
        before = len(work.done)
        await work.run()
        return len(work.done) > before

    async def _uids(self, work: Work) -> set[str]:
        await work.look()
        return {one.uid for one in _living(work)}

    async def _view(self, caller: Caller, work: Work, *, by: Sequence[str] = ()) -> PlanView:
        session = work.session
        async with self._desk.news.telling(session, caller) as told:
            if not work.order.dry_run:
                await work.look()
            state = work.state
            jobs = tuple(
                planned_view(spec, state, work.standings[spec.name], work.said.get(spec.name, ""))
                for spec in state.spec.jobs
            )
            return PlanView(
                name=state.spec.name,
                source=state.spec.source,
                session=session.entry.session_id,
                suspended=state.suspended,
                suspended_at=state.suspended_at,
                counts=counted(work.standings),
                planned=sum(not one.id for one in jobs),
                jobs=jobs,
                groups=groups(jobs, by),
                done=tuple(work.done),
                dry_run=work.order.dry_run,
                news=told,
                troubles=tuple(dict.fromkeys(work.troubles)),
                notes=tuple(dict.fromkeys(work.notes)),
            )


def _is_held(record: JobRecord) -> bool:
    """Whether somebody holds it already, who then releases it, too."""
    return (record.reason or "").startswith("JobHeld")


def _living(work: Work, chosen: Sequence[str] | None = None) -> list[JobRecord]:
    return [
        one.record
        for name, one in work.standings.items()
        if one.live and one.record is not None and (chosen is None or name in chosen)
    ]
