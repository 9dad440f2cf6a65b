"""What a cluster's programs answered, moment by moment, in a form that can be kept and replayed.

The form is docs of its own: corpus/README.md of the repository. This module asks more widely than verdicts need, so
that any other question about the same jobs can be answered from a recording. Pure but for `look`; anonymised by
`anonymous`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from jobwarden.sources.base import Host
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part, new_nonce, read_parts
from jobwarden.sources.slurm.commands import slurm_argv

FORMAT = "slurm-recording"
VERSION = 1
PROGRAMS = ("squeue", "sacct", "scontrol")
SHOW_MOST = 20
"""`scontrol show job` is one question per id: of more jobs the rest is shown at the next look."""
IDS_MOST = 200

QUEUE_COLUMNS: Mapping[str, str] = {
    "id": "%i", "raw": "%A", "array": "%F", "task": "%K", "state": "%T", "short": "%t", "user": "%u", "uid": "%U",
    "group": "%g", "account": "%a", "submit": "%V", "start": "%S", "end": "%e", "time_limit": "%l", "partition": "%P",
    "qos": "%q", "nodes": "%N", "node_count": "%D", "cpus": "%C", "batch_host": "%B", "reason": "%r",
    "nodes_or_reason": "%R", "dependency": "%E", "work_dir": "%Z", "command": "%o", "comment": "%k", "name": "%j",
}  # fmt: skip
"""squeue's fields, by the names that a recording has for them. None of them changes while nothing happens."""

ACCOUNT_COLUMNS = (
    "JobIDRaw", "JobID", "User", "UID", "Group", "Account", "State", "ExitCode", "DerivedExitCode", "Submit",
    "Eligible", "Start", "End", "Timelimit", "Partition", "QOS", "NodeList", "NNodes", "AllocCPUS", "WorkDir",
    "Comment", "JobName",
)  # fmt: skip
STEP_COLUMNS = ("JobIDRaw", "JobID", "State", "ExitCode", "Submit", "Start", "End", "NodeList", "JobName")
"""sacct's, by their own names, all known to 20.11. The first can hold no newline and the last may."""

_LOOK = r"""
format=$1 fields=$2 steps=$3 whose=$4 ids=$5
part user id -un
part uid id -u
part version squeue --version
part clock.0 date +%s.%N
if [ "$whose" = everybody ]; then ask squeue squeue -h -a -t all -o "$format"
else ask squeue squeue -h -a -t all -u "$(id -u)" -o "$format"; fi
part clock.1 date +%s.%N
if [ -n "$ids" ]; then
  ask_sacct "$fields" "$ids"
  part clock.2 date +%s.%N
  ask steps sacct -n -P "--delimiter=$jw_nonce" -o "$steps" -j "$ids"
fi
jw_done
"""

_SHOW = r"""
for id in "$@"; do ask "job.$id" scontrol show job "$id"; done
jw_done
"""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """A program that gave no answer.

    Attributes:
        status: Its exit status; 127 where there is no such program.
        text: What it complained.
        took_s: Whole seconds until then.
    """

    status: int
    text: str
    took_s: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What one program answered at one moment.

    Attributes:
        rows: squeue's or sacct's rows; an empty field is left out of its row.
        steps: sacct's rows of steps.
        shown: scontrol's record of each job, by its raw id.
        failure: Instead of an answer.
    """

    rows: tuple[Row, ...] = ()
    steps: tuple[Row, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict[str, str])
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One moment.

    Attributes:
        began: The cluster's time before the first question, in epoch seconds.
        user: The login there.
        uid: Its number.
        version: What `squeue --version` says.
        squeue: squeue's answer.
        sacct: sacct's.
        scontrol: scontrol's; not asked anew about a job that squeue shows as before.
    """

    began: float
    user: str
    uid: str
    version: str
    squeue: Said
    sacct: Said
    scontrol: Said


async def look(host: Host, ids: Collection[int], before: Look | None = None, *, everybody: bool = False) -> Look:
    """Ask for one moment of a recording.

    Args:
        host: Where.
        ids: The jobs that sacct is asked about, beside those that squeue shows.
        before: The look before this one.
        everybody: Whether all jobs of the cluster are recorded, and not only the login user's.

    Raises:
        TransportError: The host could not be asked.
        UnreadableAnswerError: Its answer is torn.
    """
    known = {_base(row["id"]) for row in before.squeue.rows} if before else set[int]()
    nonce = new_nonce()
    listed = ",".join(str(one) for one in sorted({*ids, *known})[-IDS_MOST:])
    whose = "everybody" if everybody else "own"
    queue_format = nonce + nonce.join(QUEUE_COLUMNS.values())
    words = (queue_format, ",".join(ACCOUNT_COLUMNS), ",".join(STEP_COLUMNS), whose, listed)
    parts = await _run(host, _LOOK, nonce, words)
    one = read_look(parts, nonce)
    return Look(one.began, one.user, one.uid, one.version, one.squeue, one.sacct, await _show(host, one, before))


async def _show(host: Host, now: Look, before: Look | None) -> Said:
    if now.squeue.failure is not None:
        return Said(failure=now.squeue.failure)  # it would ask the same daemon
    old: Mapping[str, str] = before.scontrol.shown if before else {}
    same = [row for row in now.squeue.rows if before and row in before.squeue.rows and row["raw"] in old]
    kept = {row["raw"]: old[row["raw"]] for row in same}
    ids = sorted({_base(row["id"]) for row in now.squeue.rows if row not in same} - {0})[:SHOW_MOST]
    if not ids:
        return Said(shown=kept)
    nonce = new_nonce()
    parts = await _run(host, _SHOW, nonce, [str(one) for one in ids])
    for name, part in parts.items():
        if name.startswith("job.") and part.status == 0:
            kept |= read_shown_records(part.stdout)
    return Said(shown=kept)


async def _run(host: Host, body: str, nonce: str, words: Sequence[str]) -> Mapping[str, Part]:
    limit_s = max(1.0, host.timeout_s - 5)
    argv = slurm_argv(body, nonce, *words, cluster=host.cluster, limit_s=limit_s)
    return read_parts((await host.transport.run(argv, timeout_s=host.timeout_s)).stdout, nonce)


def read_look(parts: Mapping[str, Part], nonce: str) -> Look:
    """Read the parts of one look; what scontrol says is not among them.

    Raises:
        UnreadableAnswerError: A part is missing, or has a torn record.
    """
    clocks = [_clock(parts, f"clock.{at}") for at in range(3)]
    squeue = _said(parts.get("squeue"), clocks[1] - clocks[0])
    if squeue.failure is None:
        squeue = Said(rows=_queue_rows(parts["squeue"].stdout, nonce))
    sacct = Said()
    if "sacct" in parts:
        sacct = _said(parts["sacct"], clocks[2] - clocks[1])
        if sacct.failure is None:
            rows = _account_rows(parts["sacct"].stdout, nonce, ACCOUNT_COLUMNS)
            steps = parts.get("steps")
            text = steps.stdout if steps is not None and steps.status == 0 else b""
            listed = _account_rows(text, nonce, STEP_COLUMNS)
            sacct = Said(rows=rows, steps=tuple(row for row in listed if "." in row["JobID"]))
    return Look(clocks[0], _word(parts, "user"), _word(parts, "uid"), _word(parts, "version"), squeue, sacct, Said())


def _said(part: Part | None, took_s: float) -> Said:
    if part is None:
        raise UnreadableAnswerError("The answer has no part of squeue.")
    if part.status == 0 and not re.search(r"\berror\b", part.stderr, re.IGNORECASE):
        return Said()
    return Said(failure=Failure(part.status, part.stderr, max(0, round(took_s))))


def _queue_rows(answer: bytes, nonce: str) -> tuple[Row, ...]:
    pieces = answer.decode("utf-8", "replace").split(nonce)[1:]
    width = len(QUEUE_COLUMNS)
    if len(pieces) % width:
        raise UnreadableAnswerError("squeue's answer has a torn record.")
    records = [pieces[at : at + width] for at in range(0, len(pieces), width)]
    return tuple(_row(QUEUE_COLUMNS, [*record[:-1], record[-1].removesuffix("\n")]) for record in records)


def _account_rows(answer: bytes, nonce: str, columns: Sequence[str]) -> tuple[Row, ...]:
    pieces = answer.decode("utf-8", "replace").split(nonce)
    gaps = len(columns) - 1
    if (len(pieces) - 1) % gaps:
        raise UnreadableAnswerError("sacct's answer has a torn record.")
    rows: list[Row] = []
    first = pieces[0].rpartition("\n")[2]
    for at in range(1, len(pieces), gaps):
        # The name ends where the next id begins: at the last newline, for an id has none.
        name, _, following = pieces[at + gaps - 1].rpartition("\n")
        rows.append(_row(columns, [first, *pieces[at : at + gaps - 1], name]))
        first = following
    return tuple(rows)


def _row(columns: Collection[str], values: Sequence[str]) -> Row:
    return {column: value for column, value in zip(columns, values, strict=True) if value}


_VOLATILE = re.compile(r"(?<=[ \n])(RunTime|LastSchedEval|SchedNodeList|SecsPreSuspend)=\S+ ?")
_RECORD = re.compile(r"\A\s*JobId=(\d+) ")


def read_shown_records(answer: bytes) -> dict[str, str]:
    """Split what `scontrol show job ID` printed into one record per job, by raw id, without what changes every second.

    An array has one for each of its elements.
    """
    text = _VOLATILE.sub("", answer.decode("utf-8", "replace"))
    records = re.split(r"\n\s*\n(?=JobId=\d+ )", text)
    found = [(_RECORD.match(record), record) for record in records]
    return {match[1]: record.strip() for match, record in found if match}


def bases(one: Look) -> set[int]:
    """Give the ids of the jobs in it, as sbatch printed them."""
    found = {_base(row["id"]) for row in one.squeue.rows} | {_base(row["JobID"]) for row in one.sacct.rows}
    return found - {0}


def _base(text: str) -> int:
    number = re.match(r"\d+", text)  # of a form that may be new, nothing else is needed
    return int(number[0]) if number else 0


def _clock(parts: Mapping[str, Part], name: str) -> float:
    found = re.match(r"\d{1,11}(\.\d+)?", _word(parts, name))  # a date without %N prints the letter
    return float(found[0]) if found else 0.0


def _word(parts: Mapping[str, Part], name: str) -> str:
    part = parts.get(name)
    return part.stdout.decode("utf-8", "replace").strip() if part else ""


@dataclass
class Tape:
    """The looks of one recording, in order; one that shows nothing new is not kept."""

    looks: list[Look] = field(default_factory=list[Look])
    last_began: float = 0.0

    def add(self, one: Look) -> bool:
        """Keep it if it shows something new; answer whether it was kept."""
        self.last_began = one.began
        if self.looks and _answers(self.looks[-1]) == _answers(one):
            return False
        self.looks.append(one)
        return True


def _answers(one: Look) -> tuple[Said, Said, Said]:
    return one.squeue, one.sacct, one.scontrol


def document(
    looks: Sequence[Look],
    *,
    case: str,
    says: str,
    how: str,
    jobs: Sequence[str],
    observed_s: float | None = None,
    settings: Mapping[str, int] | None = None,
) -> dict[str, JsonValue]:
    """Write looks as a recording, whose truth nobody has added yet.

    Args:
        looks: At least one.
        case: Its name.
        says: One sentence about it.
        how: `recorded` on a test cluster, `edited` from such a one, or `site`.
        jobs: The ids that are to be judged.
        observed_s: How long was really looked; what is later repeats the last answer.
        settings: Those of slurm.conf that are known, in seconds.
    """
    first, last = looks[0], looks[-1]
    return {
        "format": FORMAT,
        "version": VERSION,
        "case": case,
        "says": says,
        "how": how,
        "slurm": first.version.rpartition(" ")[2],
        "settings": dict(settings or {}),
        "began": round(first.began, 1),
        "observed_s": round(last.began - first.began if observed_s is None else observed_s, 1),
        "login": {"user": first.user, "uid": first.uid},
        "jobs": list(jobs),
        "moments": list(as_moments(looks)),
    }


def as_text(recording: Mapping[str, JsonValue]) -> str:
    """Write a recording as JSON, one line a moment."""
    head = [(name, value) for name, value in recording.items() if name != "moments"]
    lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in head]
    moments = recording["moments"]
    listed = [f"  {json.dumps(one, ensure_ascii=False)}" for one in moments] if isinstance(moments, list) else []
    return "{\n" + ",\n".join(lines) + ',\n "moments": [\n' + ",\n".join(listed) + "\n ]\n}\n"


def as_moments(looks: Sequence[Look]) -> list[dict[str, JsonValue]]:
    """Write looks as a recording's moments: each has only those programs whose answer is another than before."""
    moments: list[dict[str, JsonValue]] = []
    for at, one in enumerate(looks):
        before = looks[at - 1] if at else None
        moment: dict[str, JsonValue] = {"at": round(one.began - looks[0].began, 1)}
        for name in PROGRAMS:
            said: Said = getattr(one, name)
            if before is None or said != getattr(before, name):
                moment[name] = said_json(name, said)
        moments.append(moment)
    return moments


def said_json(program: str, said: Said) -> dict[str, JsonValue]:
    """Write one answer."""
    if said.failure is not None:
        if said.failure.status == 127:
            return {"missing": True}
        return {"exit": said.failure.status, "stderr": said.failure.text, "took_s": said.failure.took_s}
    if program == "scontrol":
        return {"shown": dict(said.shown)}
    answer: dict[str, JsonValue] = {"rows": [dict(row) for row in said.rows]}
    if said.steps:
        answer["steps"] = [dict(row) for row in said.steps]
    return answer
