"""The real nemo-evaluator-launcher as tests use it. Stubbed is only what runs inside the evaluation's container, and
the container runtime (tests/nel/stubs)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nel.install import install, program
from support.cluster import Cluster
from support.household import Household
from support.require import require

STUBS = Path(__file__).parents[1] / "nel" / "stubs"
SECRET = "lit-secret-3f9a7c"
"""In the configuration of every run; nobody may ever see it."""


@dataclass
class Task:
    """One evaluation: how long it works, how it ends, and how long it works the first time, where that differs."""

    name: str = "lm-evaluation-harness.ifeval"
    seconds: int = 2
    rc: int = 0
    first: int | None = None
    label: str = "ifeval"
    score: float = 0.423

    @property
    def words(self) -> dict[str, str]:
        known = {
            "STUB_SECONDS": self.seconds,
            "STUB_RC": self.rc,
            "STUB_FIRST_SECONDS": self.first,
            "STUB_TASK": self.label,
            "STUB_SCORE": self.score,
        }
        return {key: f"lit:{value}" for key, value in known.items() if value is not None}


@dataclass
class NelLab:
    """nel in the home of a test."""

    home: Household
    cluster: Cluster | None = None
    calls_file: Path = field(init=False)

    def __post_init__(self) -> None:
        real = program()
        assert real is not None
        tools = self.home.root / "tools"
        containers = self.home.root / "containers"
        for folder in (tools, containers):
            folder.mkdir()
        self.calls_file = self.home.root / "nel-calls"
        # Every call of nel is noted, whoever makes it.
        text = f'#!/bin/sh\necho "$*" >>{shlex.quote(str(self.calls_file))}\nexec {shlex.quote(str(real))} "$@"\n'
        (tools / "nel").write_text(text, encoding="utf-8")
        (tools / "nel").chmod(0o755)
        for name in ("docker", "ssh", "harness.sh"):
            if name != "ssh" or self.cluster is not None:
                shutil.copy(STUBS / name, tools / name)
        self.home.env |= {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "NEMO_EVALUATOR_TELEMETRY_LEVEL": "0",
            "STUB_CONTAINERS": str(containers),
        }
        if self.cluster is not None:
            self._use(self.cluster)

    def _use(self, cluster: Cluster) -> None:
        self.home.env["STUB_SSH_CONFIG"] = str(cluster.ssh_config)
        ssh = Path(self.home.env["HOME"]) / ".ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")
        # A job that is to resume another gives up when sacct does not know yet how that one ended.
        (cluster.dir / "hooks" / "prolog.sh").write_text("#!/bin/sh\nsleep 3\n", encoding="utf-8")
        programs = cluster.dir / "bin"
        if not (programs / "rsync").exists():
            (programs / "rsync").symlink_to("/usr/bin/rsync")
        (programs / "srun").unlink(missing_ok=True)
        for name in ("srun", "harness.sh"):
            shutil.copy(STUBS / name, programs / name)

    def run(self, *words: str) -> str:
        """Run nel as a person does; not counted among the calls."""
        real = program()
        assert real is not None
        # A local run's container keeps the output that `nel run` had: of a pipe the end would come with its own.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [str(real), *words],
                env=self.home.env,
                cwd=self.home.project,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=120,
                check=False,
            )
            out.seek(0)
            err.seek(0)
            assert done.returncode == 0, err.read()[-3000:]
            return out.read()

    def submit(self, *tasks: Task, walltime: str = "00:10:00", parallel: bool = True) -> str:
        """Submit with `nel run` and give the invocation's id."""
        config = self.home.project / "nel.yaml"
        config.write_text(json.dumps(self._config(tasks, walltime, parallel=parallel)), encoding="utf-8")
        said = self.run("run", "--config", str(config))
        return said.rpartition("Invocation ID: ")[2].split()[0]

    def _config(self, tasks: Sequence[Task], walltime: str, *, parallel: bool) -> Mapping[str, object]:
        if self.cluster is not None:
            execution: dict[str, object] = {
                "hostname": "cluster-a",
                "username": "alice",
                "account": "proj",
                "partition": "normal",
                "gres": None,
                "output_dir": str(self.cluster.home() / "nel"),
                "walltime": walltime,
                "sbatch_extra_flags": {"exclusive": False, "mem": "10M"},
                "mounts": {"mount_home": False},
            }
        else:
            execution = {"output_dir": str(self.home.root / "out"), "mode": "parallel" if parallel else "sequential"}
        return {
            "defaults": [
                {"execution": "slurm/default" if self.cluster is not None else "local"},
                {"deployment": "none"},
                "_self_",
            ],
            "execution": execution,
            "target": {"api_endpoint": {"model_id": "demo/model-1b", "url": "http://127.0.0.1:9/v1/chat/completions"}},
            "evaluation": {
                "env_vars": {"STUB_TOKEN": f"lit:{SECRET}"},
                "tasks": [{"name": one.name, "env_vars": one.words} for one in tasks],
            },
        }

    def calls(self, verb: str = "status") -> list[str]:
        """Give the calls that jobwarden made, as nel's own arguments."""
        if not self.calls_file.exists():
            return []
        lines = self.calls_file.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.split()[0] == verb]

    def slurm_ids(self, invocation: str) -> list[str]:
        """Give the first Slurm job of each task, by nel's own list of runs."""
        listed = Path(self.home.env["HOME"]) / ".nemo-evaluator" / "exec-db" / "exec.v1.jsonl"
        rows = [json.loads(line) for line in listed.read_text(encoding="utf-8").splitlines()]
        return [str(row["data"]["slurm_job_id"]) for row in rows if row["invocation_id"] == invocation]

    def everything_written(self) -> Iterator[tuple[Path, bytes]]:
        """Give every file that jobwarden has written."""
        for folder in (Path(self.home.env["HOME"]) / ".local", self.home.root / "run", self.home.project / ".claude"):
            for path in folder.rglob("*"):
                if path.is_file():
                    yield path, path.read_bytes()


def require_nel() -> None:
    """Skip, aloud, where nel cannot be installed; see `require`."""
    why = install()
    require("nel", present=why == "", why=why)
