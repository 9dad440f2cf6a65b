"""Which plan is meant, whose it is, and writing what its file says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from anyio import to_thread

from jobwarden.actions.audit_keys import BY
from jobwarden.identity import Caller
from jobwarden.plans.errors import PlanError
from jobwarden.plans.session_file import is_session_file, read_session_file
from jobwarden.plans.spec import PlanSpec
from jobwarden.plans.state import PlanState, Run, change_plan, load_plans
from jobwarden.service.desk import Desk
from jobwarden.service.plan_checking import read_good, submitting_types
from jobwarden_registry.errors import JobNotFoundError
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction


async def own_session(desk: Desk, caller: Caller, name: str) -> Session:
    """Give the caller's session, unless another one of the project has a plan of this name.

    Raises:
        PlanError: It has.
    """
    session = await desk.session(caller, create=True)
    assert session is not None  # create=True
    if name in await desk.world.sessions.call(session, load_plans):
        return session
    for other in await desk.in_scope(caller, project=True):
        if other is not session and name in await desk.world.sessions.call(other, load_plans):
            raise elsewhere(name, other)
    return session


async def find_plan(desk: Desk, caller: Caller, name: str) -> tuple[Session, PlanState]:
    """Find a plan in the caller's own session.

    Raises:
        JobNotFoundError: There is none; the hint says what there is, and where.
    """
    names: list[str] = []
    own = await desk.session(caller)
    for session in await desk.in_scope(caller, project=True):
        plans = await desk.world.sessions.call(session, load_plans)
        if name in plans:
            if own is None or session.entry.session_id != own.entry.session_id:
                raise elsewhere(name, session)
            return session, plans[name]
        names += plans
    known = f"There is: {', '.join(sorted(names))}." if names else "jobwarden plan submit FILE makes one."
    raise JobNotFoundError(f"There is no plan {name[:64]!r} here.", hint=known)


async def read_meant(
    desk: Desk, caller: Caller, plan: Path | str, host: str
) -> tuple[PlanSpec, Mapping[str, tuple[Run, ...]]]:
    """Read a plan's file, or a session file, or give the plan that is known by a name."""
    if isinstance(plan, str):
        return (await find_plan(desk, caller, plan))[1].spec, {}
    if not is_session_file(plan):
        return await read_good(desk, caller, plan), {}
    world = desk.world
    read = partial(read_session_file, plan, host=host or "localhost", now=world.clock(), types=submitting_types(desk))
    spec, runs, problems = await to_thread.run_sync(read)
    if problems:
        raise PlanError(
            f"{plan} cannot be used: " + "; ".join(one.line() for one in problems[:20]), hint="Mend these entries."
        )
    return spec, runs


async def write_plan(
    desk: Desk, session: Session, spec: PlanSpec, runs: Mapping[str, tuple[Run, ...]], *, dry_run: bool
) -> PlanState:
    """Write what the file says now; runs that a session file names are those of jobs of which none is known."""
    now = desk.world.clock()

    def change(state: PlanState | None, _: Transaction | None) -> PlanState:
        after = PlanState(spec=spec, created_at=now, changed_at=now)
        if state is not None:
            after = state if state.spec == spec else state.with_spec(spec, now)
        fresh = {job: told for job, told in runs.items() if not after.of(job)}
        return after.model_copy(update={"runs": {**after.runs, **fresh}}) if fresh else after

    call = desk.world.sessions.call
    if dry_run:
        return change((await call(session, load_plans)).get(spec.name), None)
    written = await call(session, partial(change_plan, name=spec.name, change=change))
    assert written is not None
    return written


async def change_fields(
    desk: Desk, session: Session, name: str, fields: Mapping[str, object], text: str = "", *, by: str = ""
) -> PlanState:
    """Change what is said of a plan as a whole; `text` and who does it for the journal, empty: nothing is journaled.

    Raises:
        JobNotFoundError: It was forgotten meanwhile.
    """

    def change(state: PlanState | None, _: Transaction) -> PlanState:
        if state is None:
            raise JobNotFoundError(f"The plan {name} was forgotten meanwhile.")
        return state.model_copy(update=dict(fields))

    after = await desk.world.sessions.call(
        session, partial(change_plan, name=name, change=change, text=text, about={BY: by})
    )
    assert after is not None
    return after


def elsewhere(name: str, session: Session) -> PlanError:
    """Say whose a plan is."""
    other = session.entry.session_id
    return PlanError(
        f"The plan {name} is session {other}'s.", hint=f"Act for that session: --session {other}", code="plan.elsewhere"
    )
