"""What one process knows of a plan while it works at it, and how it notes what it does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from jobwarden.actions.audit_keys import BY
from jobwarden.actions.deeds import Deeds
from jobwarden.actions.errors import HaltedError
from jobwarden.actions.halting import halt_of
from jobwarden.identity import Caller
from jobwarden.plans.deciding import Standing
from jobwarden.plans.errors import PlanBusyError
from jobwarden.plans.spec import JobSpec
from jobwarden.plans.state import INTENDED, UNSURE, PlanState, Run, change_plan
from jobwarden.service.desk import Desk
from jobwarden.service.plan_hosts import Hosts
from jobwarden.service.plan_pausing import Override, going_rules, pause_rules
from jobwarden.service.plan_records import Shelf
from jobwarden.service.stopping import order_of
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

log = logging.getLogger(__name__)

Also = Callable[[Transaction], None]
"""What becomes true together with a line of the journal."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of one call.

    Attributes:
        submit: Whether anything is submitted or waits for something else afterwards.
        retry: See `plans.deciding.Known`.
        chosen: Likewise.
        include_ended: Watch those anew, too, whose end was told.
        at_most: So many submissions; None: all.
        wait: Repeat a pass until nothing is on its way.
        dry_run: Change nothing.
    """

    submit: bool = True
    retry: Collection[str] = ()
    chosen: Sequence[str] | None = None
    include_ended: bool = False
    at_most: int | None = None
    wait: bool = True
    dry_run: bool = False


@dataclass(slots=True)
class PlanBook:
    """What one process knows and notes of a plan.

    Attributes:
        state: As it was last written.
        standings: By job.
        done: What was done, in order.
        said: By job, what stands against it.
        troubles: What could not be asked.
        notes: What else there is to be said.
    """

    desk: Desk
    caller: Caller
    session: Session
    state: PlanState
    order: Order
    standings: dict[str, Standing] = field(default_factory=dict[str, Standing])
    done: list[str] = field(default_factory=list[str])
    said: dict[str, str] = field(default_factory=dict[str, str])
    troubles: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    overrides: Override = field(default_factory=Override)
    hosts: Hosts = field(init=False)
    deeds: Deeds = field(default_factory=Deeds)
    submitted: int = 0
    renewed: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.hosts = Hosts(self.desk)

    @property
    def name(self) -> str:
        """The plan's."""
        return self.state.spec.name

    @property
    def limit_s(self) -> float:
        """So long a submission may be on its way: as for those that rules make."""
        clocks = self.desk.world.config.clocks
        return 2 * clocks.ask_timeout_s + clocks.connect_timeout_s

    async def look(self) -> None:
        """Find out how the jobs stand, out of what is known here."""
        shelf = Shelf.of(await self.desk.known([self.session]))
        for spec in self.state.spec.jobs:
            run = self.state.real(spec.name)
            self.standings[spec.name] = (
                Standing() if run is None else shelf.standing(spec, await self.hosts.site_of(spec.host), run)
            )

    async def pause(self, records: Sequence[JobRecord]) -> None:
        """Pause the rules of these jobs, until the suspension is lifted: noted first, lest they stay so for ever."""
        going = await going_rules(self.desk, self.session, records)
        if not going:
            return

        def note(state: PlanState | None, _: Transaction) -> PlanState | None:
            if state is None:
                return None
            both = {uid: tuple(dict.fromkeys((*state.paused.get(uid, ()), *names))) for uid, names in going.items()}
            return state.model_copy(update={"paused": {**state.paused, **both}})

        written = await self.desk.world.sessions.call(self.session, lambda one: change_plan(one, self.name, note))
        if written is not None:
            self.state = written
            await pause_rules(self.desk, self.session, going)

    def specs(self) -> list[JobSpec]:
        """Give the jobs in order, with what this call says of them instead of the plan."""
        said, chosen = self.overrides, self.order.chosen
        told = {
            key: value
            for key, value in (("rules", said.rules), ("expect", said.expect), ("ready", said.ready))
            if value is not None
        }
        return [
            one.model_copy(update=told) if chosen is None or one.name in chosen else one
            for one in self.state.spec.in_order()
        ]

    def window_s(self) -> float:
        """Say how far back accounting is asked: to the oldest submission of which no end is known."""
        now = self.desk.world.clock()
        latest = [self.state.latest(name) for name in self.state.runs]
        begun = [run.at for run in latest if run is not None and run.step in (INTENDED, UNSURE)]
        return max(((now - at).total_seconds() for at in begun), default=0.0) + self.limit_s

    def on_its_way(self) -> bool:
        """Whether a submission without an answer may still arrive, and would be found by nothing but its token."""
        now = self.desk.world.clock()
        latest = (self.state.latest(name) for name in self.state.runs)
        open_ = [run for run in latest if run is not None and run.step == INTENDED]
        return any((now - run.at).total_seconds() <= self.limit_s for run in open_)

    def trouble(self, spec: JobSpec, error: JobwardenError) -> None:
        """Note what could not be asked or done now."""
        self.said[spec.name] = str(error)
        self.troubles.append(f"{spec.name} on {spec.host}: {error}")
        log.info("plan %s: %s: %s", self.name, spec.name, error)

    async def write(
        self,
        spec: JobSpec,
        run: Run,
        text: str,
        *,
        instead: bool | None = False,
        also: Also | None = None,
    ) -> None:
        """Write one attempt of a job, unless somebody has written one meanwhile; with what else becomes true then."""
        if text:
            self.done.append(text)
        if self.order.dry_run:
            if instead is not None:
                self.state = self.state.with_run(spec.name, run, instead=instead)
            return
        expected, name = self.state.of(spec.name), self.name

        def change(state: PlanState | None, transaction: Transaction) -> PlanState:
            if (
                state is None
                or state.of(spec.name) != expected
                or (run.step == INTENDED and state.suspended is not None)
            ):
                raise PlanBusyError(f"The plan {name} was changed meanwhile.", hint="Try again.")
            if run.step == INTENDED and (halt := halt_of(self.session)) is not None:
                raise HaltedError(f"The plan {name} submits nothing: {halt.said()}.", hint="jobwarden stop-all --lift")
            if also is not None:
                also(transaction)
            return state if instead is None else state.with_run(spec.name, run, instead=instead)

        who = order_of(self.caller, "").by
        about = {"type": spec.type, "host": spec.host, "job_id": run.id, "name": spec.name, BY: who}
        said = f"plan {name}: {text}" if text else f"plan {name}: {spec.name} is about to be submitted"
        written = await self.desk.world.sessions.call(
            self.session,
            lambda session: change_plan(session, name, change, text=said, about={k: v for k, v in about.items() if v}),
        )
        assert written is not None
        self.state = written
