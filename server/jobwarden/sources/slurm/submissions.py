"""Scripts submitted to Slurm, and what was submitted with which token, in one question.

`%F` is the number of a whole array and of any other job (`man squeue` 22.05). squeue is asked first: what it does not
show any more accounting has had for as long as slurmctld remembers ended jobs. sacct with a window alone leaves out
what was cancelled before it could begin (held, `--begin`, `--dependency`; measured on 22.05.8); with states it shows
that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from jobwarden.sources.base import Host
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.framing import Part, new_nonce, read_parts
from jobwarden.sources.resubmitting import NotAgainError
from jobwarden.sources.slurm import commands
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.reading import MAYBE, no_accounting
from jobwarden.sources.slurm.submitting import read_submission, submit_script_argv
from jobwarden.sources.slurm.vocabulary import read_state
from jobwarden.sources.submitting import Listed, Listing, Submission

_LISTING = r"""
format=$1
ask squeue squeue -h -a -t all -u "$(id -u)" -o "$format"
ask sacct sacct -n -P -X -D -u "$(id -u)" -S "now-$2minutes" "--delimiter=$jw_nonce" -o JobID,SubmitLine
ask ended sacct -n -P -X -D -u "$(id -u)" -S "now-$2minutes" -E now+60minutes -s CA,DL,F "--delimiter=$jw_nonce" \
  -o JobID,SubmitLine
jw_done
"""
_UPDATE = r"""
ask update scontrol update "JobId=$1" "Dependency=$2"
jw_done
"""
_TOKEN = re.compile(r"jobwarden\"?:\"?(?P<token>jw[0-9a-z]+)")
_SPARE_MINUTES = 60
"""Clocks differ, and a window begins with a whole minute."""
_ACCOUNTED_ID = r"(?P<base>[1-9]\d{0,9})(?:_\S*?|\+\d+)?"


async def submit_script(host: Host, submission: Submission, token: str) -> str | None:
    """See `Submits.submit_script`."""
    nonce = new_nonce()
    argv = submit_script_argv(nonce, submission, token, cluster=host.cluster, limit_s=host.timeout_s / 2)
    done = await host.transport.run(argv, timeout_s=host.timeout_s, stdin=submission.script)
    return read_submission(read_parts(done.stdout, nonce))


async def listing(host: Host, *, within_s: float, asked_at: datetime) -> Listing:
    """See `Submits.listing`."""
    nonce = new_nonce()
    words = (_format(nonce), str(int(within_s // 60) + _SPARE_MINUTES))
    argv = commands.slurm_argv(_LISTING, nonce, *words, cluster=host.cluster, limit_s=host.timeout_s / 2)
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    return read_listing(read_parts(done.stdout, nonce), nonce, asked_at)


async def wait_for(host: Host, job: SlurmId, after: Sequence[str]) -> None:
    """See `Submits.wait_for`."""
    nonce = new_nonce()
    words = (str(job.base), ",".join(after))
    argv = commands.slurm_argv(_UPDATE, nonce, *words, cluster=host.cluster, limit_s=host.timeout_s / 2)
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    part = read_parts(done.stdout, nonce).get("update")
    if part is not None and part.status == 0:
        return
    said = "no answer" if part is None else part.stderr.strip()[-300:] or f"exit {part.status}"
    if part is None or part.status in (124, 137, 127) or MAYBE.search(said):
        raise SourceUnavailableError(f"scontrol update: {said}", code="slurm.unavailable")
    raise NotAgainError(f"scontrol update refused it: {said}")


def read_listing(parts: Mapping[str, Part], nonce: str, asked_at: datetime) -> Listing:
    """Read the answer.

    Raises:
        SourceUnavailableError: squeue did not answer.
    """
    queue = parts.get("squeue")
    if queue is None or queue.status != 0 or re.search(r"\berror\b", queue.stderr, re.IGNORECASE):
        said = "no answer" if queue is None else queue.stderr.strip()[-300:] or f"exit {queue.status}"
        raise SourceUnavailableError(f"squeue: {said}", code="slurm.unavailable")
    jobs = _queued(queue.stdout.decode("utf-8", "replace"), nonce)
    for account in (parts.get("sacct"), parts.get("ended")):
        if account is None or account.status != 0:
            none = account is not None and no_accounting(account)
            said = "no answer" if account is None else account.stderr.strip()[-300:] or f"exit {account.status}"
            return Listing(tuple(jobs.values()), accounted=False, trouble="" if none else said, asked_at=asked_at)
        for job_id, token in _accounted(account.stdout.decode("utf-8", "replace"), nonce):
            jobs.setdefault(job_id, Listed(job_id, token, queued=False))
    return Listing(tuple(jobs.values()), accounted=True, trouble="", asked_at=asked_at)


def _format(nonce: str) -> str:
    return f"{nonce}|%F|%T|%V{nonce}%Z{nonce}%j{nonce}%k{nonce}"


def _queued(text: str, nonce: str) -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    for record in text.split(f"{nonce}|")[1:]:
        head, *texts = record.split(nonce)
        pieces = head.split("|")
        if len(pieces) != 3 or len(texts) != 4 or not pieces[0].isdigit():
            raise SourceUnavailableError(f"squeue: a row cannot be read: {record[:200]!r}", code="slurm.unreadable")
        job_id, word, submitted = pieces
        phase = read_state(word).phase
        before = found.get(job_id)
        if before is not None and before.alive:  # an array lives while one of its elements does
            continue
        at = datetime.fromtimestamp(int(submitted), UTC) if submitted.isdigit() else None
        found[job_id] = Listed(job_id, _token(texts[2]), texts[1], texts[0], phase, submitted_at=at)
    return found


def _accounted(text: str, nonce: str) -> Iterator[tuple[str, str]]:
    """Give what has a token of ours; a submit line may hold line breaks."""
    heads = list(re.finditer(rf"^{_ACCOUNTED_ID}{re.escape(nonce)}", text, re.MULTILINE))
    for at, head in enumerate(heads):
        end = heads[at + 1].start() if at + 1 < len(heads) else len(text)
        if token := _token(text[head.end() : end]):
            yield head["base"], token


def _token(text: str) -> str:
    found = _TOKEN.findall(text)
    return found[-1] if found else ""
