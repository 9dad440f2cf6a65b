"""Two ways for an agent to follow jobs, as written-down policies: what is asked, read and concluded, without a model.

`Polling` is what people write for agents today: shell functions around one `sacct` over ssh for each job, called again
and again. `Waiting` uses jobwarden's tools as its skill says. Both only take texts and give conclusions: whoever runs
them brings the ssh and the server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

POLL_ENDS = frozenset(
    ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL", "DEADLINE"]
)
"""The words that such functions take for an end."""
TAIL_LINES = 80
"""Of a failed job's log; jobwarden's own number."""


@dataclass(frozen=True)
class Told:
    """What the agent has learnt of a job, by the moment at which it could read it.

    Attributes:
        at: Seconds since the epoch.
        job: The job's id.
        words: States in order, as they were told.
        ended: Whether it was told that the job has ended.
        again: Whether it was told that the job begins anew.
    """

    at: float
    job: str
    words: Sequence[str]
    ended: bool
    again: bool


@dataclass
class Context:
    """What a model reads and writes, and how often it is called.

    Attributes:
        calls: Tool calls; each is a turn.
        notices: Turns that no call of its own began: a background process has printed something.
        read: Bytes of answers and notices.
        written: Bytes of the calls' arguments.
        told: What was learnt, in order.
        texts: All that was read.
    """

    calls: int = 0
    notices: int = 0
    read: int = 0
    written: int = 0
    told: list[Told] = field(default_factory=list[Told])
    texts: list[str] = field(default_factory=list[str])

    def call(self, words: str, answer: str) -> None:
        """Take a tool call and its answer."""
        self.calls += 1
        self.written += len(words.encode())
        self._reads(answer)

    def notice(self, text: str) -> None:
        """Take what comes without a call."""
        self.notices += 1
        self._reads(text)

    def _reads(self, text: str) -> None:
        self.read += len(text.encode())
        self.texts.append(text)

    @property
    def turns(self) -> int:
        """How often the model is called."""
        return self.calls + self.notices


# -- polling


def ask_state(job: str) -> str:
    """Give the remote command that asks for a job's state."""
    return f"sacct -j {job} -X -n -P -o State 2>/dev/null | head -n 1"


def read_state(answer: str) -> str:
    """Read its answer; "" when there is none."""
    word = answer.strip()
    return "CANCELLED" if word.startswith("CANCELLED by ") else word


def look_closer(job: str, state: str) -> str:
    """Give the remote command that an agent runs once about a job with this end."""
    if state == "COMPLETED":
        return f"sacct -j {job} -n -o State,ExitCode,Elapsed"
    return f"tail -n {TAIL_LINES} slurm-{job}.out"


@dataclass
class Polling:
    """The registry of a polling agent: each job's last state, until it is taken for ended.

    Attributes:
        last: State by job, "" where none was seen yet.
    """

    last: dict[str, str]

    def hear(self, job: str, answer: str, at: float) -> Told | None:
        """Take an answer; gives what changed. An ended job is asked about no more."""
        before, state = self.last[job], read_state(answer)
        if state in ("", before):
            return None
        ended = state in POLL_ENDS
        if ended:
            del self.last[job]
        else:
            self.last[job] = state
        words = [before, state] if before else [state]
        # RUNNING, then anything in which it does not run: nothing says so, but an agent may well conclude it.
        return Told(at, job, words, ended, again=before in ("RUNNING", "REQUEUED") and not ended)


# -- waiting

_NEWS = re.compile(r"^\S+(?: \S+)? slurm:(\d+) on \S+(?: \([^)]*\))?: (.*)$")


def read_news(answer: str, at: float) -> list[Told]:
    """Read what an answer of jobwarden's tools tells first: a line for each job to which something happened."""
    lines = answer.split("\n")
    if lines[0] != "NEWS":
        return []
    told: list[Told] = []
    for line in lines[1:]:
        found = _NEWS.match(line)
        if found is None:
            break
        states, *rest = found[2].split("; ")
        words = [word for word in states.split(" -> ") if re.fullmatch(r"[A-Z_]+(?: by \d+)?", word)]
        happened = " ".join(rest)
        again = "requeued" in happened or "new attempt" in happened
        told.append(Told(at, found[1], words, "ended: " in found[2], again))
    return told


@dataclass
class Waiting:
    """An agent with jobwarden's tools: it waits for what happens, and looks into what failed.

    Attributes:
        alive: The jobs of which no end was told.
    """

    alive: set[str]

    def hear(self, answer: str, at: float) -> tuple[list[Told], list[str]]:
        """Take an answer; gives what was told, and the jobs to be diagnosed."""
        told = read_news(answer, at)
        self.alive -= {each.job for each in told if each.ended}
        failed = [each.job for each in told if each.ended and "FAILED" in each.words]
        return told, failed
