"""From a case as it was played to the file in corpus/cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from jobwarden.sources.slurm.anonymous import Anonymiser
from jobwarden.sources.slurm.recording import Look, Row, Said, as_moments, as_text, document
from recorder.story import Played, rights

SETTINGS = {"MinJobAge": 5, "KillWait": 2, "SlurmdTimeout": 10, "MessageTimeout": 10}
"""Of the test cluster, in seconds (tests/cluster/texts.py)."""
NOBODYS_OWN = (
    "wrap", "batch", "extern", "allocation", "normal", "short", "preempt", "scav", "frail", "downp", "proj", "c1",
    "c2", "c3", "c4",
)  # fmt: skip
"""Names that the test cluster gives, which say more than a placeholder."""
TAIL_S = tuple(range(60, 901, 60))
"""How long after the last look its answer is repeated; nothing was left to happen then."""


def write_case(played: Played, ends: Sequence[float], folder: Path) -> Path:
    """Write one case's recording; `ends` says when each look of the batch was done."""
    recording = make_recording(played, ends)
    path = folder / file_name(played.case.name)
    path.write_text(as_text(recording), encoding="utf-8")
    return path


def file_name(case: str) -> str:
    """Name a case's file."""
    return f"{case.replace(' ', '-').replace(chr(39), '').replace(',', '')}.json"


def make_recording(played: Played, ends: Sequence[float]) -> dict[str, JsonValue]:
    """Choose this case's looks and rows, say what was right at each, and leave the names out."""
    case = played.case
    start = played.when(case.starts_at)
    assert start is not None, case.name
    assert played.finished(), (case.name, played.phases(), played.stamps)
    looked = [(one, end) for one, end in zip(played.looks, ends, strict=True) if one.began >= start]
    own = [(one.began, end, _own(one, played.id)) for one, end in looked]
    own += [(own[-1][0] + after, own[-1][1] + after, replace(own[-1][2], began=own[-1][0] + after)) for after in TAIL_S]
    right = rights(played, own)
    kept = [
        at
        for at in range(len(own))
        if at == 0
        or at >= len(looked)
        or right[at] != right[at - 1]
        or _answers(own[at][2]) != _answers(own[at - 1][2])
    ]
    looks = [own[at][2] for at in kept]
    anonymiser = Anonymiser(looks, keep=(*NOBODYS_OWN, *case.keep))
    hidden = [anonymiser.look(one) for one in looks]
    moments = as_moments(hidden)
    job = anonymiser.job_id(played.watched)
    for place, at in enumerate(kept):
        if place == 0 or right[at] != right[kept[place - 1]]:
            moments[place]["right"] = {job: list[JsonValue](sorted(right[at]))}
    end: dict[str, JsonValue] = {
        "phase": case.end.phase,
        "exit_code": case.end.exit_code,
        "signal": case.end.signal,
    }
    recording = document(
        hidden,
        case=case.name,
        says=case.says,
        how="recorded",
        jobs=[job],
        observed_s=looked[-1][0].began - looks[0].began,
        settings=SETTINGS,
    )
    recording["end"] = {job: end | ({"attempts": case.end.attempts} if case.end.attempts else {})}
    del recording["moments"]  # they come last
    recording["moments"] = list[JsonValue](moments)
    return recording


def _answers(one: Look) -> tuple[Said, Said, Said]:
    return one.squeue, one.sacct, one.scontrol


def _own(one: Look, job: str) -> Look:
    """Leave out what is about other cases' jobs."""
    squeue = _of_job(one.squeue, "id", job)
    raws = {row["raw"] for row in squeue.rows}
    shown = {raw: text for raw, text in one.scontrol.shown.items() if raw in raws}
    return replace(
        one, squeue=squeue, sacct=_of_job(one.sacct, "JobID", job), scontrol=replace(one.scontrol, shown=shown)
    )


def _of_job(said: Said, column: str, job: str) -> Said:
    def own(row: Row) -> bool:
        return row[column].split(".")[0].split("_")[0].split("+")[0] == job

    return replace(said, rows=tuple(filter(own, said.rows)), steps=tuple(filter(own, said.steps)))
