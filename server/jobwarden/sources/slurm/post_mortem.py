"""What sacct says about a job's end: asked for and used, its steps, and the files that these wrote.

sacct without `-D` gives the latest run alone. `SubmitLine` (21.08 and later; of steps too) is asked for where this
sacct has it: it names the files that `srun --output` writes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jobwarden.sources.base import Wanted
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.post_mortem import PostMortem, Step
from jobwarden.sources.slurm import commands
from jobwarden.sources.slurm.answers import read_time
from jobwarden.sources.slurm.identity import may_be_ours
from jobwarden.sources.slurm.ids import RowId, SlurmId, parse_row_id
from jobwarden.sources.slurm.sizes import memory_per_node, rss_of
from jobwarden.sources.slurm.step_logs import StepRun, step_logs
from jobwarden.sources.slurm.used import used_of
from jobwarden.sources.slurm.vocabulary import read_state
from jobwarden_registry.phases import Phase

FIELDS = (
    "JobIDRaw", "JobID", "User", "State", "ExitCode", "DerivedExitCode", "ElapsedRaw", "TimelimitRaw", "ReqMem",
    "ReqTRES", "AllocTRES", "NNodes", "NTasks", "NodeList", "MaxRSS", "TRESUsageInMax", "Reason", "Submit",
    "WorkDir", "TotalCPU", "AllocCPUS", "JobName",
)  # fmt: skip
"""All known to sacct of Slurm 20.11 and later."""
_LINE = "SubmitLine"
IDS_MOST = 50
STEPS_MOST = 40
ELEMENTS_MOST = 200
"""Of a larger array its steps are not asked for: three rows an element, of which one element's are told."""

_BODY = r"""
fields=$1 line=$2 ids=$3
plain_part user "$(id -un)"
plain_part uid "$(id -u)"
case "$(sacct --helpformat 2>/dev/null)" in *"$line"*) fields="$fields,$line";; esac
if [ "$4" = no ]; then set -- -X; else set --; fi
ask sacct sacct -n -P "$@" "--delimiter=$jw_nonce" -o "$fields" -j "$ids"
jw_done
"""

_BY = re.compile(r"CANCELLED by (?P<uid>\d+)")
_ROOT = "0"
_SAID_ELSEWHERE = ("billing=", "mem=")

Row = Mapping[str, str]


def post_mortem_argv(
    nonce: str, *, ids: Collection[int], steps: bool = True, cluster: str, limit_s: float
) -> list[str]:
    """Ask sacct about these jobs and, with `steps`, all their steps (part `sacct`).

    Raises:
        ValueError: There is none: `sacct -j ''` means every job of the user.
    """
    if not ids:
        raise ValueError("sacct needs an id")
    listed = ",".join(str(one) for one in sorted(ids)[-IDS_MOST:])
    words = (",".join(FIELDS), _LINE, listed, "yes" if steps else "no")
    return commands.slurm_argv(_BODY, nonce, *words, cluster=cluster, limit_s=limit_s)


@dataclass(frozen=True, slots=True)
class Accounted:
    """sacct's rows, with who asked.

    Attributes:
        rows: By their columns' names, in sacct's order; steps after their job.
        user: The login's name.
        uid: Its number.
    """

    rows: tuple[Row, ...]
    user: str = ""
    uid: str = ""


def read_accounted(parts: Mapping[str, Part], nonce: str) -> Accounted:
    """Read the answer.

    Raises:
        UnreadableAnswerError: It has no part of sacct, sacct failed, or a record is torn.
    """
    part = parts.get("sacct")
    if part is None or part.status != 0:
        said = "no answer" if part is None else part.stderr[:200] or f"exit {part.status}"
        raise UnreadableAnswerError(f"sacct: {said}", code="slurm.unavailable")
    text = part.stdout.decode("utf-8", "replace")
    return Accounted(_rows(text, nonce), _word(parts, "user"), _word(parts, "uid"))


def _word(parts: Mapping[str, Part], name: str) -> str:
    part = parts.get(name)
    return part.stdout.decode("utf-8", "replace").strip() if part else ""


def _rows(text: str, nonce: str) -> tuple[Row, ...]:
    if not text.strip():
        return ()
    pieces = text.split(nonce)
    for columns in ((*FIELDS, _LINE), FIELDS):
        rows = _laid(pieces, columns)
        if rows is not None:
            return rows
    raise UnreadableAnswerError("sacct's answer has a torn record.")


def _laid(pieces: Sequence[str], columns: Sequence[str]) -> tuple[Row, ...] | None:
    """Lay pieces into columns; None where the ids do not come out where they must."""
    gaps = len(columns) - 1
    if (len(pieces) - 1) % gaps:
        return None
    rows: list[Row] = []
    first = pieces[0].rpartition("\n")[2]
    for at in range(1, len(pieces), gaps):
        # The last field ends where the next id begins: at the last newline, for an id has none.
        last, _, following = pieces[at + gaps - 1].rpartition("\n")
        if not re.match(r"\d", first):
            return None
        rows.append(dict(zip(columns, [first, *pieces[at : at + gaps - 1], last], strict=True)))
        first = following
    return tuple(rows)


def post_mortem_of(wanted: Wanted, job: SlurmId, told: Accounted, *, question: str = "") -> PostMortem | None:
    """Say what accounting knows of a job; None where it does not know it, or knows a later one under its id.

    Of an array, or a job of several parts, the first that failed is spoken of, else the first that was cancelled.
    """
    about = [(row, id_) for row in told.rows if (id_ := _job_of(row)) is not None and id_.covers(job)]
    jobs = [(row, id_) for row, id_ in about if may_be_ours(wanted, read_time(row["Submit"]), row["JobName"])]
    if not jobs:
        return None
    row, id_ = min(jobs, key=lambda one: _urgency(*one))
    steps = _steps(told, row)[:STEPS_MOST]
    usage = [size for one in (row, *steps) for size in (rss_of(one),) if size is not None]
    many = len(jobs) > 1 or bool(id_.ranges)
    return PostMortem(
        state=row["State"],
        part=row["JobID"] if many else "",
        reason="" if row["Reason"] in ("None", "") else row["Reason"],
        exit=row["ExitCode"],
        cancelled_by=_who(row["State"], told),
        time_limit_s=_minutes(row["TimelimitRaw"]),
        elapsed_s=float(row["ElapsedRaw"]) if row["ElapsedRaw"].isdigit() else None,
        memory_limit_bytes=memory_per_node(row),
        max_rss_bytes=max(usage, default=None),
        nodes="" if row["NodeList"] in ("None assigned", "None") else row["NodeList"],
        asked=",".join(one for one in row["ReqTRES"].split(",") if not one.startswith(_SAID_ELSEWHERE)),
        steps=tuple(_step(one) for one in steps),
        written=tuple(one for step in steps for one in step_logs(_run_of(step, row, id_))),
        question=(question,) if question else (),
        used=used_of([(one, _steps(told, one)) for one, _ in jobs]),
    )


def _steps(told: Accounted, row: Row) -> list[Row]:
    return [one for one in told.rows if one["JobID"].startswith(f"{row['JobID']}.")]


def _job_of(row: Row) -> RowId | None:
    """Give whose row it is; None of a step's."""
    try:
        return None if "." in row["JobID"] else parse_row_id(row["JobID"])
    except ValueError:
        return None


def _urgency(row: Row, id_: RowId) -> tuple[int, int]:
    """The first that failed, which is the one whose log is read (`job_logs`); then what was cancelled; then any."""
    order = {Phase.FAILED: 0, Phase.CANCELLED: 1}.get(read_state(row["State"]).phase, 2)
    return order, min(id_.keys, default=0)


def _step(row: Row) -> Step:
    name = row["JobID"].partition(".")[2]
    called = "" if row["JobName"] in (name, "") else f" ({row['JobName'][:40]})"
    tasks = int(row["NTasks"]) if row["NTasks"].isdigit() else None
    return Step(name + called, row["State"], row["ExitCode"], tasks, rss_of(row))


def _run_of(step: Row, row: Row, id_: RowId) -> StepRun:
    raw = re.match(r"\d+", row["JobIDRaw"])
    return StepRun(
        line=step.get(_LINE, ""),
        step=step["JobID"].partition(".")[2],
        raw=int(raw[0]) if raw else 0,
        array=id_.id.base if id_.id.element is not None else None,
        element=id_.id.element,
        name=row["JobName"],
        user=row["User"],
        work_dir=row["WorkDir"],
        nodes=step["NodeList"],
        tasks=int(step["NTasks"]) if step["NTasks"].isdigit() else 1,
    )


def _who(state: str, told: Accounted) -> str:
    found = _BY.search(state)
    if found is None:
        return ""
    uid = found["uid"]
    if uid == told.uid and told.user:
        return f"{told.user} (uid {uid})"
    return "root" if uid == _ROOT else f"uid {uid}"


def _minutes(text: str) -> float | None:
    return float(text) * 60 if text.isdigit() else None
