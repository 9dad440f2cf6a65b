"""What a launcher's output says: ids, names, and what is being done, in words.

Never how anything ended. The status block is printed once, at the start; "finished: FAILED" is the launcher's opinion,
which it gives up after seven seconds without accounting; and `Traceback`, `Error` and `FAILED` are words that any
program prints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobwarden.sources.launcher.ids import EXPERIMENT
from jobwarden.sources.launcher.text import JOINT, Line, unwrapped, whole_lines

_ENTERING = re.compile(rf"\W*Entering Experiment .*with id: (?P<id>{EXPERIMENT})\W*")
_STATUS_OF = re.compile(rf"Experiment Status for (?P<id>{EXPERIMENT})")
_LAUNCHED = re.compile(r"Launched\s*app:\s*(?P<scheme>\w+)://[^/\s]+/(?P<app>\S+)")
_TASK = re.compile(r"Task (?P<index>\d{1,5}): (?P<name>\S.*)")
_FIELD = re.compile(r"- (?P<key>Executor|Job id|Local Directory|Remote Directory): (?P<value>.*)")
_ON = re.compile(r"SlurmExecutor on (?P<host>\S+)")
_FOLDER = re.compile(
    r"(?:Log\s*directory\s*is:|rsyncing|- Local Directory:)\s*"
    rf"(?P<home>/[^\n]*?)/experiments/[^/]+/{EXPERIMENT}(?:[/ ].*)?"
)
_TROUBLE = re.compile(r"(?:Unexpected error: |sacct has been unreachable).*")
_SLURM_SCHEME = "slurm_tunnel"

_EXPORTED = re.compile(r"model exported to:? (?P<path>\S+)", re.IGNORECASE)
_CALIBRATION = re.compile(
    r"calib\D{0,60}(?:\d{1,3}%\D{0,60})?(?P<n>\d{1,9})\s*(?:/|of)\s*(?P<m>\d{1,9})\b", re.IGNORECASE
)
_WORDS = (
    (re.compile(r"pyxis: importing docker image"), "importing the container image"),
    (re.compile(r"pyxis: imported docker image"), "the container image is there"),
    (re.compile(r"\bexporting\b", re.IGNORECASE), "exporting"),
    (re.compile(r"\bstarting quantization", re.IGNORECASE), "quantizing"),
)
_PATH_CHARS = 300
_COMPLAINT_CHARS = 300


@dataclass(frozen=True, slots=True)
class TaskLines:
    """One task of the status block.

    Attributes:
        name: Its id in the experiment.
        job: What its scheduler calls it.
        executor: As printed.
        local_dir: Its folder on the launcher's machine.
    """

    name: str
    job: str = ""
    executor: str = ""
    local_dir: str = ""

    @property
    def slurm_host(self) -> str | None:
        """Where its Slurm is, as `user@host`; None where it runs under another executor."""
        found = _ON.fullmatch(self.executor)
        return found["host"] if found else None


@dataclass(frozen=True, slots=True)
class Output:
    """What an output, or a piece of one, says.

    Attributes:
        experiments: The ids of the experiments that were entered, in order.
        apps: Scheduler and id of everything that was launched.
        tasks: From the status block, by name.
        doing: The last ten characters of a task's name, and what it does in words; in the order of the last news.
        trouble: The launcher's own last complaint.
        homes: Where nemo-run keeps its records, as far as that can be seen from the folders that it names.
    """

    experiments: tuple[str, ...] = ()
    apps: tuple[tuple[str, str], ...] = ()
    tasks: Mapping[str, TaskLines] = field(default_factory=dict[str, TaskLines])
    doing: Mapping[str, str] = field(default_factory=dict[str, str])
    trouble: str = ""
    homes: tuple[str, ...] = ()

    @property
    def slurm_ids(self) -> tuple[str, ...]:
        """The Slurm jobs that were launched."""
        return tuple(app for scheme, app in self.apps if scheme == _SLURM_SCHEME and app.isdecimal())


def read_output(data: bytes) -> Output:
    """Read a launcher's output, or a piece of one; never fails."""
    lines = whole_lines(data)
    own = [line.text for line in lines if not line.task]
    joined = [text.replace(JOINT, "") for text in own]
    found = [match for text in joined if (match := _ENTERING.fullmatch(text) or _STATUS_OF.fullmatch(text.strip()))]
    trouble = [text for text in map(unwrapped, own) if _TROUBLE.fullmatch(text)]
    return Output(
        experiments=tuple(dict.fromkeys(match["id"] for match in found)),
        apps=tuple(dict.fromkeys((one["scheme"], one["app"]) for text in joined if (one := _LAUNCHED.fullmatch(text)))),
        tasks=_tasks(own),
        doing=_doing(lines),
        trouble=trouble[-1][:_COMPLAINT_CHARS] if trouble else "",
        homes=tuple(dict.fromkeys(one["home"] for text in joined if (one := _FOLDER.fullmatch(text)))),
    )


def words_for(text: str) -> str:
    """Say in words what a line of a task is about; empty where it tells nothing that we know."""
    exported = _EXPORTED.search(text)
    if exported is not None:
        return f"exported to {exported['path'][:_PATH_CHARS].rstrip('.,;')}"
    step = _CALIBRATION.search(text)
    if step is not None:
        return f"calibration {int(step['n'])} of {int(step['m'])}"
    return next((words for pattern, words in _WORDS if pattern.search(text)), "")


def task_named(ending: str, names: Sequence[str]) -> str:
    """Give the task whose name ends so, where that is one."""
    found = [name for name in names if name[-10:] == ending]
    return found[0] if len(found) == 1 else ending


def _doing(lines: Sequence[Line]) -> dict[str, str]:
    doing: dict[str, str] = {}
    for line in lines:
        words = words_for(line.text) if line.task else ""
        if words:
            doing.pop(line.task, None)  # the latest news stands last
            doing[line.task] = words
    return doing


def _tasks(own: Sequence[str]) -> dict[str, TaskLines]:
    tasks: dict[str, TaskLines] = {}
    name = ""
    for text in own:
        begins = _TASK.fullmatch(text)
        field_ = _FIELD.fullmatch(text)
        if begins is not None:
            name = begins["name"].strip()
            tasks[name] = TaskLines(name)
        elif field_ is not None and name:
            before, value = tasks[name], field_["value"].strip()
            tasks[name] = TaskLines(
                name,
                job=value if field_["key"] == "Job id" else before.job,
                executor=value if field_["key"] == "Executor" else before.executor,
                local_dir=value if field_["key"] == "Local Directory" else before.local_dir,
            )
    return tasks
