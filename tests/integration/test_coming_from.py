"""Each line of docs/coming-from.md is run: a plan on a real Slurm, and programs of this machine."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

import pytest
from anyio import to_thread

from support.watched import Watched

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"
ROW = re.compile(r"^\| `(?P<there>[^|]+)`[^|]*\| `(?P<here>jobwarden [^|]+)` \|$", re.MULTILINE)
SCRIPT = '#!/bin/sh\necho "subject $1"\nexit "${2:-0}"\n'
JOBS = "".join(
    f'[[jobs]]\nname = "{procedure}-{subject}"\nscript = "job.sh"\narguments = ["{subject}", {status}]\n'
    f'tags = {{ procedure = "{procedure}", subject = "{subject}" }}\n'
    for procedure, subject, status in (("bids", "01", 0), ("bids", "02", 0), ("qsiprep", "01", 9))
)


@dataclass
class Prompt:
    """A shell's prompt in the project, of one session."""

    watched: Watched
    typed: list[str] = field(default_factory=list[str])

    def __call__(self, line: str, *, code: int = 0, says: str = "") -> str:
        """Run one command line to its end; answers what it printed."""
        done = subprocess.run(
            self._argv(line), env=self._env(), cwd=self._cwd(), check=False, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == code, (line, done.returncode, done.stdout, done.stderr)
        assert re.search(says, done.stdout), (line, done.stdout, done.stderr)
        self.typed.append(line)
        return done.stdout

    def first_lines(self, line: str, count: int) -> list[str]:
        """Read the first lines of one that goes on, and end it; fails when they do not come."""
        with subprocess.Popen(
            self._argv(line), env=self._env(), cwd=self._cwd(), stdout=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            guard = Timer(120, program.kill)
            guard.start()
            read = [program.stdout.readline() for _ in range(count)]
            guard.cancel()
            program.send_signal(signal.SIGINT)
            program.wait(timeout=60)
        assert all(read), (line, read)
        self.typed.append(line)
        return read

    def _argv(self, line: str) -> list[str]:
        return [sys.executable, "-m", "jobwarden", *shlex.split(line)[1:]]

    def _env(self) -> dict[str, str]:
        return {**self.watched.home.env, "CLAUDE_CODE_SESSION_ID": "one", "NO_COLOR": "1", "COLUMNS": "200"}

    def _cwd(self) -> Path:
        return self.watched.home.project


async def test_each_command_of_the_two_other_monitors_has_one_here_that_does_it(lend: Callable[..., Watched]) -> None:
    watched = lend()
    (watched.home.project / "job.sh").write_text(SCRIPT, encoding="utf-8")
    plan = f'name = "nightly"\nhost = "cluster-a"\n{JOBS}'
    (watched.home.project / "nightly.toml").write_text(plan, encoding="utf-8")
    type_in = Prompt(watched)
    await to_thread.run_sync(lambda: _as_snbb(type_in))
    await to_thread.run_sync(lambda: _as_unraid(type_in))
    rows = {match["here"] for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
    assert len(rows) > 15
    assert not rows - set(type_in.typed)


def _as_snbb(type_in: Prompt) -> None:
    type_in("jobwarden plan submit nightly.toml", says="qsiprep-01")
    type_in("jobwarden wait plan=nightly --until all_terminal --timeout 150", code=3)
    type_in("jobwarden watch --once --all")
    type_in("jobwarden plan status nightly", code=3, says="procedure")
    type_in("jobwarden history --state failed", says="qsiprep-01")
    type_in("jobwarden plan resume nightly", code=3)
    type_in("jobwarden plan resume nightly --retry failed", says="qsiprep-01")
    type_in("jobwarden wait plan=nightly --until all_terminal --timeout 150", code=3)
    type_in("jobwarden reconcile", code=3, says="bids-01")
    changes = type_in.first_lines("jobwarden watch --after 0", 5)
    assert all("bids-0" in line or "qsiprep-01" in line for line in changes), changes
    assert any("qsiprep-01" in line for line in type_in.first_lines("jobwarden audit --follow --since 1d", 8))


def _as_unraid(type_in: Prompt) -> None:
    type_in("jobwarden run --name rebalance -- sleep 600", says="rebalance")
    type_in("jobwarden status", code=3, says="(?i)running +rebalance")
    type_in("jobwarden cancel rebalance", says="rebalance")
    type_in("jobwarden history", says="rebalance")
    type_in("jobwarden history --name rebalance", says="(?s)rebalance.*cancelled by")
    type_in("jobwarden history --limit 10", says="bids-01")
    type_in("jobwarden history --stats --name rebalance", says="rebalance")
    type_in('jobwarden plan suspend nightly --reason "Maintenance window"', code=3, says="Maintenance window")
    type_in("jobwarden plan resume nightly", code=3)
    type_in("jobwarden cleanup --older-than 60d")
    type_in("jobwarden cleanup")
    type_in("jobwarden run --name again -- sleep 600", says="again")
    type_in("jobwarden stop-all --yes", says="again")
    type_in("jobwarden status --no-refresh", code=3)
