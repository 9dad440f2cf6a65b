"""Journals of jobs that never were, line for line as the product writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from pydantic import JsonValue

from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.model import utc_text
from jobwarden_registry.rawjson import Raw
from jobwarden_registry.session import Session
from support.household import Household

ENDS = {
    "COMPLETED": ("succeeded", 0, None),
    "FAILED": ("failed", 1, "CUDA out of memory: tried to allocate 20 GiB, 3 GiB free"),
    "TIMEOUT": ("failed", 0, "It ran into its time limit of 1:00:00"),
    "CANCELLED by 1001": ("cancelled", 0, None),
}


def a_life(
    job_id: str,
    chance: Random,
    at: datetime,
    *,
    seq: int,
    session: str,
    name: str | None = None,
    status: str | None = None,
    ran_s: float | None = None,
    waited_s: float | None = None,
    metrics: int = 1,
    **fields: JsonValue,
) -> list[Raw]:
    """Give the events of a job from its registration to its end; what is not given is left to chance."""
    name = name or f"{chance.choice(('train', 'eval', 'ptq', 'sft'))}-{chance.randrange(40)}"
    status = status or chance.choices(list(ENDS), (80, 12, 3, 5))[0]
    phase, code, cause = ENDS[status]
    waited = timedelta(seconds=chance.randrange(600) if waited_s is None else waited_s)
    ran = timedelta(seconds=chance.randrange(60, 7200) if ran_s is None else ran_s)
    uid = f"{session.removeprefix('session-'):0>4}{job_id}"[-12:].rjust(12, "0")
    host = f"cluster-{chance.choice('ab')}"
    about: Raw = {"type": "slurm", "host": host, "job_id": job_id, "uid": uid, "name": name}
    begun, ended = at + waited, at + waited + ran
    record: Raw = {
        "type": "slurm", "id": job_id, "host": host, "user": "alice", "submitted": "2026-11-20 10:00",
        "description": f"run {name} of the sweep", "last_status": status, "v": 1, "uid": uid, "name": name,
        "owner": {"agent": "claude-code", "session_id": session}, "job_name": name, "tags": ["sweep"], "phase": phase,
        "submitted_at": utc_text(at), "registered_at": utc_text(at), "started_at": utc_text(begun),
        "ended_at": utc_text(ended), "exit_code": code, "node": "c1", "site": f"alice@{host}:22",
        "work_dir": "/scratch/alice/sweep", "log": {"stdout": f"/scratch/alice/sweep/slurm-{job_id}.out"},
        "attempts": [{
            "id": job_id, "submitted_at": utc_text(at), "started_at": utc_text(begun), "ended_at": utc_text(ended),
            "status": status, "phase": phase, "exit_code": code, "node": "c1",
        }],
        "observed_at": utc_text(ended),
    }  # fmt: skip
    record |= {"cause": cause} if cause else {}
    record |= fields
    evidence = _evidence(job_id, ended)
    steps: list[tuple[datetime, str, dict[str, Any]]] = [
        (at, "registered", {"record": {**record, "last_status": "PENDING", "phase": "pending"}}),
        (begun, "status_change", {"new_status": "RUNNING", "evidence": evidence, "change": {"phase": "running"}}),
    ]
    for number in range(metrics):
        told = {"action": "store_metric", "arguments": {"name": "loss", "value": 1.0 / (number + 1)}, "step": "done"}
        moment = begun + ran * (number + 1) / (metrics + 1)
        steps.append((moment, "action", {"deed": told, "text": f"rule loss: loss = {1.0 / (number + 1):g}"}))
    steps.append((ended, "updated", {"change": {"log": record["log"]}}))
    steps.append((ended, "finished", {"new_status": status, "phase": phase, "evidence": evidence, "record": record}))
    return [
        {"v": 1, "seq": seq + place, "timestamp": utc_text(moment), "event": kind, "session": session, **about, **more}
        for place, (moment, kind, more) in enumerate(steps)
    ]


def add_session(home: Household, session: str, journal: bytes, at: datetime, **entry: Any) -> None:
    """Put a session with this journal into a home."""
    made = SessionEntry(
        session_id=session, project=home.project, agent="claude-code", created_at=at, last_seen_at=at, **entry
    )
    made = Index(home.places).add(made)
    (home.places.state / "sessions" / session / "events.jsonl").write_bytes(journal)
    with Session(home.places, made).transaction():
        pass  # now it is noted how far the project's file reflects the journal, as after any real writer


def _evidence(job_id: str, at: datetime) -> JsonValue:
    return {
        "asked_at": utc_text(at),
        "question": ["squeue -h -r -j 1 -o %i|%A|%U|%u|%T|%V|%S|%e|%P|%B|%N", "sacct -X -n -P -j 1 -o JobIDRaw,State"],
        "lines": [f"{job_id}|{job_id}|1001|alice|COMPLETED|0:0|0:0|1763632800|1763632900|1763633900|normal|c1|/x"],
        "rule": "sacct says how it ended, and squeue shows it no more",
    }
