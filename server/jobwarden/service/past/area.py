"""What ran and how it went: job_history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from anyio import to_thread

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.service.past import choosing, statistics, story
from jobwarden.service.past.choosing import By, Filter, Query
from jobwarden.service.past.reading import WIDER, JobThen, PastOf, find_in, read_past
from jobwarden.service.past.rows import Run, at, last_run, maybe_at, ran_s, row_of_record, runs_of, started_of, waited_s
from jobwarden.service.past_views import HistoryView, RunView, StaleView, StatsView, TimelineView
from jobwarden.service.views import Counts
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

OLD = timedelta(days=7)
"""A job that lives and of which nothing has changed for so long is told as stale."""
GROUPS = 50
"""So many groups are given."""

_OVER = frozenset(phase.value for phase in Phase if phase.closed)
_NOTHING = "No job has ended here yet"


class Past:
    """What can be asked about ended jobs; asks no host. A job is named by its id, `type:id`, `host:id` or its name."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def history(self, caller: Caller, query: Query, *, telling: bool = False) -> HistoryView | TimelineView:
        """List ended jobs, newest first; with a job named, tell its whole story.

        A name that several ended jobs have gives the list of these. With `telling`, the answer also has what the
        caller has not been told yet, which is then noted as shown.

        Raises:
            InvalidIdError: Something in the query cannot be meant; the hint says what to write.
            JobNotFoundError, AmbiguousJobError: The name fits no job, or several that live; the text lists them.
            UntrustedError, UnreadableError: The caller's own session cannot be read. What is wrong with other sessions
                is told as trouble.
        """
        wanted = Filter(query, self._desk.world.clock())
        past = await read_past(self._desk, caller, query.scope)
        notes: list[str] = []
        if query.job:
            one, several = await find_in(self._desk, past, query.job, query.scope)
            if one is not None:
                return await self._timeline(caller, past, one, query, telling=telling)
            past.jobs = several
            notes.append(f"{len(several)} jobs are called {query.job}; name one by its id to see its whole story.")
        return await self._list(caller, past, query, wanted, notes, telling=telling)

    async def statistics(self, caller: Caller, query: Query, *, by: By = "name", telling: bool = False) -> StatsView:
        """Say how the ended jobs that match went, in groups; `statistics` says how it is counted. Raises as above."""
        wanted = Filter(query, self._desk.world.clock())
        past = await read_past(self._desk, caller, query.scope)
        if query.job:
            one, several = await find_in(self._desk, past, query.job, query.scope)
            past.jobs = several if one is None else [job for job in past.jobs if job.row.uid == one.record.uid]
        rows = [
            job.row
            for job in past.jobs
            if _is_over(job)
            and wanted.takes(job.row)
            and wanted.takes_moment(job.row.when)
            and wanted.takes_state(job.row.phase, job.row.status)
        ]
        values = statistics.last_values(past.points)
        # Of very many jobs it takes as long as a call to a host; no other call is held up by it.
        groups, total = await to_thread.run_sync(
            lambda: (statistics.grouped(rows, by, values), statistics.group_of("all", rows, {}) if rows else None)
        )
        async with self._desk.news.telling(_own(past, caller) if telling else None, caller) as told:
            return StatsView(
                groups=tuple(groups[:GROUPS]),
                total=total,
                by=by,
                left_out=max(0, len(groups) - GROUPS),
                stale=self._stale(past),
                scope=query.scope,
                filters=wanted.told,
                sessions=len(past.sessions),
                troubles=tuple(past.troubles),
                notes=self._notes(past, query, len(rows)),
                news=told,
            )

    async def _list(
        self, caller: Caller, past: PastOf, query: Query, wanted: Filter, notes: Sequence[str], *, telling: bool
    ) -> HistoryView:
        chosen: list[tuple[float, JobThen, Run, int | None]] = []
        for job in past.jobs:
            if wanted.takes(job.row):
                chosen += [
                    one
                    for one in _ends(job, singly=query.singly)
                    if wanted.takes_moment(one[0]) and wanted.takes_state(one[2].phase, one[2].status)
                ]
        chosen.sort(key=lambda one: (one[0], one[1].row.seq), reverse=True)
        first = (query.page - 1) * query.limit
        shown = chosen[first : first + query.limit]
        uids = {job.row.uid for _, job, _, _ in shown}
        values = statistics.last_values(point for point in past.points if point.uid in uids)
        async with self._desk.news.telling(_own(past, caller) if telling else None, caller) as told:
            return HistoryView(
                jobs=tuple(_view(job, run, number, values, caller) for _, job, run, number in shown),
                counts=Counts.model_validate(choosing.counted([run.phase for _, _, run, _ in chosen])),
                page=query.page,
                pages=max(1, -(-len(chosen) // query.limit)),
                before=min(first, len(chosen)),
                after=max(0, len(chosen) - first - query.limit),
                scope=query.scope,
                filters=wanted.told,
                sessions=len(past.sessions),
                troubles=tuple(past.troubles),
                notes=(*notes, *self._notes(past, query, len(chosen))),
                news=told,
            )

    async def _timeline(self, caller: Caller, past: PastOf, one: Known, query: Query, *, telling: bool) -> TimelineView:
        uid = one.record.uid
        events = await self._desk.world.sessions.call(one.session, lambda session: story.events_of(session, uid))
        told = [event for event in events if story.is_told(event)]
        last = max(0, len(told) - (query.page - 1) * query.limit)
        first = max(0, last - query.limit)
        row = row_of_record(one.record, at=told[-1].timestamp.timestamp() if told else 0.0)
        job = JobThen(row, one.session, live=one.live)
        runs = [_view(job, run, number, {}, caller) for number, run in enumerate(runs_of(row), start=1)]
        async with self._desk.news.telling(_own(past, caller) if telling else None, caller) as news:
            return TimelineView(
                job=await self._desk.view(one, caller),
                runs=tuple(runs),
                events=tuple(told[first:last]),
                page=query.page,
                left_out=first,
                bookkeeping=len(events) - len(told),
                metrics=story.series([point for point in past.points if point.uid == uid]),
                news=news,
            )

    def _notes(self, past: PastOf, query: Query, matched: int) -> tuple[str, ...]:
        notes: list[str] = []
        ended = sum(_is_over(job) for job in past.jobs)
        if not matched:
            wider = WIDER[query.scope]
            said = _NOTHING if not ended else f"None of {ended} ended jobs here is like that"
            notes.append(f"{said}{'; ' + wider if wider else ''}.")
        words = choosing.words_of(query.state)
        if "FAILED" in words:
            notes.append(
                "FAILED is the scheduler's word alone; state failed has TIMEOUT, OUT_OF_MEMORY and others too."
            )
        if past.removed:
            notes.append(f"{past.removed} more were watched no longer before an end was seen; they are not in this.")
        return tuple(notes)

    def _stale(self, past: PastOf) -> tuple[StaleView, ...]:
        now = self._desk.world.clock()
        found: list[StaleView] = []
        for record, _ in past.living:
            moved = [record.registered_at, record.submitted_at, record.started_at]
            changed = max((moment for moment in moved if moment is not None), default=None)
            if record.stale_since is not None:
                since, why = record.stale_since, record.stale_because or "it could not be asked"
            elif record.stuck is not None and changed is not None:
                since, why = changed, f"stuck: {record.stuck}"
            elif changed is not None and not record.phase.closed and now - changed > OLD:
                since, why = changed, f"nothing has changed for {(now - changed).days} days"
            else:
                continue
            found.append(
                StaleView(
                    type=record.type,
                    id=record.id,
                    host=record.host,
                    name=record.name or record.job_name,
                    status=record.last_status,
                    since=since,
                    why=why,
                )
            )
        return tuple(sorted(found, key=lambda one: one.since))


def _own(past: PastOf, caller: Caller) -> Session | None:
    return next((one for one in past.sessions if one.entry.session_id == caller.session_id), None)


def _is_over(job: JobThen) -> bool:
    return job.row.phase in _OVER


def _ends(job: JobThen, *, singly: bool) -> list[tuple[float, JobThen, Run, int | None]]:
    """Give what ended, and when: the job, or each of its runs that has."""
    if not singly:
        return [(job.row.when, job, last_run(job.row), None)] if _is_over(job) else []
    runs = runs_of(job.row)
    # A run that was requeued has ended, whatever its word (REQUEUED) means of the job.
    ended = [
        (number, run)
        for number, run in enumerate(runs, start=1)
        if Phase(run.phase).closed or (number < len(runs) and run.ended is not None)
    ]
    return [(run.ended if run.ended is not None else job.row.when, job, run, number) for number, run in ended]


def _view(job: JobThen, run: Run, number: int | None, values: statistics.Values, caller: Caller) -> RunView:
    row = job.row
    last = number is None or number == max(1, len(row.runs))
    return RunView(
        type=row.type,
        id=row.id if number is None else run.id,
        host=row.host,
        user=row.user,
        name=row.name or row.job_name,
        description=row.description,
        tags=tuple(row.tags),
        phase=Phase(run.phase),
        status=run.status,
        cause=row.cause if last else None,
        reason=row.reason if last else None,
        exit_code=run.exit_code,
        signal=run.signal,
        node=run.node,
        submitted_at=maybe_at(run.submitted),
        started_at=maybe_at(started_of(run)),
        ended_at=maybe_at(run.ended),
        journaled_at=at(row.at),
        ran_s=ran_s(run),
        waited_s=waited_s(run),
        runs=max(1, len(row.runs)),
        run=number,
        live=job.live,
        result=row.result if last else None,
        efficiency=row.efficiency if last else None,
        metrics=values.get(row.uid, {}),
        session=job.session.entry.session_id,
        mine=job.session.entry.session_id == caller.session_id,
    )
