"""The real nemo-run as tests use it: tests/nemo/experiment.py in a home of its own, submitting to the cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nemo.install import install, python
from support.cluster import Cluster
from support.household import Household, eventually
from support.require import require

PROGRAM = Path(__file__).parents[1] / "nemo" / "experiment.py"
_ENTERING = re.compile(r"with id: (\S+_\d{19})")
_START_S = 60.0

CALIBRATES = 'for i in 1 2 3; do echo "calibration step $i/8"; done'
EXPORTS = 'echo "Quantized model exported to: /scratchspace/exported_model. Total time used 12.3s"'
FAILS = 'echo "running eval"; sleep 1; echo "RuntimeError: CUDA out of memory"; exit 3'


@dataclass
class Launched:
    """One launcher that was started, and the experiment that it entered."""

    process: subprocess.Popen[bytes]
    output: Path
    id: str
    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "experiments" / "cicd" / self.id

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait_until_submitted(self, count: int) -> list[str]:
        """Wait for the lines of `.slurm_jobs`; gives the Slurm ids."""
        eventually(lambda: len(self._submitted()) >= count, f"{count} jobs are submitted", _START_S)
        return self._submitted()

    def _submitted(self) -> list[str]:
        records = self.home / ".slurm_jobs"
        rows = records.read_text(encoding="utf-8").splitlines() if records.exists() else []
        return [row.partition(" = ")[0] for row in rows if f"/{self.id}/" in row]

    def wait_for_text(self, text: str) -> None:
        eventually(lambda: text in self.text(), f"it prints {text!r}", _START_S)

    def kill(self) -> None:
        """End the launcher as a lost session does; its tasks are told nothing."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


@dataclass
class Nemo:
    """nemo-run in the home of a test."""

    home: Household
    cluster: Cluster | None = None
    columns: int | None = None
    launched: list[Launched] = field(default_factory=list[Launched])

    @property
    def nemorun_home(self) -> Path:
        return self.home.root / "nemo"

    @property
    def gate(self) -> Path:
        """What a task that `waits` waits for."""
        folder = self.home.root if self.cluster is None else self.cluster.home()
        return folder / f"gate-{self.home.root.name}"

    @property
    def waits(self) -> str:
        """A script that calibrates, and ends well when the test says so."""
        return f"{CALIBRATES}; until [ -e {self.gate} ]; do sleep 0.3; done; {EXPORTS}"

    def launch(self, *tasks: str, sequential: bool = False, detach: bool = False, job_dir: str = "") -> Launched:
        """Start a launcher in the background with its output to a file, as an agent does; it has its id on return."""
        output = self.home.project / f"launcher-{len(self.launched)}.log"
        slurm = None
        if self.cluster is not None:
            job_dir = job_dir or str(self.cluster.home() / "experiments")
            slurm = {"host": "cluster-a", "user": "alice", "account": "proj", "partition": "normal", "job_dir": job_dir}
        said = {
            "tasks": tasks,
            "job_name": "Qwen3-8B_NVFP4",
            "sequential": sequential,
            "detach": detach,
            "slurm": slurm,
        }
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [str(python()), str(PROGRAM), json.dumps(said)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=self._env(),
                cwd=self.home.project,
                start_new_session=True,
            )
        eventually(lambda: _ENTERING.search(output.read_text(encoding="utf-8")), "it says its id", _START_S)
        found = _ENTERING.search(output.read_text(encoding="utf-8"))
        assert found is not None
        one = Launched(process, output, found[1], self.nemorun_home)
        self.launched.append(one)
        return one

    def _env(self) -> dict[str, str]:
        env = {**self.home.env, "NEMORUN_HOME": str(self.nemorun_home)}
        if self.columns is not None:
            env["COLUMNS"] = str(self.columns)
        return env


def require_nemo() -> None:
    """Install nemo-run where it is missing; skip, aloud, where that cannot be done."""
    why = install()
    require("nemo", present=not why, why=why)


@contextmanager
def nemo_in(home: Household, cluster: Cluster | None = None) -> Generator[Nemo]:
    """Lend nemo-run; whatever it started and is alive at the end is ended."""
    require_nemo()
    if cluster is not None:
        _let_in(home, cluster)
    nemo = Nemo(home, cluster)
    try:
        yield nemo
    finally:
        for one in nemo.launched:
            if one.process.poll() is None:
                one.kill()
            _end_tasks(one)


def _end_tasks(one: Launched) -> None:
    """End the sessions of local tasks: those whose output is the experiment's."""
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if f"/{one.id}/" in str(link.readlink()):
                os.killpg(os.getpgid(int(link.parts[2])), signal.SIGKILL)
        except OSError:
            continue


def _let_in(home: Household, cluster: Cluster) -> None:
    """Let this home's ssh know the cluster. paramiko reads no `Include`, and rsync's ssh asks the password database
    for its home, so it gets the file by name."""
    ssh = Path(home.env["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "config").write_text(cluster.ssh_config.read_text(encoding="utf-8"), encoding="utf-8")
    tools = home.root / "tools"
    tools.mkdir(exist_ok=True)
    quiet = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    (tools / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {ssh / "config"} {quiet} "$@"\n', encoding="utf-8")
    (tools / "ssh").chmod(0o755)
    home.env["PATH"] = f"{tools}{os.pathsep}{home.env['PATH']}"
