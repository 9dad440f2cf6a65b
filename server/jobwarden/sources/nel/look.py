"""What stands in a task's run folder, looked at where it is: the chain of its Slurm jobs, its logs, its scores.

Seen with nemo-evaluator-launcher 0.2.6. Every Slurm job of a task, when it starts, first submits the one that would
resume it ("Submitted batch job N" in its own log), and then adds its own id to `.slurm_job_id.list`. A job that was to
resume another asks sacct first how that one ended, and gives up ("EXIT!") when sacct still says RUNNING.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from jobwarden.sources.base import Host
from jobwarden.sources.framing import Part, framed_argv, new_nonce, read_parts
from jobwarden.sources.nel.answers import Task
from jobwarden.sources.nel.scores import Score, read_scores

# Constant text; `$1`, `$2`, ... are pairs of a folder and its first Slurm id (or `-`). Of results.yml only `results:`
# is printed: beside it stands the run's whole configuration.
_BODY = r"""
jw_look='
cd -- "$1" 2>/dev/null || { echo gone; exit 0; }
echo folder
if [ -f .slurm_job_id.list ]; then grep -aEx "[0-9]+" .slurm_job_id.list | tail -n 500 | sed "s/^/chain /"; fi
last=$(grep -aEx "[0-9]+" .slurm_job_id.list 2>/dev/null | tail -n 1)
next=$(head -c 65536 "logs/slurm-${last:-$2}.log" 2>/dev/null |
  sed -n "s/^Submitted batch job \([0-9][0-9]*\).*/\1/p" | head -n 1)
if [ -n "$next" ]; then
  echo "next $next"
  head -c 65536 "logs/slurm-$next.log" 2>/dev/null |
    grep -aE " EXIT!\$|^ERROR: Maximum total walltime" | head -n 1 | cut -c 1-300 | sed "s/^/quit /"
fi
ls -1t logs 2>/dev/null | head -n 200 | sed "s/^/log /"
if [ -f logs/stage.running ]; then echo "started $(stat -c %Y logs/stage.running)"; fi
if [ -f logs/stage.exit ]; then echo "ended $(stat -c %Y logs/stage.exit)"; fi
if [ -f logs/stage.exit ]; then echo "exit $(head -c 100 logs/stage.exit | head -n 1 | sed "s/.* //")"; fi
echo "boot $(sed -n "s/^btime //p" /proc/stat)"
if [ -f artifacts/results.yml ]; then
  awk "/^[^ #]/ { on = (\$1 == \"results:\") } on" artifacts/results.yml | head -n 400 | cut -c 1-300 | sed "s/^/: /"
fi
echo whole'
jw_at=0
while [ $# -gt 1 ]; do
  part "folder$jw_at" sh -c "$jw_look" sh "$1" "$2"
  jw_at=$((jw_at + 1)); shift 2
done
jw_done
"""
_SERVER = re.compile(r"server[-.].*")
_LOCAL_LOGS = ("client_stdout.log", "stdout.log")


class Found(BaseModel):
    """What one run folder holds."""

    model_config = ConfigDict(frozen=True)

    there: bool | None = None
    """Whether the folder is there; None: it could not be looked at."""
    chain: tuple[str, ...] = ()
    """The Slurm jobs that have started for this task, oldest first."""
    following: str | None = None
    """The Slurm job that would go on after the last of these."""
    quit: str | None = None
    """What that one said when it found that it must not go on."""
    logs: tuple[str, ...] = ()
    """The names of its log files, newest first."""
    started: datetime | None = None
    """When a local run started."""
    ended: datetime | None = None
    exit_code: int | None = None
    booted: datetime | None = None
    """When the machine was booted."""
    scores: tuple[Score, ...] = ()

    def log_of(self, slurm_id: str | None, folder: str) -> tuple[str | None, str | None]:
        """Give the files to read, for what the evaluation prints and for what stands behind it; only what exists."""
        own = self._of(slurm_id)
        if slurm_id is None:
            first = next((name for name in _LOCAL_LOGS if name in own), None)
        else:
            first = next((name for name in (f"client-{slurm_id}.log", f"slurm-{slurm_id}.log") if name in own), None)
        second = next((name for name in own if name == f"slurm-{slurm_id}.log"), None)
        return _path(folder, first), self.server_log(slurm_id, folder) or _path(folder, second)

    def server_log(self, slurm_id: str | None, folder: str) -> str | None:
        """Give the file in which the model's server writes, the newest of several; None when there is none."""
        return _path(folder, next((name for name in self._of(slurm_id) if _SERVER.fullmatch(name)), None))

    def _of(self, slurm_id: str | None) -> list[str]:
        return [name for name in self.logs if slurm_id is None or slurm_id in re.split(r"[-.]", name)]


async def look(host: Host, tasks: Sequence[Task]) -> Mapping[str, Found]:
    """Look into the run folders of these tasks, in one run.

    Raises:
        TransportError: As `Transport.run`.
        UnreadableAnswerError: The answer is torn.
    """
    known = [one for one in tasks if one.folder]
    if not known:
        return {one.id: Found() for one in tasks}
    nonce = new_nonce()
    words = [word for one in known for word in (one.folder, one.slurm or "-")]
    argv = framed_argv(_BODY, nonce, *words, limit_s=max(5.0, host.timeout_s / 2))
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    parts = read_parts(done.stdout, nonce)
    found = {one.id: read_found(parts.get(f"folder{at}")) for at, one in enumerate(known)}
    return {one.id: found.get(one.id, Found()) for one in tasks}


def read_found(part: Part | None) -> Found:
    """Read what was seen in one folder; what did not come to its end was not looked at."""
    lines = part.stdout.decode("utf-8", "replace").split("\n") if part is not None else []
    lines = [line for line in lines if line]
    if lines == ["gone"]:
        return Found(there=False)
    if not lines or lines[0] != "folder" or lines[-1] != "whole":
        return Found()
    told: dict[str, list[str]] = {}
    for line in lines[1:-1]:
        key, _, value = line.partition(" ")
        told.setdefault(key, []).append(value)
    following = [value for value in told.get("next", ()) if _is_id(value)]
    return Found(
        there=True,
        chain=tuple(dict.fromkeys(value for value in told.get("chain", ()) if _is_id(value))),
        following=following[0] if following else None,
        quit=next((value for value in told.get("quit", ()) if value.isprintable()), None),
        logs=tuple(value for value in told.get("log", ()) if value.isprintable() and "/" not in value),
        started=_moment(told.get("started")),
        ended=_moment(told.get("ended")),
        exit_code=_number(told.get("exit")),
        booted=_moment(told.get("boot")),
        scores=read_scores(told.get(":", ())),
    )


def _is_id(text: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,11}", text) is not None


def _number(values: Sequence[str] | None) -> int | None:
    return int(values[0]) if values and re.fullmatch(r"[0-9]{1,10}", values[0]) else None


def _moment(values: Sequence[str] | None) -> datetime | None:
    seconds = _number(values)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _path(folder: str, name: str | None) -> str | None:
    return None if name is None else f"{folder.rstrip('/')}/logs/{name}"
