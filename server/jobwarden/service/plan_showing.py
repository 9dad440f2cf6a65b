"""How a plan stands, as views: pure but for the jobs that are known here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from jobwarden.plans.deciding import Standing, current_id
from jobwarden.plans.spec import JobSpec, Needs
from jobwarden.plans.state import INTENDED, NEVER, REFUSED, UNSURE, PlanState, Run
from jobwarden.service.compose import count
from jobwarden.service.plan_views import GroupView, PlannedView, PlanRow, RunView
from jobwarden.service.views import Counts
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase

PLANNED = "planned"
_WORDS = {INTENDED: "on its way", UNSURE: "unsure", REFUSED: "refused"}


def planned_view(spec: JobSpec, state: PlanState, standing: Standing, said: str) -> PlannedView:
    """Show one job."""
    run, latest = state.real(spec.name), state.latest(spec.name)
    record = standing.record
    word = PLANNED if latest is None else _WORDS.get(latest.step, PLANNED)
    if run is not None and run is latest:
        word = Phase.UNKNOWN.value if record is None else record.phase.value
    return PlannedView(
        name=spec.name,
        state=word,
        status="" if record is None else record.last_status,
        id="" if run is None else current_id(record, run),
        host=spec.host,
        type=spec.type,
        uid="" if record is None else record.uid,
        tags=spec.tags,
        after=tuple(one.job if one.needs is Needs.OK else f"{one.needs}:{one.job}" for one in spec.after),
        runs=tuple(_runs(state.of(spec.name), record)),
        text=said or _text(latest, record),
        exit_code=None if record is None else record.exit_code,
    )


def _text(latest: Run | None, record: JobRecord | None) -> str:
    if latest is not None and latest.step in (REFUSED, UNSURE):
        return latest.text
    if record is None:
        return ""
    if record.phase.closed and record.exit_code:
        return f"exit code {record.exit_code}" + (f"; cause: {record.cause}" if record.cause else "")
    return record.stuck or (record.cause if record.phase.closed else None) or record.reason or ""


def _runs(runs: Sequence[Run], record: JobRecord | None) -> list[RunView]:
    """Give all attempts: those that the plan made, and between them those that others did."""
    known = {} if record is None else {one.id: one for one in record.attempts}
    shown: list[RunView] = []
    told: set[str] = set()
    for run in runs:
        if run.step == NEVER:
            continue
        seen = known.get(run.id)
        told.add(run.id)
        shown.append(
            RunView(
                id=run.id,
                how=run.how,
                step=run.step,
                at=run.at,
                status=seen.status if seen else "",
                phase=seen.phase.value if seen else "",
                exit_code=seen.exit_code if seen else None,
            )
        )
    for one in record.attempts if record is not None and runs else ():
        if one.id not in told:
            at = one.submitted_at or runs[-1].at
            shown.append(
                RunView(
                    id=one.id, how="elsewhere", step="submitted", at=at, status=one.status, phase=one.phase.value,
                    exit_code=one.exit_code,
                )
            )  # fmt: skip
    return sorted(shown, key=lambda one: (not one.id.isdigit(), int(one.id) if one.id.isdigit() else 0))


def groups(jobs: Sequence[PlannedView], by: Sequence[str]) -> tuple[GroupView, ...]:
    """Count the jobs of each tag; or of each combination of the values that the keys in `by` have."""
    found: dict[tuple[str, ...], Counter[str]] = {}
    for job in jobs:
        values = dict(tag.split("=", 1) for tag in job.tags if "=" in tag)
        keys = [tuple(f"{key}={values.get(key, '-')}" for key in by)] if by else [(tag,) for tag in job.tags]
        for key in keys:
            found.setdefault(key, Counter())[job.state] += 1
    return tuple(
        GroupView(tags=key, total=states.total(), states=dict(states)) for key, states in sorted(found.items())
    )


def plan_row(state: PlanState, session_id: str, standings: Mapping[str, Standing]) -> PlanRow:
    """Show a plan in a list."""
    real = [one.name for one in state.spec.jobs if state.real(one.name) is not None]
    ended = [name for name in real if (phase := standings.get(name, Standing()).phase) is not None and phase.closed]
    return PlanRow(
        name=state.spec.name,
        source=state.spec.source,
        session=session_id,
        jobs=len(state.spec.jobs),
        submitted=len(real),
        ended=len(ended),
        suspended=state.suspended,
        changed_at=state.changed_at,
    )


def counted(standings: Mapping[str, Standing]) -> Counts:
    """Count the jobs by phase."""
    return count(one.record for one in standings.values() if one.record is not None)
