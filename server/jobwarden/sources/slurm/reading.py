"""From a framed part to an Answer: whether a program answered at all, and whether what it lacks is really missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from jobwarden.sources.errors import SourceUnavailableError, UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.answers import Row, read_account, read_queue, without_revoked
from jobwarden.sources.slurm.asked import ACCOUNT_LAG, Answer, RowIndex

_NOT_FOUND = 127
_OUT_OF_TIME = frozenset({124, 137})
_TEXT = 600
MAYBE = re.compile(r"timed? ?out|contact|connect|socket|receiv|communicat|protocol|transport|munge", re.IGNORECASE)
"""Complaints of sbatch and scancel after which it may be done all the same: nobody has refused it."""
_DISABLED = "accounting storage is disabled"
"""What sacct says on a site without accounting (`AccountingStorageType=accounting_storage/none`)."""


def read_queue_part(part: Part, nonce: str, question: str) -> Answer:
    """Read squeue's part.

    Raises:
        SourceUnavailableError: There is no squeue there (`slurm.not_installed`), or munge is down
            (`slurm.unavailable`), which stops every other program too after up to 50 s each.
    """
    if part.status == _NOT_FOUND:
        raise SourceUnavailableError(
            f"There is no squeue there: {part.stderr[:_TEXT]}",
            code="slurm.not_installed",
            retryable=False,
            hint="`jobwarden doctor --host NAME` looks where it is and says what to write: "
            '[hosts.NAME] prelude = "module load slurm", or a PATH.',
        )
    if part.status and "authentication error" in part.stderr.lower():
        raise SourceUnavailableError(f"squeue: {_said(part)}", code="slurm.unavailable")
    return _answer(part, nonce, question, read_queue, "slurm.unavailable")


def read_account_part(part: Part, nonce: str, question: str) -> Answer:
    """Read sacct's part; without a sacct, or with accounting disabled, the site has none."""
    if no_accounting(part):
        return Answer(question=f"{question}  # {_said(part)}", exists=False)
    return _answer(part, nonce, question, read_account, "slurm.accounting_unavailable")


def no_accounting(part: Part) -> bool:
    """Whether sacct's part says that there is no accounting at all."""
    return part.status == _NOT_FOUND or (part.status != 0 and _DISABLED in part.stderr.lower())


def read_unlisted(part: Part) -> str:
    """Read what `scontrol show job` says of an id that squeue does not have; empty when it knows no such job either."""
    if part.status and "invalid job id" in f"{part.stderr} {part.stdout.decode('utf-8', 'replace')}".lower():
        return ""
    return _said(part) if part.status else "scontrol shows it, though squeue does not list it"


def _answer(part: Part, nonce: str, question: str, read: Callable[[bytes, str], tuple[Row, ...]], code: str) -> Answer:
    if part.status:
        return Answer(question=question, trouble=_said(part), code=code)
    try:
        rows = RowIndex(without_revoked(read(part.stdout, nonce)))
    except UnreadableAnswerError as error:
        return Answer(question=question, trouble=error.text, code=error.code)
    # Some errors leave the exit status 0 and the answer empty: `squeue -u nosuchuser` (22.05.8).
    trouble = _said(part) if re.search(r"\berror\b", part.stderr, re.IGNORECASE) else ""
    return Answer(question=question, rows=rows, trouble=trouble, code=code if trouble else "")


def _said(part: Part) -> str:
    if part.status in _OUT_OF_TIME and not part.stderr:
        return "it did not answer in time"
    lines = [line for line in part.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit status {part.status}")[:_TEXT]


def read_clock(parts: Mapping[str, Part], fallback: datetime) -> datetime:
    """Give the cluster's time."""
    return _moment(parts, "clock") or fallback


def asked_at_once(parts: Mapping[str, Part]) -> bool:
    """Whether squeue had answered before what sacct said meanwhile was too old to be put beside it."""
    before, after = _moment(parts, "clock"), _moment(parts, "later")
    return before is not None and after is not None and after - before <= ACCOUNT_LAG / 3


def _moment(parts: Mapping[str, Part], name: str) -> datetime | None:
    part = parts.get(name)
    text = part.stdout.strip() if part else b""
    return datetime.fromtimestamp(int(text), UTC) if re.fullmatch(rb"\d{9,11}", text) else None


def word_of(parts: Mapping[str, Part], name: str) -> str:
    """Give a part's output when it is one word; empty otherwise."""
    part = parts.get(name)
    text = part.stdout.decode("utf-8", "replace").strip() if part else ""
    return text if re.fullmatch(r"\S+", text) else ""
