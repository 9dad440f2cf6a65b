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
from jobwarden.plans.state import INTENDED, UNSURE, PlanState, Run, change_plan, load_plans
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
    read = partial(read_session_file, plan, now=world.clock(), types=submitting_types(desk))
    spec, runs, problems = await to_thread.run_sync(partial(read, host=host or "localhost"))
    known = None if host else await _known_here(desk, caller, spec.name)
    if known is not None and known.spec.jobs:  # the file does not say where its jobs are: that was said before
        spec, runs, problems = await to_thread.run_sync(partial(read, host=known.spec.jobs[0].host))
    if problems:
        raise PlanError(
            f"{plan} cannot be used: " + "; ".join(one.line() for one in problems[:20]), hint="Mend these entries."
        )
    return spec, runs


async def _known_here(desk: Desk, caller: Caller, name: str) -> PlanState | None:
    own = await desk.session(caller)
    return None if own is None else (await desk.world.sessions.call(own, load_plans)).get(name)


async def write_plan(
    desk: Desk, session: Session, spec: PlanSpec, runs: Mapping[str, tuple[Run, ...]], *, dry_run: bool
) -> PlanState:
    """Write what the file says now; runs that a session file names are those of jobs of which none is known.

    Raises:
        PlanError: The plan of this name is another file's, or a job that was submitted has another host now.
    """
    now = desk.world.clock()
    before = (await desk.world.sessions.call(session, load_plans)).get(spec.name)
    if before is not None:
        await _refuse_another_file(before.spec, spec)
        await _refuse_another_place(desk, before, spec)

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


async def _refuse_another_file(before: PlanSpec, spec: PlanSpec) -> None:
    """Refuse a file that would take over the plan of another one that is still there."""
    old, new = Path(before.source), Path(spec.source)
    moved = is_session_file(old) == is_session_file(new) and not await to_thread.run_sync(old.exists)
    if old == new or moved or await to_thread.run_sync(_same_file, old, new):
        return
    raise PlanError(
        f"The plan {spec.name} is that of {old}, and this is {new}.",
        hint=f'Give this one another name (name = "..."), or: jobwarden plan forget {spec.name}',
        code="plan.another_file",
    )


def _same_file(old: Path, new: Path) -> bool:
    try:
        return old.samefile(new)
    except OSError:
        return False


async def _refuse_another_place(desk: Desk, before: PlanState, spec: PlanSpec) -> None:
    """Refuse that runs are looked for where they are not: there their ids are other jobs'."""
    for job in spec.jobs:
        was = before.spec.job(job.name)
        sent = any(run.id or run.step in (INTENDED, UNSURE) for run in before.of(job.name))
        if was is None or not sent or (was.type, was.host) == (job.type, job.host):
            continue
        resolve = desk.world.transports.resolve
        if was.type != job.type or (await resolve(was.host)).key != (await resolve(job.host)).key:
            raise PlanError(
                f"{job.name} was submitted on {was.host} ({was.type}), and is on {job.host} ({job.type}) now.",
                hint="Put that back, or give the job of the new place another name.",
                code="plan.another_place",
            )


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
