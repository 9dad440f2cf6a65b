"""Whether a running service is up: looked for from the job's host, once for all who watch it, until it is.

The answers are kept in the ledger beside those of the job's source, under a key of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from jobwarden.logs.allowed import LogRefusedError, Readable, allowed_path
from jobwarden.sources.base import Host, Seen, Sighting, Wanted
from jobwarden_registry.clock import Clock
from jobwarden_registry.model import Evidence, JobRecord, LogPaths, Readiness
from jobwarden_registry.phases import Phase

UP = "up"
_PROBE = "probe"
_HERE = "127.0.0.1"
_LIMIT_S = "5"
_LINE_CHARS = 300

# Constant text. A node that this host cannot resolve by its name has an address that Slurm knows.
_CONNECT = r"""
node=$1 port=$2 path=$3 limit=$4
if ! getent hosts "$node" >/dev/null 2>&1; then
  at=$(scontrol show node "$node" 2>/dev/null | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')
  node=${at:-$node}
fi
if [ -n "$path" ]; then
  exec curl -gfsS -o /dev/null --noproxy '*' --max-time "$limit" "http://$node:$port$path"
fi
exec timeout "$limit" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$node" "$port"
"""


class _Probe(BaseModel):
    """What one look needs, as it goes through the ledger."""

    model_config = ConfigDict(frozen=True)

    ready: Readiness
    node: str
    log: LogPaths | None = None
    log_path: str | None = None
    work_dir: str | None = None
    kept: str | None = None


def is_ready(record: JobRecord) -> bool:
    """Whether this run of it has been seen to be up."""
    if record.ready is None or record.ready_at is None or record.phase is not Phase.RUNNING:
        return False
    return record.started_at is None or record.ready_at >= record.started_at


def is_awaited(record: JobRecord) -> bool:
    """Whether it runs and is not known to be up."""
    return record.ready is not None and record.phase is Phase.RUNNING and not is_ready(record)


def question_of(record: JobRecord) -> Wanted:
    """Say what is looked for, by the record's `uid`."""
    assert record.ready is not None
    folder = record.facts.get("folder")
    probe = _Probe(
        ready=record.ready,
        node=first_node(record.node) if record.node else _HERE,
        log=record.log,
        log_path=record.log_path,
        work_dir=record.work_dir,
        kept=folder if isinstance(folder, str) else None,
    )
    return Wanted(id=record.uid, facts={_PROBE: probe.model_dump(mode="json")})


def first_node(nodes: str) -> str:
    """Give the first of Slurm's compact list `n[01-03,7],m1`: the one where a batch script runs."""
    found = re.match(r"(?P<name>[\w.-]+)(?:\[(?P<number>\d+)[^\]]*\])?", nodes)
    return found["name"] + (found["number"] or "") if found else _HERE


async def look(host: Host, wanted: Sequence[Wanted], *, folders: Sequence[str], clock: Clock) -> Mapping[str, Sighting]:
    """Look for each of these once.

    Returns:
        For each a `Seen`, whose status is `UP` when it is.

    Raises:
        TransportError: As `Transport.run`.
    """
    return {
        one.id: await _look(host, _Probe.model_validate(one.facts[_PROBE]), folders, asked_at=clock()) for one in wanted
    }


async def _look(host: Host, probe: _Probe, folders: Sequence[str], *, asked_at: datetime) -> Seen:
    ready = probe.ready
    if ready.port is not None:
        what = f"port {ready.port}{ready.path or ''} on {probe.node}"
        words = ["sh", "-c", _CONNECT, "sh", probe.node, str(ready.port), ready.path or "", _LIMIT_S]
    else:
        what = f"a line of its log like {ready.pattern!r}"
        try:
            path = await _log(host, probe, folders)
        except LogRefusedError as error:
            return _seen(asked_at, what, up=False, line=str(error))
        words = ["grep", "-a", "-E", "-m", "1", "-e", ready.pattern or "", "--", str(path)]
    done = await host.transport.run(words, timeout_s=host.timeout_s)
    said = (done.stdout or done.stderr).decode("utf-8", "replace").strip()[:_LINE_CHARS]
    return _seen(asked_at, what, up=done.status == 0, line=said)


async def _log(host: Host, probe: _Probe, folders: Sequence[str]) -> PurePosixPath:
    path = probe.log_path or (probe.log.stdout if probe.log is not None else None)
    if path is None:
        raise LogRefusedError("It is not known where it writes its log.")
    readable = Readable(log=probe.log, work_dir=probe.work_dir, folders=folders, kept=probe.kept)
    return await allowed_path(host.transport, path, readable, timeout_s=host.timeout_s)


def _seen(asked_at: datetime, what: str, *, up: bool, line: str) -> Seen:
    rule = f"It is up: {what} is there." if up else f"Not up yet: {what} is not there."
    evidence = Evidence(asked_at=asked_at, question=(what,), lines=(line,) if line else (), rule=rule)
    return Seen(phase=Phase.RUNNING, status=UP if up else "", evidence=evidence)
