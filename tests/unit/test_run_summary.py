"""The run's own summary: a green run that met nothing real must show."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_CONFTEST = Path(__file__).parents[1] / "conftest.py"

_TESTS = """
import pytest

@pytest.mark.slurm
def test_one(): pass

@pytest.mark.slurm
@pytest.mark.sshd
def test_two(): pytest.skip("no cluster")

def test_slurm_is_only_in_the_name(): pass
"""


def _run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *, require: str, workers: int = 0
) -> pytest.RunResult:
    pytester.makeconftest(_CONFTEST.read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  slurm: s\n  sshd: s\n  node: n\n")
    pytester.makepyfile(test_real=_TESTS)
    monkeypatch.setenv("JOBWARDEN_REQUIRE", require)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n", str(workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_summary_counts_tests_that_met_the_real_thing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    result = _run(pytester, monkeypatch, require="", workers=workers)
    result.stdout.fnmatch_lines(["real-cluster tests: 1 ran, 1 skipped", "real-sshd tests: 0 ran, 1 skipped"])
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("workers", [0, 2])
def test_a_skip_of_a_required_part_fails_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    assert _run(pytester, monkeypatch, require="slurm", workers=workers).ret == pytest.ExitCode.TESTS_FAILED


def test_a_required_part_that_no_test_met_shows_as_zero(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _run(pytester, monkeypatch, require="node")
    result.stdout.fnmatch_lines(["real-client tests (Node.js): 0 ran, 0 skipped"])


def test_no_test_sees_the_users_own_folders(clean_environment: Path) -> None:
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        assert Path(os.environ[variable]).is_relative_to(clean_environment)
    assert not [name for name in os.environ if name.startswith(("CLAUDE", "CODEX", "SSH_"))]
