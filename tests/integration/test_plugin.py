"""A scheduler that jobwarden does not know: the package of docs/writing-a-source.md, built and installed beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import tinyq
from support.household import Household, eventually, household

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "writing-a-source.md"
FILE = re.compile(r"<!-- file: (?P<name>\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
BROKEN = 'raise RuntimeError("it was written for another jobwarden")\n'


@dataclass(frozen=True)
class Beside:
    """An environment of its own that sees this one's packages, as one that holds jobwarden and a plug-in does."""

    python: Path
    package: Path

    def run(self, *words: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), *words]
        return subprocess.run(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Beside:
    """Write the page's files, build the wheel of them, and install that."""
    folder = tmp_path_factory.mktemp("plugin")
    package = folder / "package"
    package.mkdir()
    for found in FILE.finditer(PAGE.read_text(encoding="utf-8")):
        (package / found["name"]).write_text(found["text"], encoding="utf-8")
    uv = shutil.which("uv") or str(ROOT / ".tooling" / "bin" / "uv")
    for words in (
        ["build", "--quiet", "--wheel", "--out-dir", str(folder), str(package)],
        ["venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
    ):
        subprocess.run([uv, *words], check=True, stdin=subprocess.DEVNULL, timeout=300)
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--no-index", str(wheel)],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    ours = sysconfig.get_path("purelib")
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "beside.pth").write_text(f"import site; site.addsitedir({ours!r})\n", encoding="utf-8")
    return Beside(python, package)


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        programs = clean_environment / "bin"
        programs.mkdir()
        program = programs / "tinyq"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tinyq.__file__}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        made.env |= {"PATH": f"{programs}:{made.env['PATH']}", "CLAUDE_CODE_SESSION_ID": "session-1"}
        yield made
        for job in (Path(made.env["HOME"]) / "tinyq").glob("*.job"):
            if "ACTIVE" in job.read_text(encoding="utf-8"):
                subprocess.run([str(program), "kill", job.stem], env=made.env, check=False)


def statuses(home: Household) -> list[object]:
    return [row["last_status"] for row in home.active()]


def submit(home: Household, script: str) -> str:
    words = ["tinyq", "submit", "sh", "-c", script]
    return subprocess.run(
        words, env=home.env, cwd=home.project, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def cli(beside: Beside, home: Household, *words: str) -> subprocess.CompletedProcess[str]:
    return beside.run("-m", "jobwarden.cli.main", *words, env=home.env, cwd=home.project)


def test_the_page_s_package_passes_the_contract_that_is_shipped(beside: Beside, home: Household) -> None:
    done = beside.run("-m", "pytest", "-q", "-p", "no:cacheprovider", env=home.env, cwd=beside.package)
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout


def test_a_job_of_an_unknown_scheduler_is_watched_to_its_end_without_touching_jobwarden(
    beside: Beside, home: Household
) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    job = submit(home, f"echo working; read word <{gate}; echo $word; exit 3")
    without = subprocess.run(
        [sys.executable, "-m", "jobwarden.cli.main", "register", "tinyq", job],
        env=home.env,
        cwd=home.project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert without.returncode != 0
    assert "no source of type 'tinyq'" in without.stderr

    taken = json.loads(cli(beside, home, "register", "tinyq", job, "--name", "tiny", "--json").stdout)
    assert taken["jobs"][0]["phase"] in ("pending", "running")
    eventually(lambda: "ACTIVE" in statuses(home), "the watcher has seen it run")
    gate.write_text("enough\n", encoding="utf-8")
    waited = cli(beside, home, "wait", "tiny", "--timeout", "60", "--json")
    assert waited.returncode == 3, waited.stderr
    (ended,) = json.loads(waited.stdout)["jobs"]
    assert (ended["phase"], ended["status"], ended["exit_code"]) == ("failed", "BROKE", 3)
    tail = cli(beside, home, "tail", "tiny")
    assert tail.stdout.splitlines() == ["working", "enough"], tail.stderr
    assert f"| {job} BROKE 3" in cli(beside, home, "explain", "tiny").stdout
    assert home.journal()[-1].event == "finished"


def test_it_is_cancelled_at_its_own_scheduler(beside: Beside, home: Household) -> None:
    job = submit(home, "sleep 600")
    cli(beside, home, "register", "tinyq", job)
    eventually(lambda: "ACTIVE" in statuses(home), "it runs")
    done = json.loads(cli(beside, home, "cancel", job, "--json").stdout)
    assert done["rows"][0]["outcome"] == "accepted"
    waited = json.loads(cli(beside, home, "wait", job, "--timeout", "60", "--json").stdout)
    assert (waited["jobs"][0]["phase"], waited["jobs"][0]["status"]) == ("cancelled", "KILLED")


def test_its_scheduler_gone_ends_nothing_and_is_said(beside: Beside, home: Household) -> None:
    job = submit(home, "sleep 600")
    cli(beside, home, "register", "tinyq", job)
    program = home.root / "bin" / "tinyq"
    program.rename(home.root / "hidden")
    eventually(lambda: home.active()[0].get("stale_because"), "it is stale")
    shown = json.loads(cli(beside, home, "status", "--json").stdout)
    assert shown["jobs"][0]["phase"] in ("pending", "running")
    assert "tinyq.not_installed" in shown["jobs"][0]["stale_because"]
    (home.root / "hidden").rename(program)
    eventually(lambda: not home.active()[0].get("stale_because"), "it is known again")
    subprocess.run(["tinyq", "kill", job], env=home.env, check=True)
    cli(beside, home, "wait", job, "--timeout", "60")
    assert home.journal()[-1].new_status == "KILLED"


def test_a_broken_plug_in_breaks_no_other_and_doctor_names_it(beside: Beside, home: Household) -> None:
    site = home.root / "broken"
    info = site / "jobwarden_torn-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jobwarden-torn\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[jobwarden.sources]\ntorn = jobwarden_torn:Torn\n", encoding="utf-8")
    (site / "jobwarden_torn.py").write_text(BROKEN, encoding="utf-8")
    home.env["PYTHONPATH"] = str(site)
    said = cli(beside, home, "doctor")
    assert said.returncode == 1
    assert "source torn: cannot be used: RuntimeError: it was written for another jobwarden" in said.stdout
    assert "sources: launcher, nel, process, slurm, tinyq" in said.stdout
    refused = cli(beside, home, "register", "torn", "1")
    assert refused.returncode != 0
    assert "jobwarden doctor" in refused.stderr
    job = submit(home, "exit 0")
    cli(beside, home, "register", "tinyq", job)
    assert cli(beside, home, "wait", job, "--timeout", "60").returncode == 0
