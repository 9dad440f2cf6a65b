"""What nemo-run keeps on disk: its experiments and the jobs that it gave to Slurm or started itself.

Read of nemo-run 0.11.1 (with torchx 0.7.0), below its home, which is `$NEMORUN_HOME` or `~/.nemo_run`:

- `experiments/TITLE/ID/_TASKS`: every task, in base64 of zlib of fiddle's JSON; there before anything is launched.
- `.slurm_jobs`: one line for every Slurm job, written when sbatch has answered.
- `.local_jobs.json`: the state of every app of a local executor, as its launcher last saw it. It is copied over in
  place, so it may be torn, and a launcher that could not read it drops what was in it.
- `experiments/TITLE/ID/TASK/nemo_run/APP/SUCCESS`: the exit codes of a local app, when its launcher went in peace.

A line of `.slurm_jobs` names keys, and `_TASKS` holds environments: none of that leaves this module.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import cast

from jobwarden.sources.errors import UnreadableAnswerError

_LINE = re.compile(
    r"(?P<id>\d{1,10})(?:;[\w.-]+)? = (?:(?P<logs>.*),)?(?P<folder>/[^,]*),"
    r"(?P<kind>SSHTunnel|LocalTunnel),(?P<tunnel>\{.*\})"
)
_EXECUTOR = re.compile(r"(?P<kind>[a-z0-9_]+?)_executor_\d+")
_MOST_BYTES = 16_000_000
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")


@dataclass(frozen=True, slots=True)
class Task:
    """One task of an experiment.

    Attributes:
        name: Its id in the experiment.
        kind: Of its executor: `slurm`, `local`, `docker`, ...; empty where that is not told.
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """One job that an experiment gave to Slurm.

    Attributes:
        id: Slurm's.
        task: The name of the task's folder.
        logs: Where its logs are on the cluster, as a glob; empty where that is not told.
        host: `user@host` of its login node; empty: Slurm was asked on the launcher's own machine.
        port: Of ssh there, where one was given.
    """

    id: str
    task: str
    logs: str = ""
    host: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class LocalApp:
    """One task that a launcher started on its own machine.

    Attributes:
        id: torchx's.
        task: The name of the task's folder.
        state: nemo-run's word, as last written.
    """

    id: str
    task: str
    state: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a local app ended.

    Attributes:
        state: nemo-run's word.
        exit_codes: Of its replicas; negative: the signal.
        ended_at: When its state changed last, in seconds.
    """

    state: str
    exit_codes: tuple[int, ...]
    ended_at: float | None


def read_tasks(data: bytes) -> list[Task]:
    """Read `_TASKS`.

    Raises:
        UnreadableAnswerError: It is being written, or of another version.
    """
    try:
        pairs = _list(json.loads(data))
        return [_task(str(_list(pair)[0])) for pair in pairs]
    except (ValueError, LookupError, TypeError, binascii.Error, zlib.error) as error:
        raise UnreadableAnswerError(
            f"The launcher's list of tasks cannot be read: {type(error).__name__}.", code="launcher.records_behind"
        ) from error


def read_slurm_jobs(data: bytes, experiment: str) -> list[SlurmJob]:
    """Read the lines of `.slurm_jobs` that are about one experiment; a line cut short is left out."""
    jobs: dict[str, SlurmJob] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        folder = PurePosixPath(found["folder"])
        host = _tunnel(found["kind"], found["tunnel"])
        if folder.parent.name == experiment and host is not None:
            jobs[found["id"]] = SlurmJob(found["id"], folder.name, found["logs"] or "", *host)
    return list(jobs.values())


def read_local_jobs(data: bytes, experiment: str) -> list[LocalApp]:
    """Read what `.local_jobs.json` says about one experiment; of several such files, one after the other.

    Raises:
        UnreadableAnswerError: It is being written.
    """
    apps: dict[str, LocalApp] = {}
    for document in _documents(data):
        for row in document.values():
            fields = [str(field) for field in cast("Sequence[object]", row)] if isinstance(row, list) else []
            if len(fields) != 4:
                continue
            state, app, folder, _ = fields
            parts = PurePosixPath(folder).parts
            if experiment in parts[:-3]:
                apps[app] = LocalApp(app, parts[parts.index(experiment) + 1], state)
    return list(apps.values())


def read_results(data: bytes) -> dict[str, Result]:
    """Read SUCCESS files, one after the other, by app.

    Raises:
        UnreadableAnswerError: One is being written.
    """
    results: dict[str, Result] = {}
    for document in _documents(data):
        codes = [
            _dict(replica).get("exitcode")
            for replicas in _dict(document.get("roles")).values()
            for replica in _list(replicas)
        ]
        if all(isinstance(code, int) for code in codes) and codes:
            ended = document.get("last_updated")
            results[str(document.get("app_id"))] = Result(
                str(document.get("final_state")),
                tuple(cast("list[int]", codes)),
                float(ended) if isinstance(ended, (int, float)) and ended > 0 else None,
            )
    return results


def _task(blob: str) -> Task:
    inflate = zlib.decompressobj()
    text = inflate.decompress(base64.urlsafe_b64decode(blob), _MOST_BYTES)
    whole = _dict(json.loads(text))
    objects = _dict(whole["objects"])
    items = _list(_dict(objects[str(_dict(whole["root"])["key"])])["items"])
    fields = {str(_list(item)[0]): _dict(_list(item)[1]) for item in items}
    name = fields["Attr(name='id')"]["value"]
    key = fields.get("Attr(name='executor')", fields.get("Attr(name='executors')", {})).get("key")
    kind = _EXECUTOR.fullmatch(str(key)) or _first_executor(objects.get(str(key)))
    return Task(str(name), kind["kind"] if kind else "")


def _first_executor(listed: object) -> re.Match[str] | None:
    """The executor of a group of tasks: its first one, for a group runs in one place."""
    for item in _list(_dict(listed).get("items", [])):
        found = _EXECUTOR.fullmatch(str(_dict(_list(item)[-1]).get("key")))
        if found is not None:
            return found
    return None


def _tunnel(kind: str, text: str) -> tuple[str, int | None] | None:
    """Give `user@host` and port, or None where the line is cut or names what cannot be a host."""
    try:
        tunnel = _dict(json.loads(text))
    except ValueError:
        return None
    if kind == "LocalTunnel":
        return "", None
    host, user, port = str(tunnel.get("host") or ""), str(tunnel.get("user") or ""), tunnel.get("port")
    if not _HOST.fullmatch(host) or (user and not _HOST.fullmatch(user)):
        return None
    return (f"{user}@{host}" if user else host), (port if isinstance(port, int) else None)


def _documents(data: bytes) -> Iterator[Mapping[str, object]]:
    decoder, text = json.JSONDecoder(), data.decode("utf-8", "replace").strip()
    while text:
        try:
            document, end = decoder.raw_decode(text)
        except ValueError as error:
            raise UnreadableAnswerError(
                "The launcher is writing its records just now.", code="launcher.records_behind"
            ) from error
        text = text[end:].lstrip()
        yield _dict(document)


def _dict(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError(type(value).__name__)
    return cast("Sequence[object]", value)
