"""A Slurm of paper: a transport that answers the slurm source's questions from scripted rows and troubles."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from jobwarden.sources.base import Host
from jobwarden.transport.base import Chunk, Completed

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
T0 = int(NOW.timestamp())

Row = tuple[str, ...]
_BASE = re.compile(r"^\d+")
Rows = Sequence[Row]


@dataclass(frozen=True)
class Trouble:
    """A program that failed."""

    status: int
    text: str


Said = Rows | Trouble

SACCT_DOWN = Trouble(1, "sacct: error: Problem talking to the database: Connection refused")
NO_ACCOUNTING = Trouble(1, "Slurm accounting storage is disabled")
SQUEUE_DOWN = Trouble(1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")


def queue_row(
    job: str,
    state: str,
    *,
    raw: int | None = None,
    user: str = "alice",
    name: str = "train",
    submit: int | str = T0 - 600,
    start: int | str = T0 - 500,
    end: int | str = T0 - 10,
    partition: str = "normal",
    reason: str = "None",
    nodes: str = "c1",
) -> Row:
    """One squeue record, as its fields."""
    number = raw if raw is not None else int(job.partition("_")[0].partition("+")[0])
    head = (job, number, 1001, user, state, submit, start, end, partition, nodes, nodes)
    return (*(str(one) for one in head), reason, "/home/alice", name)


def account_row(
    job: str,
    state: str,
    *,
    raw: int | None = None,
    user: str = "alice",
    name: str = "train",
    code: str = "0:0",
    derived: str = "0:0",
    submit: int | str = T0 - 600,
    start: int | str = T0 - 500,
    end: int | str = T0 - 10,
    partition: str = "normal",
    nodes: str = "c1",
) -> Row:
    """One sacct record, as its fields."""
    number = raw if raw is not None else int(job.partition("_")[0].partition("+")[0])
    fields = (number, job, user, state, code, derived, submit, start, end, partition, nodes, "/home/alice", name)
    return tuple(str(one) for one in fields)


def framed(nonce: str, name: str, out: str, status: int = 0, err: str = "") -> str:
    """One part of an answer, as the shell frames it."""
    return f"\n{nonce} begin {name}\n{out}\n{nonce} error {name}\n{err}\n{nonce} end {name} {status}\n"


@dataclass
class FakeSlurm:
    """Answers look, detail, by-id, log and cancel questions.

    `queue`, `by_id` and `account` are rows, or a Trouble; `line` is the submit line of every job, whose path nobody
    knows but by that. `queue_s` is how long squeue takes.
    """

    queue: Said = ()
    account: Said = ()
    by_id: Said = ()
    scontrol: str = ""
    scancel: Trouble = Trouble(0, "")
    line: str = ""
    unlisted: Trouble = Trouble(1, "slurm_load_jobs error: Invalid job id specified")
    noise: str = ""
    cut: int | None = None
    clock: int = T0
    queue_s: int = 0
    host: str = "paper"
    asked: list[list[str]] = field(default_factory=list[list[str]])

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:  # noqa: ARG002 -- the contract's
        """See `Transport.run`."""
        nonce, words = argv[4], list(argv[6:])
        body = argv[2]
        self.asked.append(words)
        if "ask scancel" in body:
            text = framed(nonce, "scancel", "", self.scancel.status, self.scancel.text)
        elif "ask script" in body:
            text = (
                framed(nonce, "job", "", 1) + framed(nonce, "line", f"{self.line}\n") + framed(nonce, "script", "NONE")
            )
        elif '-u "$(id -u)"' in body:
            text = _part(nonce, "squeue", self.queue, _queue_text) + _part(nonce, "sacct", self.account, _account_text)
        elif "part user" in body:
            text = (
                framed(nonce, "user", "alice\n")
                + framed(nonce, "uid", "1001\n")
                + framed(nonce, "clock", f"{self.clock}\n")
            )
            text += _part(nonce, "squeue", self.queue, _queue_text)
            if words[2]:
                text += framed(nonce, "later", f"{self.clock + self.queue_s}\n")
                text += _part(nonce, "sacct", _of(self.account, words[2]), _account_text)
        elif 'ask_sacct "$fields"' in body:
            text = "".join(framed(nonce, f"job.{one}", self.scontrol) for one in words[3:])
            text += _part(nonce, "sacct", _of(self.account, words[2]), _account_text) if words[2] else ""
        else:
            text = _part(nonce, "squeue", self.by_id, _queue_text) if words[2] else ""
            for entity, _, name in (word.partition("=") for word in words[3:]):
                if entity == "node":
                    text += framed(nonce, f"node.{name}", f"NodeName={name} NodeHostName=vm.example")
                else:
                    text += framed(nonce, f"job.{name}", "", self.unlisted.status, self.unlisted.text)
        whole = f"{self.noise}{text}\n{nonce} done\n{self.noise}".encode()
        return Completed(0, whole[: self.cut], b"")

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`; not used by the source."""
        raise NotImplementedError


def host(slurm: FakeSlurm) -> Host:
    """Give a host that reaches it."""
    return Host(transport=slurm, machine_id="test")


def _of(answer: Said, ids: str) -> Said:
    """Leave what sacct would say of these ids alone."""
    asked = set(ids.split(","))
    return (
        answer if isinstance(answer, Trouble) else [row for row in answer if asked & {row[0], *_BASE.findall(row[1])}]
    )


def _part(nonce: str, name: str, answer: Said, write: Callable[[str, Rows], str]) -> str:
    if isinstance(answer, Trouble):
        return framed(nonce, name, "", answer.status, answer.text)
    return framed(nonce, name, write(nonce, answer))


def _queue_text(nonce: str, rows: Rows) -> str:
    return "".join(f"{nonce}|{'|'.join(row[:11])}{nonce}{nonce.join(row[11:])}\n" for row in rows)


def _account_text(nonce: str, rows: Rows) -> str:
    return "".join(nonce.join(row) + "\n" for row in rows)
