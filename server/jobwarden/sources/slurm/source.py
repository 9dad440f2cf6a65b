"""Slurm, by way of squeue, sacct and scontrol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from jobwarden.sources.base import CancelOutcome, CouldNotAsk, Found, Host, Sighting, Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.errors import SourceError, SourceUnavailableError
from jobwarden.sources.framing import Part, new_nonce, read_parts
from jobwarden.sources.log_files import Hosts, JobLogs
from jobwarden.sources.post_mortem import PostMortem
from jobwarden.sources.resubmitting import NotAgainError, Original
from jobwarden.sources.slurm import commands, scripts, submissions
from jobwarden.sources.slurm.answers import Shown, read_host_name, read_shown
from jobwarden.sources.slurm.asked import Answer, Asked, RowIndex
from jobwarden.sources.slurm.cancelling import judge, read_outcomes
from jobwarden.sources.slurm.changing import Changing
from jobwarden.sources.slurm.combine import see
from jobwarden.sources.slurm.identity import ours
from jobwarden.sources.slurm.ids import parse_id
from jobwarden.sources.slurm.job_logs import logs_of
from jobwarden.sources.slurm.listing import list_jobs
from jobwarden.sources.slurm.logs import needs_host_name
from jobwarden.sources.slurm.measuring import measure
from jobwarden.sources.slurm.plan import SHOW_MOST, Job, Jobs, deciding, read_jobs, to_show, wants_account, wants_by_id
from jobwarden.sources.slurm.post_mortem import (
    ELEMENTS_MOST,
    IDS_MOST,
    post_mortem_argv,
    post_mortem_of,
    read_accounted,
)
from jobwarden.sources.slurm.reading import (
    asked_at_once,
    read_account_part,
    read_clock,
    read_queue_part,
    read_unlisted,
    word_of,
)
from jobwarden.sources.slurm.remote import limit_of, required, run_parts
from jobwarden.sources.slurm.resubmission import contested, twins
from jobwarden.sources.slurm.submitting import (
    original_argv,
    read_original,
    read_submission,
    read_submitted,
    submit_argv,
    submitted_argv,
)
from jobwarden.sources.slurm.unchanged import Unchanged
from jobwarden.sources.submitting import Listing, Submission
from jobwarden.sources.using import Use
from jobwarden.transport.errors import TransportError
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.model import Evidence, LogPaths

IDS_PER_QUESTION = 1000
"""14,700 eight-digit ids are the most that one sacct takes (one argument of 128 KiB)."""


class SlurmSource:
    """See `Source`, `Cancels`, `Controls`, `Discovers`, `KeepsLogs`, `Accounts`, `MeasuresUse`, `Resubmits`, `Submits`.

    One observation costs one run, for squeue and for what sacct knows of jobs that are known to have elements; a second
    one only when something has left the queue or is new; a third one for what is still nowhere, or another user's.
    """

    name: str = "slurm"

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._unchanged: dict[tuple[str, str], Unchanged] = {}
        """By host and cluster."""

    def parse_id(self, text: str) -> str:
        """See `Source.parse_id`."""
        return str(parse_id(text))

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        """See `Source.observe`."""
        unchanged = self._unchanged.setdefault((host.transport.host, host.cluster), Unchanged())
        known = unchanged.jobs(wanted)
        sightings = self._unreadable(known)
        if not known.readable:
            return sightings
        first = replace(await self._look(host, known.many[:IDS_PER_QUESTION]), watched=known.watched)
        if host.overheard is not None and first.queue.whole:
            host.overheard(list_jobs(first, but=first.watched))
        again = unchanged.again(known.readable, first)
        jobs = {name: job for name, job in known.readable.items() if name not in again}
        asked = await self._detail(host, first, jobs)
        if asked.account and asked.account.trouble and asked.queue.trouble:
            both = f"{asked.queue.complaint}; {asked.account.complaint}"
            raise SourceUnavailableError(both, code="slurm.unavailable")
        if asked.no_accounting and asked.queue.trouble:
            raise SourceUnavailableError(asked.queue.complaint, code="slurm.unavailable")
        asked = await self._by_id(host, asked, jobs)
        judged = contested({name: see(job.wanted, job.id, asked) for name, job in jobs.items()})
        told = unchanged.keep(again, {name: (job, judged[name]) for name, job in jobs.items()}, first)
        return {**sightings, **told}

    async def cancel(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        """See `Cancels.cancel`."""
        jobs, _, outcomes = await self._own(host, wanted)
        accepted = {name: str(job.id) for name, job in jobs.items()}
        return outcomes | (await self._scancel(host, accepted) if accepted else {})

    @property
    def controls(self) -> frozenset[Control]:
        """See `Controls.controls`."""
        return frozenset(Control)

    @property
    def cannot(self) -> Mapping[Control, str]:
        """See `Controls.cannot`: what only an operator may do, Slurm refuses to the others."""
        return {}

    async def control(self, host: Host, wanted: Sequence[Wanted], change: Change) -> Mapping[str, CancelOutcome]:
        """See `Controls.control`: two runs, three where it matters what is there, and some until it is seen."""
        jobs, asked, outcomes = await self._own(host, wanted)
        if not jobs:
            return outcomes
        return {**outcomes, **await Changing(host, asked, change).carry_out(jobs)}

    async def _own(
        self, host: Host, wanted: Sequence[Wanted]
    ) -> tuple[dict[str, Job], Asked, dict[str, CancelOutcome]]:
        """Look which of these live and are the user's own, and why the others are to be left alone."""
        known = read_jobs(wanted)
        jobs = known.readable
        outcomes = {name: CancelOutcome(accepted=False, text="That is not a Slurm id.") for name in known.unreadable}
        asked = await self._look(host) if jobs else Asked(self._clock(), self._clock(), "", Answer(""))
        if jobs and not asked.queue.whole:
            raise SourceUnavailableError(asked.queue.complaint, code=asked.queue.code)
        absent = {name: job for name, job in jobs.items() if not asked.queue_rows(job.id)}
        if absent:
            asked = await self._ask_by_id(host, asked, absent)
        refused = {name: judge(job.wanted, asked.queue_rows(job.id), asked) for name, job in jobs.items()}
        outcomes |= {name: one for name, one in refused.items() if one is not None}
        return {name: job for name, job in jobs.items() if refused[name] is None}, asked, outcomes

    async def discover(self, host: Host) -> Sequence[Found]:
        """See `Discovers.discover`. One squeue, the same as for any observation."""
        asked = await self._look(host)
        if not asked.queue.whole:
            raise SourceUnavailableError(asked.queue.complaint, code=asked.queue.code)
        return list_jobs(asked)

    async def post_mortem(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, PostMortem]:
        """See `Accounts.post_mortem`. One sacct, of the latest run of each and all its steps."""
        jobs = read_jobs(wanted).readable
        ids = sorted({job.id.base for job in jobs.values()})[-IDS_MOST:]
        if not ids:
            return {}
        nonce = new_nonce()
        steps = all((job.wanted.elements or 0) <= ELEMENTS_MOST for job in jobs.values())
        argv = post_mortem_argv(nonce, ids=ids, steps=steps, cluster=host.cluster, limit_s=limit_of(host))
        told = read_accounted(await run_parts(host, argv, nonce), nonce)
        question = commands.question("sacct", "-j", _few(ids), cluster=host.cluster)
        known = {name: post_mortem_of(job.wanted, job.id, told, question=question) for name, job in jobs.items()}
        return {name: one for name, one in known.items() if one is not None}

    async def measure(self, host: Host, wanted: Sequence[Wanted], *, gpus: bool) -> Mapping[str, Use]:
        """See `MeasuresUse.measure`: one squeue and one sstat, and with `gpus` a step in each of a few jobs."""
        return await measure(partial(run_parts, host), host, wanted, gpus=gpus, limit_s=limit_of(host))

    async def logs(self, hosts: Hosts, wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:
        """See `KeepsLogs.logs`: at most two runs, for a job with elements or one whose log nobody knows."""
        job = parse_id(wanted.resubmitted_as or wanted.id)
        async with hosts("") as host:
            return await logs_of(host, wanted, job, known=known, task=task)

    async def script(self, host: Host, job_id: str) -> str:
        """See `KeepsScripts.script`."""
        return await scripts.script(host, parse_id(job_id))

    async def original(self, host: Host, wanted: Wanted) -> Original:
        """See `Resubmits.original`: three runs."""
        job = parse_id(wanted.resubmitted_as or wanted.id)
        if not job.whole or (wanted.elements or 0) > 1:
            raise NotAgainError("It is an array or a part of a job, and is not submitted again.")
        asked = await self._look(host, [job.base])
        if not asked.queue.whole:
            raise SourceUnavailableError(asked.queue.complaint, code=asked.queue.code)
        fitting, accounted = ours(wanted, asked.queue_rows(job), asked.account_rows(job))
        if len(fitting) < len(asked.queue_rows(job)) or (asked.account_rows(job) and not accounted and not fitting):
            raise NotAgainError("Another job has its id now.")
        nonce = new_nonce()
        argv = original_argv(nonce, job.base, cluster=host.cluster, limit_s=limit_of(host))
        parts = await run_parts(host, argv, nonce)
        name = next((row.name for row in fitting), wanted.name)
        alive = any(row.alive for row in fitting)
        return read_original(
            parts, nonce, job.base, user=asked.user, name=name, alive=alive, twins=twins(wanted, job, asked)
        )

    async def submit(self, host: Host, original: Original, changes: Sequence[str], token: str) -> str | None:
        """See `Resubmits.submit`: one run."""
        nonce = new_nonce()
        argv = submit_argv(nonce, original, changes, token, cluster=host.cluster, limit_s=limit_of(host))
        done = await host.transport.run(argv, timeout_s=host.timeout_s, stdin=original.script)
        return read_submission(read_parts(done.stdout, nonce))

    async def submitted(self, host: Host, token: str, *, within_s: float) -> str | None:
        """See `Resubmits.submitted`: one run."""
        nonce = new_nonce()
        argv = submitted_argv(nonce, within_s=within_s, cluster=host.cluster, limit_s=limit_of(host))
        return read_submitted(await run_parts(host, argv, nonce), nonce, token)

    async def submit_script(self, host: Host, submission: Submission, token: str) -> str | None:
        """See `Submits.submit_script`: one run."""
        return await submissions.submit_script(host, submission, token)

    async def listing(self, host: Host, *, within_s: float) -> Listing:
        """See `Submits.listing`: one run."""
        return await submissions.listing(host, within_s=within_s, asked_at=self._clock())

    async def wait_for(self, host: Host, job_id: str, after: Sequence[str]) -> None:
        """See `Submits.wait_for`: one run."""
        await submissions.wait_for(host, parse_id(job_id), after)

    def _unreadable(self, jobs: Jobs) -> dict[str, Sighting]:
        evidence = Evidence(asked_at=self._clock(), rule="Slurm cannot be asked about such an id.")
        return {
            name: CouldNotAsk(code=error.code, text=error.text, evidence=evidence)
            for name, error in jobs.unreadable.items()
        }

    async def _look(self, host: Host, account: Sequence[int] = ()) -> Asked:
        at, nonce = self._clock(), new_nonce()
        argv = commands.look_argv(nonce, account=account, cluster=host.cluster, limit_s=limit_of(host))
        parts = await run_parts(host, argv, nonce)
        words = ("-h", "-a", "-t", "all", "-u", word_of(parts, "uid"), "-o", commands.queue_format("|")[1:])
        question = commands.question("squeue", *words, cluster=host.cluster)
        queue = read_queue_part(required(parts, "squeue"), nonce, question)
        asked = Asked(at=at, now=read_clock(parts, at), user=word_of(parts, "user"), queue=queue)
        if not account:
            return asked
        told = _accounted(host, required(parts, "sacct"), nonce, account)
        return replace(asked, account=told) if asked_at_once(parts) and (queue.whole or told.whole) else asked

    async def _detail(self, host: Host, asked: Asked, jobs: Mapping[str, Job]) -> Asked:
        ids = frozenset(job.id.base for job in jobs.values() if wants_account(job, asked))
        known = asked.account
        if known is not None and not known.whole:  # it tells nothing of the rest either, and may hang again
            known = replace(known, ids=ids | (known.ids or frozenset()))
        account = [known] if known else []
        chunks = _chunks(sorted(ids - (known.ids or frozenset()) if known else ids))
        shown = to_show(jobs, asked)
        show, said = list(shown.values()), dict[str, Shown]()
        for chunk in chunks or ([[]] if shown else []):
            nonce = new_nonce()
            argv = commands.detail_argv(nonce, account=chunk, show=show, cluster=host.cluster, limit_s=limit_of(host))
            parts = await run_parts(host, argv, nonce)
            said |= _shown(parts, shown, jobs, asked) if show else {}
            show = []
            if chunk:
                account.append(_accounted(host, required(parts, "sacct"), nonce, chunk))
        return replace(asked, account=_joined(account), shown=said)

    async def _by_id(self, host: Host, asked: Asked, jobs: Mapping[str, Job]) -> Asked:
        missing = {name: job for name, job in jobs.items() if wants_by_id(job, asked)}
        nodes = _nodes(asked, jobs)
        if not missing and not nodes:
            return asked
        # Without accounting slurmctld has the last word, so its other program is asked as well.
        show = sorted({job.id.base for job in missing.values()})[:SHOW_MOST] if asked.no_accounting else []
        return await self._ask_by_id(host, asked, missing, show=show, nodes=nodes)

    async def _ask_by_id(
        self, host: Host, asked: Asked, jobs: Mapping[str, Job], *, show: Sequence[int] = (), nodes: Sequence[str] = ()
    ) -> Asked:
        answers: list[Answer] = []
        names: dict[str, str] = {}
        unlisted: dict[int, str] = {}
        for chunk in _chunks(sorted({job.id.base for job in jobs.values()})) or [[]]:
            nonce, limit_s = new_nonce(), limit_of(host)
            shown = [id_ for id_ in show if id_ in chunk]
            argv = commands.by_id_argv(
                nonce, ids=chunk, show=shown, nodes=() if names else nodes, cluster=host.cluster, limit_s=limit_s
            )
            parts = await run_parts(host, argv, nonce)
            unlisted |= {id_: read_unlisted(required(parts, f"job.{id_}")) for id_ in shown}
            for node in nodes:
                part = parts.get(f"node.{node}")
                names[node] = (read_host_name(part.stdout) if part else None) or node
            if chunk:
                question = commands.question("squeue", "-h", "-a", "-t", "all", "-j", _few(chunk), cluster=host.cluster)
                answer = read_queue_part(required(parts, "squeue"), nonce, question)
                answers.append(replace(answer, ids=frozenset(chunk)))
        return replace(asked, by_id=_joined(answers), host_names=names, unlisted=unlisted)

    async def _scancel(self, host: Host, accepted: Mapping[str, str]) -> dict[str, CancelOutcome]:
        names, outcomes = list(accepted), dict[str, CancelOutcome]()
        for at in range(0, len(names), IDS_PER_QUESTION):
            chunk = {name: accepted[name] for name in names[at : at + IDS_PER_QUESTION]}
            nonce = new_nonce()
            argv = commands.cancel_argv(nonce, ids=list(chunk.values()), cluster=host.cluster, limit_s=limit_of(host))
            try:
                outcomes |= read_outcomes(required(await run_parts(host, argv, nonce), "scancel"), chunk)
            except (TransportError, SourceError) as error:
                if not outcomes:
                    raise
                # What was taken before was taken.
                lost = CancelOutcome(accepted=False, text=str(error), failed=True)
                outcomes |= dict.fromkeys(names[at:], lost)
                break
        return outcomes


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[at : at + IDS_PER_QUESTION] for at in range(0, len(ids), IDS_PER_QUESTION)]


def _few(ids: Sequence[int]) -> str:
    text = ",".join(str(one) for one in ids[:20])
    return text if len(ids) <= 20 else f"{text},... ({len(ids)} ids)"


def _accounted(host: Host, part: Part, nonce: str, ids: Sequence[int]) -> Answer:
    words = ("-n", "-P", "-X", "-D", "-o", ",".join(commands.ACCOUNT_FIELDS), "-j", _few(ids))
    answer = read_account_part(part, nonce, commands.question("sacct", *words, cluster=host.cluster))
    return replace(answer, ids=frozenset(ids))


def _joined(answers: Sequence[Answer]) -> Answer | None:
    """Make one answer of those to the chunks; it is whole when all are."""
    if len(answers) <= 1:
        return answers[0] if answers else None
    worst = next((one for one in answers if not one.whole), answers[0])
    ids = frozenset(id_ for one in answers for id_ in one.ids or ())
    return replace(worst, rows=RowIndex(row for one in answers for row in one.rows.rows), ids=ids)


def _shown(
    parts: Mapping[str, Part], asked_for: Mapping[str, str], jobs: Mapping[str, Job], asked: Asked
) -> dict[str, Shown]:
    said: dict[str, Shown] = {}
    for name, scontrol_id in asked_for.items():
        part = parts.get(f"job.{scontrol_id}")
        if part is not None and part.status == 0:
            shown = read_shown(part.stdout, deciding(asked.queue_rows(jobs[name].id)).name)
            said[name] = replace(shown, question=commands.question("scontrol", "show", "job", scontrol_id))
    return said


def _nodes(asked: Asked, jobs: Mapping[str, Job]) -> list[str]:
    """Give the nodes whose host names are wanted for a `%N` in a log's name."""
    rows = [deciding(asked.queue_rows(jobs[name].id)) for name, shown in asked.shown.items() if needs_host_name(shown)]
    return sorted({row.batch_host for row in rows if row.batch_host})
