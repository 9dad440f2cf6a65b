"""One look at experiments: from the parts of an answer to what is known of each. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from jobwarden.sources.errors import SourceUnavailableError, UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.launcher.commands import CONTROL, Place
from jobwarden.sources.launcher.output import Output, read_output
from jobwarden.sources.launcher.records import (
    LocalApp,
    Result,
    SlurmJob,
    Task,
    read_local_jobs,
    read_results,
    read_slurm_jobs,
    read_tasks,
)

_HOLDER = re.compile(r"/proc/(?P<pid>\d+)/fd/(?P<fd>\d+) (?P<path>.*)")


_SILENT = timedelta(minutes=10)
"""nemo-run's own news of a waiting job come every 15 minutes at most; a task that works says something sooner."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where was looked.

    Attributes:
        id: `/etc/machine-id`; empty where there is none.
        boot: Names this boot of its kernel.
        namespace: Names the pid namespace.
        now: By its own clock.
    """

    id: str
    boot: str
    namespace: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has files of an experiment open for writing.

    Attributes:
        tasks: By app: the processes whose own output goes to that app's log.
        launchers: By app: the processes that write that log beside it.
        output: The processes that write the launcher's output.
        lines: As found.
    """

    tasks: Mapping[str, tuple[int, ...]]
    launchers: Mapping[str, tuple[int, ...]]
    output: tuple[int, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is known of one experiment.

    Attributes:
        place: Where was looked.
        home: nemo-run's home, in full.
        tasks: All its tasks; None where its folder is not there.
        slurm: The jobs that it gave to Slurm.
        apps: What it started itself.
        results: How those ended, by app.
        cancelled: Whether we ended those.
        holders: Who is at work; None where that cannot be seen.
        output: What its launcher printed, as far as it was read.
        silent_since: When that was written last, where it is so long ago that the launcher may be gone.
    """

    place: Place
    home: str
    tasks: tuple[Task, ...] | None = None
    slurm: tuple[SlurmJob, ...] = ()
    apps: tuple[LocalApp, ...] = ()
    results: Mapping[str, Result] = field(default_factory=dict[str, Result])
    cancelled: bool = False
    holders: Holders | None = None
    output: Output = field(default_factory=Output)
    silent_since: datetime | None = None


def read_machine(parts: Mapping[str, Part], fallback: datetime) -> Machine:
    """Read where was looked."""
    clock = _text(parts, "clock")
    now = datetime.fromtimestamp(int(clock), UTC) if re.fullmatch(r"\d{9,11}", clock) else fallback
    return Machine(_text(parts, "machine"), _text(parts, "boot"), _text(parts, "namespace"), now)


def read_experiment(parts: Mapping[str, Part], n: int, place: Place, now: datetime) -> Experiment:
    """Read what was found of the n-th experiment; `now` is by that machine's clock.

    Raises:
        SourceUnavailableError: A record is there and cannot be read.
        UnreadableAnswerError: A record is just being written, or of a form that we do not know.
    """
    tasks = parts.get(f"tasks.{n}")
    listed = tuple(read_tasks(tasks.stdout)) if tasks is not None and tasks.status == 0 else None
    slurm, local = _needed(parts, f"slurm.{n}"), _needed(parts, f"local.{n}")
    results = _needed(parts, f"results.{n}") if listed is not None else b""
    return Experiment(
        place=place,
        home=_text(parts, f"home.{n}"),
        tasks=listed,
        slurm=tuple(read_slurm_jobs(slurm, place.experiment)),
        apps=tuple(read_local_jobs(local, place.experiment)),
        results=read_results(results),
        cancelled=bool(_text(parts, f"mark.{n}")),
        holders=_holders(parts.get(f"holders.{n}"), place),
        output=_output(parts.get(f"head.{n}"), parts.get(f"tail.{n}")),
        silent_since=_silent_since(_text(parts, f"written.{n}"), now),
    )


def _silent_since(written: str, now: datetime) -> datetime | None:
    if not re.fullmatch(r"\d{9,11}", written):
        return None
    moment = datetime.fromtimestamp(int(written), UTC)
    return moment if now - moment > _SILENT else None


def _holders(part: Part | None, place: Place) -> Holders | None:
    """Read who has files open; None where not even we ourselves were seen to."""
    if part is None or part.status:
        return None
    lines = part.stdout.decode("utf-8", "replace").splitlines()
    found = [match for line in lines if (match := _HOLDER.fullmatch(line))]
    if not any(match["path"].endswith(f"/{place.experiment}/{CONTROL}") for match in found):
        return None
    tasks: dict[str, tuple[int, ...]] = {}
    launchers: dict[str, tuple[int, ...]] = {}
    for match in found:
        app = re.search(rf"/{re.escape(place.experiment)}/[^/]+/nemo_run/(?P<app>[^/]+)/", match["path"])
        if app is not None:
            kind = tasks if match["fd"] in {"1", "2"} else launchers
            kind[app["app"]] = tuple(dict.fromkeys((*kind.get(app["app"], ()), int(match["pid"]))))
    output = tuple(dict.fromkeys(int(match["pid"]) for match in found if match["path"] == place.output))
    return Holders(tasks, launchers, output, tuple(line for line in lines if not line.endswith(f"/{CONTROL}")))


def _output(head: Part | None, tail: Part | None) -> Output:
    """Read the beginning and the end of an output; what the end tells is later."""
    first = read_output(head.stdout) if head is not None and head.status == 0 else Output()
    last = read_output(tail.stdout) if tail is not None and tail.status == 0 else Output()
    doing = {task: words for task, words in first.doing.items() if task not in last.doing} | dict(last.doing)
    return Output(
        experiments=tuple(dict.fromkeys((*first.experiments, *last.experiments))),
        apps=tuple(dict.fromkeys((*first.apps, *last.apps))),
        tasks={**first.tasks, **last.tasks},
        doing=doing,
        trouble=last.trouble or first.trouble,
        homes=tuple(dict.fromkeys((*first.homes, *last.homes))),
    )


def _needed(parts: Mapping[str, Part], name: str) -> bytes:
    part = parts.get(name)
    if part is None:
        raise UnreadableAnswerError(f"The answer lacks its part {name}.")
    if part.status:
        said = part.stderr[-200:] or f"exit status {part.status}"
        raise SourceUnavailableError(f"The launcher's records cannot be read: {said}.", code="launcher.unreadable")
    return part.stdout


def _text(parts: Mapping[str, Part], name: str) -> str:
    part = parts.get(name)
    return part.stdout.decode("utf-8", "replace").strip() if part is not None and part.status == 0 else ""
