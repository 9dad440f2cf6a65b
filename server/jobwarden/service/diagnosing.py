"""Why a job failed: diagnose_job."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio
from anyio import to_thread

from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.gathering import Gathered
from jobwarden.diagnosis.model import Category, Confidence, Diagnosis, Outcome, Retryable
from jobwarden.diagnosis.outcomes import outcome_of
from jobwarden.diagnosis.pieces import WHOLE, ReadLog
from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.service.reading import find
from jobwarden.service.use_views import UseRow
from jobwarden.service.using import Using
from jobwarden.service.views import DiagnoseView, EvidenceView, ReadView, ResourcesView
from jobwarden.sources.log_files import JobLogs
from jobwarden.sources.post_mortem import PostMortem, Step
from jobwarden.verdict.dissecting import of_slurm, post_mortems, read_all, where_logs_are
from jobwarden.verdict.efficiency import efficiency
from jobwarden.verdict.holding import as_it_ended
from jobwarden.verdict.log_files import logs_of
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.targets import Target
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

LOGS_S = 30.0
"""For each question and each host's logs: who asks for a diagnosis waits for it."""
USE_S = 15.0
"""What a living job uses is one line of its diagnosis, and not worth a longer wait."""
_SUCCEEDED = "It succeeded: there is nothing to diagnose."
_ELSEWHERE = "It ran on another machine; only there its logs can be read."


@dataclass(slots=True)
class _Findings:
    """What could be found out of one job.

    Attributes:
        logs: Which it has.
        told: By its source, or by Slurm.
        gathered: What was read.
        troubles: What could not be asked or read, and what else a reader should know.
        using: What it uses now, in a line.
    """

    logs: JobLogs = field(default_factory=JobLogs)
    told: PostMortem | None = None
    gathered: Gathered = field(default_factory=Gathered)
    troubles: list[str] = field(default_factory=list[str])
    using: str = ""


async def diagnose_job(desk: Desk, caller: Caller, job: str) -> DiagnoseView:
    """See `Service.diagnose`."""
    one = await find(desk, caller, job)
    if one.live:
        await desk.refresh([one.session], about={one.record.uid})
        one = await find(desk, caller, job)
    if one.record.phase is Phase.SUCCEEDED:
        return await _view(desk, caller, one, _nothing(_SUCCEEDED), Outcome(), await _used(desk, one.record))
    ended = as_it_ended(one.record)  # a run that failed has failed, whether or not another one follows
    findings = await _find_out(desk, ended)
    quiet = min((read.quiet_s for read in findings.gathered.logs), default=None)
    outcome = outcome_of(ended, findings.told, quiet_s=quiet)
    if one.live and one.record.phase is Phase.RUNNING:
        findings.using = await _uses(desk, caller, one)
    if one.record.stalled is not None:
        findings.troubles.insert(0, f"It may hang: {one.record.stalled}. A suspicion, no verdict.")
    if outcome.quiet_s is not None:
        findings.troubles.insert(0, f"It has not ended. Its log grew last {outcome.quiet_s:.0f} s ago.")
    if (by := await _asked_to_end(desk, one)) is not None:
        outcome = replace(outcome, cancelled_by=by)
    logs = tuple(read.log for read in findings.gathered.logs)
    if one.record.stuck and not outcome.ended:
        found = Diagnosis(Category.STUCK, "waiting", one.record.stuck, Confidence.HIGH, (), Retryable.NO, "")
    else:
        found = await to_thread.run_sync(diagnose, logs, outcome)
    return await _view(desk, caller, one, found, outcome, findings)


async def _uses(desk: Desk, caller: Caller, one: Known) -> str:
    """Say what it uses; empty where that cannot be measured, which takes nothing from the answer."""
    rows: Sequence[UseRow] = ()
    with anyio.move_on_after(USE_S):
        rows, _ = await Using(desk).of(caller, [one])
    return rows[0].text if rows else ""


async def _used(desk: Desk, record: JobRecord) -> _Findings:
    """Ask what a job used that has succeeded, where accounting told it too late to be told with its end."""
    findings = _Findings()
    if record.used is None and record.type == SLURM and record.started_at is not None:
        with suppress(JobwardenError):
            await _ask(desk, await desk.world.rounds.target(record), record, findings)
        told, findings.troubles = findings.told, []
        findings.told = None if told is None else PostMortem(used=told.used)
    return findings


async def _find_out(desk: Desk, record: JobRecord) -> _Findings:
    """Ask the scheduler and read the logs at the same time; what either names is asked and read after that."""
    findings, rounds = _Findings(), desk.world.rounds
    try:
        target = await rounds.target(record)
    except JobwardenError as error:
        findings.troubles.append(str(error))
        return findings
    if rounds.elsewhere(target.key.site):
        findings.troubles.append(_ELSEWHERE)
        return findings
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_ask, desk, target, record, findings)
        tasks.start_soon(_read, desk, record, findings)
    await _read_more(desk, target, record, findings)
    return findings


async def _ask(desk: Desk, target: Target, record: JobRecord, findings: _Findings) -> None:
    try:
        told = await post_mortems(desk.world.rounds, target, [record], timeout_s=LOGS_S)
    except JobwardenError as error:
        findings.troubles.append(f"The scheduler was not asked: {error.text}")
    else:
        findings.told = told.get(record.id)


async def _read(desk: Desk, record: JobRecord, findings: _Findings) -> None:
    rounds = desk.world.rounds
    try:
        findings.logs = await logs_of(rounds, record)
        where = where_logs_are(rounds, record, findings.logs)
        findings.gathered = await read_all(rounds, where, WHOLE, timeout_s=LOGS_S)
    except JobwardenError as error:
        findings.troubles.append(f"Its logs were not read: {error.text}")


async def _read_more(desk: Desk, target: Target, record: JobRecord, findings: _Findings) -> None:
    rounds = desk.world.rounds
    try:
        if findings.told is None and findings.logs.slurm is not None:
            findings.told = (await of_slurm(rounds, target, {record.id: findings.logs}, timeout_s=LOGS_S)).get(
                record.id
            )
        if findings.told is not None and findings.told.written:
            where = where_logs_are(rounds, record, findings.logs, findings.told)
            findings.gathered = await read_all(rounds, where, WHOLE, timeout_s=LOGS_S)
    except JobwardenError as error:
        findings.troubles.append(f"The logs of its parts were not read: {error.text}")


async def _asked_to_end(desk: Desk, one: Known) -> str | None:
    """Say who asked for its end through us, where that is why it ended."""
    if one.record.phase is not Phase.CANCELLED:
        return None

    def asked(session: Session) -> str | None:
        texts = [
            event.text
            for event in session.journal.read()
            if event.uid == one.record.uid and event.event == EventKind.CANCEL_REQUESTED
        ]
        return texts[-1] if texts else None

    text = await desk.world.sessions.call(one.session, asked)
    return None if text is None else f"cancel_job, {text}"


def _nothing(why: str) -> Diagnosis:
    return Diagnosis(Category.NONE, "", why, Confidence.HIGH, (), Retryable.NO, "")


async def _view(
    desk: Desk, caller: Caller, one: Known, found: Diagnosis, outcome: Outcome, findings: _Findings
) -> DiagnoseView:
    told = findings.told
    async with desk.news.telling(await desk.session(caller), caller) as news:
        return DiagnoseView(
            job=await desk.view(one, caller),
            category=found.category,
            kind=found.kind,
            cause=found.cause,
            confidence=found.confidence,
            evidence=tuple(
                EvidenceView(file=line.file, line=line.line, text=line.text, context=line.context)
                for line in found.evidence
            ),
            retryable=found.retryable,
            change=found.change,
            also=found.also,
            part=told.part if told is not None else findings.logs.task or "",
            using=findings.using,
            resources=_resources(one.record, outcome, told),
            steps=tuple(_step(step) for step in (told.steps if told is not None else ())),
            read=tuple(_was_read(read) for read in findings.gathered.logs),
            notes=(*findings.troubles, *([findings.logs.note] if findings.logs.note else []), *findings.gathered.notes),
            news=news,
        )


def _resources(record: JobRecord, outcome: Outcome, told: PostMortem | None) -> ResourcesView:
    used = (told.used if told is not None else None) or record.used
    return ResourcesView(
        time_limit_s=outcome.time_limit_s,
        elapsed_s=outcome.elapsed_s,
        memory_limit_bytes=outcome.memory_limit_bytes,
        max_rss_bytes=outcome.max_rss_bytes,
        asked=told.asked if told is not None else "",
        nodes=outcome.nodes,
        exit=outcome.slurm_exit,
        efficiency=efficiency(used) if used is not None else "",
    )


def _step(step: Step) -> str:
    said = f"{step.name}: {step.status} {step.exit}".rstrip()
    return f"{said}, {step.tasks} tasks" if step.tasks is not None and step.tasks > 1 else said


def _was_read(read: ReadLog) -> ReadView:
    size: Sequence[int] = [len(piece.data) for piece in read.log.pieces]
    return ReadView(path=read.log.name, label=read.log.label, size_bytes=read.size_bytes, read_bytes=sum(size))
