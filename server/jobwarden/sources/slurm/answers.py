"""What Slurm's programs answered, as rows. Pure: any bytes give rows or UnreadableAnswerError.

The forms are those that `commands` asks for; seen on 22.05.8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import sample
from jobwarden.sources.slurm.commands import ACCOUNT_FIELDS, QUEUE_FIELDS, QUEUE_TEXTS
from jobwarden.sources.slurm.ids import RowId, parse_row_id
from jobwarden.sources.slurm.vocabulary import State, read_state

_NOTHING = frozenset({"", "None", "N/A", "n/a", "Unknown", "(null)", "NONE", "None assigned", "0"})
_ROWS_KEPT = 8192
"""Rows that are not read anew while they stay as they were, which most do from one answer to the next: some 8 MB."""
_LATEST = 253402300799  # the last second of year 9999, beyond which datetime cannot go


@dataclass(frozen=True, slots=True)
class ExitCode:
    """How a program ended, as Slurm prints `3:0` or `0:9`.

    Attributes:
        code: The exit status.
        signal: The signal that ended it, or one of Slurm's own numbers: 53 (no output file), 125 (out of memory).
    """

    code: int
    signal: int


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One job, element or part, as squeue or sacct knows it.

    Equal to itself alone: the same record gives the same row again while it is kept, so that what was said of rows can
    be found by them.

    Attributes:
        id: What it speaks for.
        raw: The number that slurmctld gives it (`SLURM_JOB_ID` in the job).
        state: Its state.
        user: The owner's name.
        submitted: When it was submitted, or requeued last.
        started: When it started; for a waiting job when it is expected to.
        ended: When it ended; in squeue for a running job when its time will be up.
        nodes: Its nodes, compact; empty for none.
        work_dir: Its working directory.
        name: Its name; sacct's has lost what is not latin-1.
        line: The raw record, for the evidence.
        reason: squeue's reason, None for none.
        batch_host: squeue's node of the batch script.
        partition: Its partition, or several that it may run in.
        exit: sacct's exit code (128 subtracted from 128 and more).
        derived: sacct's highest exit code of a step.
        stub: Whether it is sacct's unfinished record of a step that came before its job: no partition yet.
    """

    id: RowId
    raw: int
    state: State
    user: str
    submitted: datetime | None
    started: datetime | None
    ended: datetime | None
    nodes: str
    work_dir: str
    name: str
    line: str
    reason: str | None = None
    batch_host: str = ""
    partition: str = ""
    exit: ExitCode | None = None
    derived: ExitCode | None = None
    stub: bool = False

    @property
    def alive(self) -> bool:
        """Whether its state is no end."""
        return not self.state.ended


@dataclass(frozen=True, slots=True)
class Shown:
    """What `scontrol show job` says of one job, as far as it is needed.

    Attributes:
        stdout: The log's path; `scontrol` expands %j %x %u %A %a and leaves the rest.
        stderr: The same for errors.
        exit: The exit code, nothing subtracted.
        lines: The raw lines that these are from.
        question: The command.
    """

    stdout: str | None
    stderr: str | None
    exit: ExitCode | None
    lines: tuple[str, ...]
    question: str = ""


def read_queue(answer: bytes, nonce: str) -> tuple[Row, ...]:
    """Read squeue's records.

    Raises:
        UnreadableAnswerError: A record is not of the form asked for.
    """
    pieces = answer.decode("utf-8", "replace").split(nonce)[1:]
    width = 1 + len(QUEUE_TEXTS)
    if len(pieces) % width or (pieces and not pieces[-1].endswith("\n")):
        raise UnreadableAnswerError(f"squeue's answer has a torn record: {sample(answer)!r}")
    try:
        return tuple(map(_queue_row, *(pieces[at::width] for at in range(width))))
    except ValueError as error:
        raise UnreadableAnswerError(f"squeue's record {str(error)[:200]!r} cannot be read.") from error


@lru_cache(_ROWS_KEPT)
def _queue_row(head: str, reason: str, work_dir: str, name: str) -> Row:
    fields = head.removeprefix("|").split("|")
    if len(fields) != len(QUEUE_FIELDS):
        raise ValueError(head)
    job, raw, _uid, user, state, submitted, started, ended, partition, host, nodes = fields
    name = name.removesuffix("\n")
    word = read_state(state)
    return Row(
        id=parse_row_id(job),
        raw=int(raw),
        state=word,
        user=user,
        submitted=read_time(submitted),
        started=_start(started, word, nodes),
        ended=read_time(ended),
        nodes=_some(nodes),
        work_dir=work_dir,
        name=name,
        line="|".join((*fields, reason, work_dir, name)),
        reason=_some(reason) or None,
        batch_host=_some(host),
        partition=partition,
        stub=not partition,
    )


def read_account(answer: bytes, nonce: str) -> tuple[Row, ...]:
    """Read sacct's records, every run of a requeued job, in sacct's order.

    Raises:
        UnreadableAnswerError: A record is not of the form asked for.
    """
    text = answer.decode("utf-8", "replace")
    if not text.strip():
        return ()
    pieces = text.split(nonce)
    gaps = len(ACCOUNT_FIELDS) - 1
    if (len(pieces) - 1) % gaps or not text.endswith("\n"):
        raise UnreadableAnswerError(f"sacct's answer has a torn record: {sample(answer)!r}")
    rows: list[Row] = []
    first = pieces[0].rpartition("\n")[2]  # what stands before the first id is no record
    try:
        for at in range(1, len(pieces), gaps):
            # The name ends where the next id begins: at the last newline, for an id has none.
            name, _, following = pieces[at + gaps - 1].rpartition("\n")
            rows.append(_account_row(first, *pieces[at : at + gaps - 1], name))
            first = following
    except ValueError as error:
        raise UnreadableAnswerError(f"sacct's record {str(error)[:200]!r} cannot be read.") from error
    return tuple(rows)


@lru_cache(_ROWS_KEPT)
def _account_row(*fields: str) -> Row:
    raw, job, user, state, code, derived, submitted, started, ended, partition, nodes, work_dir, name = fields
    word = read_state(state)
    return Row(
        id=parse_row_id(job),
        raw=int(raw.partition("_")[0]),
        state=word,
        user=user,
        submitted=read_time(submitted),
        started=_start(started, word, nodes),
        ended=read_time(ended),
        nodes=_some(nodes),
        work_dir=work_dir,
        name=name,
        line="|".join(fields),
        partition=partition,
        exit=read_exit(code),
        derived=read_exit(derived),
        stub=not partition,
    )


def _start(text: str, state: State, nodes: str) -> datetime | None:
    """Read a start. What ended before it had a node never started: its end is given as its start (22.05.8)."""
    return read_time(text) if _some(nodes) or not state.ended else None


def read_time(text: str) -> datetime | None:
    """Read a moment as `SLURM_TIME_FORMAT=%s TZ=UTC0` gives it; None for `Unknown`, `None`, `N/A` and the like.

    The ISO form is read too, as UTC, should a Slurm not heed the format.
    """
    text = text.strip()
    if text in _NOTHING:
        return None
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text), UTC) if int(text) <= _LATEST else None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def read_exit(text: str) -> ExitCode | None:
    """Read `3:0`; None for anything else (sacct leaves it empty for a step on a dead node)."""
    found = re.fullmatch(r"\s*(\d{1,5}):(\d{1,5})\s*", text, re.ASCII)
    return ExitCode(int(found[1]), int(found[2])) if found else None


_SHOWN_EXIT = re.compile(r"^ {3}Requeue=\d+ Restarts=\d+ .*\bExitCode=(\d+:\d+)$", re.MULTILINE)
_NAME = "\0"
_SHOWN_PATH = r"^ {{3}}{key}=(?P<path>.*?)$(?=\n {{3}}[A-Z]\w*=|\n {{3}}\n|\s*\Z)"


def read_shown(answer: bytes, name: str) -> Shown:
    """Read one record of `scontrol show job`.

    Args:
        answer: What it printed for one job or element.
        name: The job's name, from squeue. It stands unescaped before everything else and may hold lines that look
            like fields, so it is taken out first.
    """
    text = answer.decode("utf-8", "replace")
    _, _, rest = text.partition(f"JobName={name}\n")
    if "\n" in name:
        rest = rest.replace(name, _NAME)  # where %x stood in a path
    # A second record (an array's sibling, a heterogeneous job's other part) is not this job's.
    rest = re.split(r"\n\s*\nJobId=\d+ ", rest, maxsplit=1)[0]
    exit_found = _SHOWN_EXIT.search(rest)
    stdout, stderr = _path(rest, "StdOut", name), _path(rest, "StdErr", name)
    lines = [f"StdErr={stderr}"] * bool(stderr) + [f"StdOut={stdout}"] * bool(stdout)
    if exit_found:
        lines.insert(0, exit_found[0].strip())
    return Shown(stdout, stderr, read_exit(exit_found[1]) if exit_found else None, tuple(lines))


def _path(text: str, key: str, name: str) -> str | None:
    # The last one: a comment, which a user writes, stands before the paths.
    found = list(re.finditer(_SHOWN_PATH.format(key=key), text, re.MULTILINE | re.DOTALL))
    path = found[-1]["path"].replace(_NAME, name) if found else ""
    return path if path.startswith("/") else None


def read_host_name(answer: bytes) -> str | None:
    """Read a node's own host name from `scontrol show node`, short as `%N` in a log's name is."""
    found = re.search(rb"\bNodeHostName=([\w.-]+)", answer)
    return found[1].decode().partition(".")[0] if found else None


def without_revoked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Leave out what a federation's sibling says of a job that another row shows where it really is."""
    if all(row.state.text != "REVOKED" for row in rows):
        return tuple(rows)
    real = {(row.id.id, row.id.ranges) for row in rows if row.state.text != "REVOKED"}
    return tuple(row for row in rows if row.state.text != "REVOKED" or (row.id.id, row.id.ranges) not in real)


def shortened(row: Row, limit: int) -> Row:
    """Cut a row's raw record for the evidence."""
    return row if len(row.line) <= limit else replace(row, line=row.line[:limit] + "…")


def _some(text: str) -> str:
    text = text.strip()
    return "" if text in _NOTHING else text
