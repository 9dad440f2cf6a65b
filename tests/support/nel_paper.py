"""nel on paper: real answers and real run folders on this machine, under a program that prints what it is told to.

For what nel says when it is wrong, which the real one says only in an outage; the real one is in support/nel.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import DependsOn, Host, Sighting, Wanted
from jobwarden.sources.nel.source import NelSource
from jobwarden.transport.base import Completed
from jobwarden.transport.local import LocalTransport
from support.sightings import at

DATA = Path(__file__).parents[1] / "data" / "nel" / "0.2.6"
INVOCATION = "0b1d99ac8d04df09"


def captured(case: str) -> list[dict[str, Any]]:
    """What the real nel answered."""
    cases: dict[str, dict[str, list[dict[str, Any]]]] = json.loads((DATA / "status.json").read_text(encoding="utf-8"))
    return cases[case]["answer"]


class Listening(LocalTransport):
    """This machine, with all that its programs have said."""

    heard = b""

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        done = await super().run(argv, timeout_s=timeout_s, stdin=stdin)
        self.heard += done.stdout + done.stderr
        return done


@dataclass
class PaperNel:
    """A home with a program called nel."""

    home: Path
    seconds: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        self.program.parent.mkdir(parents=True, exist_ok=True)
        self.says([])

    @property
    def program(self) -> Path:
        return self.home / "bin" / "nel"

    def says(self, rows: Sequence[Mapping[str, Any]], *, stderr: str = "", status: int = 0) -> None:
        """Have it answer so from now on, with the noise of the real one on the other stream."""
        answer = self.home / "answer.json"
        answer.write_text(json.dumps(rows, indent=2), encoding="utf-8")
        complaint = self.home / "stderr"
        complaint.write_text(
            stderr or "[W 2026-11-20] Failed to parse JSONL line\nOpened master connection successfully\n"
        )
        self.program.write_text(
            f'#!/bin/sh\necho "$*" >>{self.home}/calls\ncat {complaint} >&2\n'
            f"[ {status} = 0 ] && cat {answer}\nexit {status}\n"
        )
        self.program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        path = self.home / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def now(self) -> datetime:
        return at(self.seconds)

    @property
    def source(self) -> NelSource:
        return NelSource(clock=self.now)

    @property
    def host(self) -> Host:
        return Host(transport=self.transport, machine_id="here", settings=self.settings)

    @cached_property
    def transport(self) -> Listening:
        env = {"HOME": str(self.home), "PATH": f"{self.program.parent}{os.pathsep}{os.environ['PATH']}"}
        return Listening("localhost", env=env, clocks=Clocks())

    async def ask(self, job: str, slurm: Mapping[str, Sighting] | None = None, **facts: Any) -> Sighting:
        """Ask about one job, as a round does: nel, the run folders, and then Slurm as given."""
        told = (await self.source.observe(self.host, [Wanted(id=job, facts=facts)]))[job]
        if not isinstance(told, DependsOn):
            return told
        looked = (await self.source.look_there(self.host, {job: told}))[job]
        one = self.source.conclude(looked, slurm or {})
        return one.model_copy(update={"facts": {**looked.facts, **one.facts}})

    def task(self, number: int = 0, status: str = "running", slurm: str | None = "10", **more: Any) -> dict[str, Any]:
        """One row of an answer, with its run folder."""
        folder = self.home / "runs" / f"lm-evaluation-harness.task{number}.{number}"
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        (folder / "artifacts").mkdir(exist_ok=True)
        data = {"output_dir": str(folder), "container": "c"}
        if slurm is not None:
            data = {
                "slurm_job_id": slurm,
                "remote_rundir_path": str(folder),
                "hostname": "cluster-a",
                "username": "alice",
            }
        row = {"invocation": INVOCATION, "job_id": f"{INVOCATION}.{number}", "status": status, "progress": 5}
        return {**row, "data": data, **more}

    def folder(self, number: int = 0) -> Path:
        return self.home / "runs" / f"lm-evaluation-harness.task{number}.{number}"

    def chain(self, *jobs: str, following: str | None = None, number: int = 0) -> None:
        """Let these Slurm jobs have run for a task, the last one with another that waits for it."""
        (self.folder(number) / ".slurm_job_id.list").write_text("".join(f"{job}\n" for job in jobs))
        for job in jobs:
            (self.folder(number) / "logs" / f"client-{job}.log").write_text("request 1\n")
        if following is not None:
            (self.folder(number) / "logs" / f"slurm-{jobs[-1]}.log").write_text(f"Submitted batch job {following}\n")
