"""From squeue's and sacct's rows to one sighting of one job.

squeue says what is alive, sacct what has ended. Alive in squeue wins over any end in sacct, for the job may have been
requeued. An end is taken from squeue (slurmctld remembers for MinJobAge), or from sacct once squeue has been asked and
does not know the job. What could not be asked is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from jobwarden.sources.base import Absent, CouldNotAsk, Seen, Sighting, Wanted
from jobwarden.sources.slurm.answers import ExitCode, Row
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.elements import is_many, see_many
from jobwarden.sources.slurm.identity import ours
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.logs import log_of
from jobwarden.sources.slurm.resubmission import newer_jobs
from jobwarden.sources.slurm.vocabulary import Word
from jobwarden.sources.slurm.waiting import stuck_because
from jobwarden_registry.model import Attempt
from jobwarden_registry.phases import Phase

BEHIND = "slurm.accounting_behind"
IN_DOUBT = "slurm.id_in_doubt"
STUB_AGE = timedelta(minutes=10)
"""A stub this old is all that accounting will ever have; a normal one is completed within 5 seconds (22.05.8)."""

WHO_AGE = timedelta(seconds=10)
"""squeue says `CANCELLED`, sacct also by whom, at most 5 seconds later (22.05.8); not waited for any longer."""

_NO_OUTPUT_FILE = 53
"""Slurm's own "signal": output file or working directory could not be opened."""
_LAST_SIGNAL = 64
_NON_ZERO = "NonZeroExitCode"


def see(wanted: Wanted, job: SlurmId, asked: Asked) -> Sighting:
    """Say what was seen of one job. Total: every job gets a sighting."""
    asked = asked.about(wanted.id, job)
    every, accounted = asked.queue_rows(job), asked.account_rows(job)
    queue, account = ours(wanted, every, accounted)
    if len(queue) < len(every) and not (asked.account and asked.account.whole):
        fitting = set(map(id, queue))
        return _in_doubt(asked, [row for row in every if id(row) not in fitting])
    if is_many(job, (*queue, *account)):
        sighting = see_many(asked, queue, account, known=wanted.elements or 0)
    elif not queue and (others := _took_its_id(wanted, account, (*every, *accounted), asked)):
        rule = "Another job has got its id since, and sacct has no end of it."
        where = ("squeue", "sacct")
        sighting = Absent(where=where, evidence=asked.evidence((*account, *others), rule))
    elif queue:
        row = next((one for one in queue if one.alive), queue[-1])
        sighting = _in_queue(wanted, row, account, asked)
    else:
        sighting = _not_in_queue(job, account, asked)
    return _with_newer(sighting, wanted, job, asked)


def _took_its_id(wanted: Wanted, account: Sequence[Row], rows: Sequence[Row], asked: Asked) -> list[Row]:
    """Give rows of later jobs under the id, where accounting has no end of ours: an id has one living job, not two."""
    whole = all(part is not None and part.whole for part in (asked.queue, asked.account, asked.by_id))
    endless = bool(account) and all(row.alive for row in account)
    if not whole or not endless or wanted.submitted_at is None:
        return []
    ours_ = set(map(id, account))
    return [row for row in rows if id(row) not in ours_ and row.submitted and row.submitted > wanted.submitted_at]


def _in_doubt(asked: Asked, rows: Sequence[Row]) -> Sighting:
    """Accounting alone could tell a job that was renamed and requeued from another one that has got its id."""
    why = f"squeue has {rows[-1].name!r} under this id, submitted later: another job, or this one renamed and requeued"
    return _could_not(asked, IN_DOUBT, f"Not settled without accounting: {why}.", rows)


def _with_newer(sighting: Sighting, wanted: Wanted, job: SlurmId, asked: Asked) -> Sighting:
    """Beside an end or an absence put what may be its resubmission."""
    match sighting:
        case Seen(phase=phase) if not phase.final:
            return sighting
        case Seen():
            name, folder = sighting.name or wanted.name or "", sighting.work_dir or wanted.work_dir or ""
            after = sighting.submitted_at or wanted.submitted_at
        case Absent():
            name, folder = wanted.name or "", wanted.work_dir or ""
            after = wanted.run_submitted_at or wanted.submitted_at
        case _:
            return sighting
    newer = newer_jobs(wanted, job, asked, name=name, work_dir=folder, after=after)
    return sighting.model_copy(update={"newer": newer}) if newer else sighting


def _in_queue(wanted: Wanted, row: Row, account: Sequence[Row], asked: Asked) -> Sighting:
    if row.alive:
        return _seen(wanted, row, account, asked, rule=f"squeue shows it as {row.state.text}: alive.")
    last = account[-1] if account else None
    if last and last.alive and _later(last, row):
        return _behind(asked, (row, last), "it has been submitted again since squeue was asked")
    if last and last.state.word is row.state.word:
        return _seen(wanted, row, account, asked, rule=f"squeue and sacct agree on {last.state.text}.")
    if row.state.requeueable and not asked.no_accounting:
        return _behind(asked, (row,), f"{row.state.text} can be followed by another run, and sacct does not confirm it")
    if row.state.word is Word.CANCELLED and _will_be_accounted(row, asked):
        return _behind(
            asked, (row,), "squeue says CANCELLED, and sacct, which alone knows by whom, has not said it yet"
        )
    return _seen(
        wanted,
        row,
        account,
        asked,
        rule=f"squeue remembers it as {row.state.text}; sacct has no end of it yet, or is not there.",
    )


def _will_be_accounted(row: Row, asked: Asked) -> bool:
    """Whether accounting answers, and its end of this row is only some seconds away."""
    answers = asked.account is not None and asked.account.whole
    return answers and row.ended is not None and asked.now - row.ended < WHO_AGE


def _not_in_queue(job: SlurmId, account: Sequence[Row], asked: Asked) -> Sighting:
    last = account[-1] if account else None
    if last is not None and last.state.ended:
        return _ended_in_account(last, account, asked)
    if not asked.queue.whole:
        return _could_not(asked, asked.queue.code, asked.queue.trouble, account)
    if asked.by_id is not None and not asked.by_id.whole:
        return _could_not(asked, asked.by_id.code, asked.by_id.trouble, account)
    if last is not None:
        return _alive_in_account_alone(last, account, asked)
    if asked.account is None or asked.by_id is None:
        return _could_not(asked, "slurm.not_asked", "not every part of the site was asked", ())
    if asked.no_accounting:
        return _nowhere_without_accounting(job, asked)
    if not asked.account.whole:
        return _could_not(asked, asked.account.code, asked.account.trouble, ())
    return Absent(where=("squeue", "sacct"), evidence=asked.evidence((), "Neither squeue nor sacct knows it."))


def _nowhere_without_accounting(job: SlurmId, asked: Asked) -> Sighting:
    said = asked.unlisted.get(job.base)
    if said:
        return _could_not(asked, BEHIND, f"Not settled: squeue lacks it, and scontrol says: {said}.", ())
    also = ", and scontrol says that there is no such job" if said == "" else ""
    rule = f"squeue lacks it, also by its id{also}; and this site has no accounting."
    where = ("squeue", "squeue -j", *(["scontrol"] if said == "" else []))
    return Absent(where=where, evidence=asked.evidence((), rule))


def _ended_in_account(last: Row, account: Sequence[Row], asked: Asked) -> Sighting:
    if last.stub and not (last.ended and asked.now - last.ended >= STUB_AGE):
        return _behind(asked, account, "sacct has only the beginnings of its record")
    if last.id.cut and not asked.queue.whole:  # only squeue can tell that an element has left the range
        return _could_not(asked, asked.queue.code, asked.queue.trouble, account)
    foreign = last.user != asked.user and asked.queue.whole  # squeue was asked for the jobs of one user
    if (last.state.requeueable or (foreign and asked.just_ended(last))) and not _gone_from_queue(last, asked):
        down = next((one for one in (asked.queue, asked.by_id) if one and not one.whole), None)
        if down is not None:
            return _could_not(asked, down.code, down.trouble, account)
        return _behind(
            asked, account, f"{last.state.text} can be followed by another run, and squeue was not asked by id"
        )
    missing = "squeue no longer has it" if asked.queue.whole else f"squeue could not be asked ({asked.queue.code})"
    return _seen(None, last, account, asked, rule=f"sacct has its end, {last.state.text}; {missing}.")


def _gone_from_queue(last: Row, asked: Asked) -> bool:
    if not asked.queue.whole:
        return False
    return last.user == asked.user or (asked.by_id is not None and asked.by_id.whole)


def _alive_in_account_alone(last: Row, account: Sequence[Row], asked: Asked) -> Sighting:
    if last.stub:
        return _behind(asked, account, "sacct has only the beginnings of its record")
    rule = f"sacct says {last.state.text}, and squeue does not have it: they contradict, so it is not taken for ended."
    return _seen(None, last, account, asked, rule=rule)


def _seen(wanted: Wanted | None, row: Row, account: Sequence[Row], asked: Asked, *, rule: str) -> Seen:
    """Describe a job by its deciding row; what accounting knows more exactly is put in."""
    last = account[-1] if account else None
    agreeing = last if last and last.state.word is row.state.word else row
    shown = asked.shown.get(wanted.id) if wanted else None
    code, signal = exit_of(row, agreeing.exit, shown.exit if shown else None)
    reason = _reason(row, agreeing)
    if code and not shown:
        rule += " sacct subtracts 128 from exit codes of 128 and more."
        reason = _doubted(reason, code)
    waiting = row.state.phase is Phase.PENDING
    runs = tuple(_attempt(one) for one in account)
    evidence_rows = account if row in account else (row, *account)
    return Seen(
        evidence=asked.evidence(evidence_rows, rule, *(shown.lines if shown else ())),
        phase=row.state.phase,
        status=agreeing.state.text,
        reason=reason,
        stuck=stuck_because(row),
        exit_code=code,
        signal=signal,
        name=row.name,
        user=row.user or None,
        node=row.nodes or None,
        submitted_at=row.submitted,
        expected_start_at=row.started if waiting else None,
        started_at=None if waiting else row.started,
        ended_at=(row.ended or agreeing.ended) if row.state.ended else None,
        clock_ahead_s=asked.ahead_s,
        work_dir=row.work_dir or None,
        log=log_of(row, shown, asked.host_names) if shown else None,
        attempts=runs if len(runs) > 1 else (),
    )


def exit_of(row: Row, accounted: ExitCode | None, shown: ExitCode | None) -> tuple[int | None, int | None]:
    """Give exit status and signal, for the two states in which they are the program's own.

    scontrol's is exact. sacct subtracts 128 from a status of 128 or more (22.05.8), and nothing tells `exit 72` from
    `exit 200` afterwards: its number is passed on. For the other words (`CANCELLED`, `TIMEOUT`, `DEADLINE`, ...) the
    number is Slurm's and differs between its programs, so none is given.
    """
    if row.state.word is Word.COMPLETED:
        return 0, None
    found = shown or accounted
    if row.state.word is not Word.FAILED or found is None:
        return None, None
    if found.signal:
        real = found.signal <= _LAST_SIGNAL and found.signal != _NO_OUTPUT_FILE
        return None, found.signal if real else None
    return found.code or None, None


def _reason(row: Row, accounted: Row) -> str | None:
    if row.state.word is Word.REVOKED:
        return "another cluster of the federation runs it"
    if accounted.exit and accounted.exit.signal == _NO_OUTPUT_FILE:
        return "its output file or working directory could not be opened (0:53)"
    derived = accounted.derived
    if row.state.word is Word.COMPLETED and derived and (derived.code or derived.signal):
        return f"a step ended with {derived.code}:{derived.signal}"
    return row.reason


def _doubted(reason: str | None, code: int) -> str | None:
    """Say that an exit code of accounting may be 128 too low; of 1 it is not said, for nobody means 129."""
    if code == 1:
        return reason
    told = None if reason == _NON_ZERO else reason
    return "; ".join(part for part in (told, f"or exit {code + 128}: sacct subtracts 128") if part)


def _attempt(row: Row) -> Attempt:
    code, signal = exit_of(row, row.exit, None)
    return Attempt(
        id=str(row.raw),
        submitted_at=row.submitted,
        # REQUEUED is how a run ended: it had started. Of one that waits the start is no more than expected.
        started_at=row.started if row.ended or row.state.phase is not Phase.PENDING else None,
        ended_at=row.ended,
        status=row.state.text,
        phase=row.state.phase,
        exit_code=code,
        signal=signal,
        node=row.nodes or None,
    )


def _later(one: Row, other: Row) -> bool:
    return bool(one.submitted and other.submitted and one.submitted > other.submitted)


def _behind(asked: Asked, rows: Sequence[Row], why: str) -> CouldNotAsk:
    return _could_not(asked, BEHIND, f"Not settled: {why}.", rows)


def _could_not(asked: Asked, code: str, text: str, rows: Sequence[Row]) -> CouldNotAsk:
    return CouldNotAsk(code=code, text=text, evidence=asked.evidence(rows, f"Nothing can be said of it: {text}"))
