"""jobwarden as one of the corpus's verdict functions: the real source and engine over a recording, in virtual time."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

import anyio

from emulated import Ask
from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Host
from jobwarden.sources.framing import SHELL
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.transport.base import Chunk, Completed
from jobwarden.verdict.engine import judge, unanswered
from jobwarden.verdict.wanting import wanted_of
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord

_TRACE = r"""
jw_nonce=$1; shift 2
id() { echo 1001; }
part() { printf '%s\036%s\036' "$1" "$SLURM_TIME_FORMAT"; shift; printf '%s\037' "$@"; printf '\035'; }
jw_done() { :; }
"""
"""Instead of framing.SHELL: says what would be run, and runs nothing."""


@functools.lru_cache(maxsize=4096)
def _traced(body: str, words: tuple[str, ...]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    done = subprocess.run(["sh", "-c", _TRACE + body, "sh", *words], capture_output=True, text=True, check=True)
    parts = [one.split("\036") for one in done.stdout.split("\035")[:-1]]
    return tuple((name, time_format, tuple(line.split("\037")[:-1])) for name, time_format, line in parts)


class ReplayTransport:
    """Answers the framed scripts of the slurm source from a recording.

    The shell reads each script (once: they are the same from moment to moment but for the nonce); the programs that it
    would run are the emulated ones.
    """

    host: str = "replay"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:  # noqa: ARG002 -- the contract's
        """See `Transport.run`."""
        nonce = argv[4]
        words = tuple(word.replace(nonce, "\x01") for word in argv[4:])
        answer = ""
        for name, time_format, line in _traced(argv[2].removeprefix(SHELL), words):
            said = [word.replace("\x01", nonce) for word in line]
            status, out, err = self._ask(said, {"SLURM_TIME_FORMAT": time_format})
            answer += f"\n{nonce} begin {name}\n{out}"
            if status == 255:  # the connection was cut
                return Completed(255, answer.encode(), err.encode())
            answer += f"\n{nonce} error {name}\n{err}\n{nonce} end {name} {status}\n"
        return Completed(0, f"{answer}\n{nonce} done\n".encode(), b"")

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`: no file of that name."""
        del path, start, max_bytes
        return None


class Jobwarden:
    """A verdict function of the corpus that remembers: one job's record, judged at each moment.

    Attributes:
        record: The job, as the registry would have it.
        finished: How many times it was said to have ended.
    """

    clocks = Clocks(jitter=0.0)

    def __init__(self) -> None:
        self.record: JobRecord | None = None
        self.finished = 0

    def __call__(self, ask: Ask, job_id: str) -> str:
        """Look once, and give the phase."""
        now = datetime.fromtimestamp(ask.now, UTC)
        record = self.record or _registered(job_id, now)
        source = SlurmSource(lambda: now)
        host = Host(transport=ReplayTransport(ask), machine_id="replay")
        try:
            sightings = anyio.run(source.observe, host, [wanted_of(record)])
        except JobwardenError as error:
            judgement = unanswered(record, code=error.code, text=error.text, at=now)
        else:
            judgement = judge(record, sightings[record.id], asked_at=now, now=now, clocks=self.clocks)
        self.record = judgement.record
        self.finished += judgement.finished and self.record.phase.final
        return self.record.phase.value


def _registered(job_id: str, now: datetime) -> JobRecord:
    return JobRecord(type="slurm", id=job_id, host="replay", site="replay", uid="replayed", user="", registered_at=now)
