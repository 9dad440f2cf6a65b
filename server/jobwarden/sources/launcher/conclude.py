"""From an experiment's tasks to what it is as a whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue, TypeAdapter

from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Seen, Sighting
from jobwarden_registry.model import Evidence, LogPaths
from jobwarden_registry.phases import Phase

FAILED: Final = "failed"
"""The key of the record's facts that lists the Slurm jobs that have failed."""
_WORST_FIRST: Final = (Phase.FAILED, Phase.CANCELLED, Phase.SUCCEEDED)
_LIVELIEST_FIRST: Final = (Phase.RUNNING, Phase.SUSPENDED, Phase.PENDING, Phase.UNKNOWN, Phase.LOST)
_SIGHTING: TypeAdapter[Sighting] = TypeAdapter(Sighting)


def memo_of(
    *,
    names: Mapping[str, str],
    besides: Mapping[str, Sighting],
    doing: str,
    called: str,
    log: str | None,
    port: int | None,
) -> dict[str, JsonValue]:
    """Keep for `concluded` what one look found beside the Slurm ids.

    Args:
        names: What the tasks are called, by Slurm id.
        besides: Tasks that hang on no Slurm job, by name.
        doing: What it is doing, in words.
        called: The experiment's name.
        log: The launcher's output, where that is proven to be it.
        port: Of ssh, where Slurm is to be asked; None where nothing is said of it.
    """
    return {
        "names": dict(names),
        "besides": {name: _SIGHTING.dump_python(one, mode="json") for name, one in besides.items()},
        "doing": doing,
        "called": called,
        "log": log,
        "port": port,
    }


def concluded(depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
    """Make one sighting of an experiment's tasks.

    One that could not be asked about hides what the whole is. Else the experiment lives while one of its tasks does;
    it is absent when one is absent and none lives; and when all have ended, the worst end is its own.
    """
    parts, evidence = _parts(depends, found), depends.evidence
    for name, part in parts.items():
        if isinstance(part, CouldNotAsk):
            return CouldNotAsk(code=part.code, text=f"Task {name}: {part.text}", evidence=evidence)
    if not parts:
        text = "It is not known yet what it has launched."
        return CouldNotAsk(code="launcher.nothing_known", text=text, evidence=evidence)
    seen = {name: part for name, part in parts.items() if isinstance(part, Seen)}
    for phase in _LIVELIEST_FIRST:
        for name, part in seen.items():
            if part.phase is phase:
                return _whole(name, seen, depends)
    where = [place for part in parts.values() if isinstance(part, Absent) for place in part.where]
    if where:
        return Absent(where=tuple(dict.fromkeys(where)), evidence=evidence)
    return _whole(min(seen, key=lambda name: _WORST_FIRST.index(seen[name].phase)), seen, depends)


def _parts(depends: DependsOn, found: Mapping[str, Sighting]) -> dict[str, Sighting]:
    names, besides = _table(depends.memo.get("names")), _table(depends.memo.get("besides"))
    parts: dict[str, Sighting] = {}
    for slurm_id in depends.slurm_ids:
        called = str(names.get(slurm_id) or "")
        part = found.get(slurm_id)
        if part is None or isinstance(part, DependsOn):
            text = f"Slurm job {slurm_id}: nothing is known of it."
            part = CouldNotAsk(code="verdict.unresolved", text=text, evidence=depends.evidence)
        parts[f"{called} ({slurm_id})" if called else slurm_id] = part
    return parts | {name: _SIGHTING.validate_python(one) for name, one in besides.items()}


def _whole(chosen: str, seen: Mapping[str, Seen], depends: DependsOn) -> Seen:
    """Take one task's state for the whole's; times are those of all.

    The latest submission is the whole's, so that a requeued task is a new run. While a task is still to be submitted
    there is none: its submission is no new run of the others.
    """
    one, parts = seen[chosen], list(seen.values())
    submissions = [part.submitted_at for part in parts if part.submitted_at is not None]
    starts = [part.started_at for part in parts if part.started_at is not None]
    ends = [part.ended_at for part in parts if part.ended_at is not None]
    log = depends.memo.get("log")
    failed = [part.partition(" (")[2].removesuffix(")") for part, one in seen.items() if one.phase is Phase.FAILED]
    return Seen(
        facts={FAILED: list[JsonValue](failed)},
        phase=one.phase,
        status=one.status,
        reason=_reason(chosen, seen, depends.memo),
        stuck=f"{one.stuck} (task {chosen})" if one.stuck and len(seen) > 1 else one.stuck,
        exit_code=one.exit_code,
        signal=one.signal,
        name=str(depends.memo.get("called") or "") or None,
        user=one.user,
        node=one.node,
        submitted_at=max(submissions) if len(submissions) == len(parts) else None,
        expected_start_at=one.expected_start_at,
        started_at=min(starts, default=None),
        ended_at=max(ends, default=None) if one.phase.final else None,
        log=LogPaths(stdout=log) if isinstance(log, str) else None,
        evidence=_with_tasks(depends.evidence, seen),
    )


def _reason(chosen: str, seen: Mapping[str, Seen], memo: Mapping[str, JsonValue]) -> str | None:
    """Say in words how its tasks fare, and what the latest one is doing or has done."""
    one, doing = seen[chosen], str(memo.get("doing") or "")
    said: list[str] = []
    ended = [name for name, part in seen.items() if part.phase.final]
    if not one.phase.final and ended:
        said.append(f"{len(ended)} of {len(seen)} tasks have ended")
    bad = [name for name, part in seen.items() if part.phase.final and part.phase is not Phase.SUCCEEDED]
    if bad and len(seen) > 1:
        said += [f"{name} {seen[name].status}" for name in bad]
    if one.reason and one.phase is not Phase.RUNNING:
        said.append(one.reason)
    if doing and one.phase is not Phase.PENDING:
        said.append(doing)
    return "; ".join(said) or None


def _with_tasks(evidence: Evidence, seen: Mapping[str, Seen]) -> Evidence:
    tasks = tuple(f"task {name}: {part.status}" for name, part in seen.items())
    return evidence.model_copy(update={"lines": (*evidence.lines, *tasks)})


def _table(value: JsonValue | Sequence[JsonValue]) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
