"""What holds for every test: no touch of the real user's state, and a count of the tests on real parts."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings

REAL_PARTS = {
    "slurm": "real-cluster tests",
    "sshd": "real-sshd tests",
    "nemo": "real-nemo tests",
    "nel": "real-nel tests",
    "node": "real-client tests (Node.js)",
    "browser": "real-browser tests",
}
"""Marker -> how the summary calls it."""

_KEPT = ("JOBWARDEN_REQUIRE", "JOBWARDEN_TEST", "JOBWARDEN_CLUSTER")
_CACHES = {"npm_config_cache": ".npm", "UV_CACHE_DIR": ".cache/uv", "PYENV_ROOT": ".pyenv"}

_MEETS = "real parts"
"""The property of a test, and so of its reports, that says which of them it meets."""
_private = pytest.StashKey[tuple[Path, pytest.MonkeyPatch]]()


def required_parts(env: Mapping[str, str]) -> frozenset[str]:
    """Give the real parts whose absence is a failure here (`JOBWARDEN_REQUIRE=slurm,sshd,node`)."""
    return frozenset(part.strip() for part in env.get("JOBWARDEN_REQUIRE", "").split(",") if part.strip())


# A slow moment of the machine is not a failure of ours; and what CI tries is the same each time, while developers'
# runs look further.
settings.register_profile("jobwarden", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("jobwarden")

# -- a clean environment


def _clean(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Point every folder that jobwarden or a client would use below `folder`, and forget who is calling."""
    for name in list(os.environ):
        ours = name.startswith("JOBWARDEN_") and not name.startswith(_KEPT)
        if ours or name.startswith(("CLAUDE", "CODEX", "XDG_", "SSH_")) or name in {"NO_COLOR", "FORCE_COLOR"}:
            patch.delenv(name)
    for variable, below in {
        "HOME": "home",
        "XDG_CONFIG_HOME": "home/.config",
        "XDG_STATE_HOME": "home/.local/state",
        "XDG_DATA_HOME": "home/.local/share",
        "XDG_RUNTIME_DIR": "run",
    }.items():
        path = folder / below
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        patch.setenv(variable, str(path))


def _live_on(_signal: int, _frame: object) -> None:
    """Ignore a signal for this process alone: its children start with the default."""


def _hear_signals() -> None:
    """Undo what `nohup` or a shell's `&` hands down, since an ignored signal is ignored by every child, too."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _live_on)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Clean the whole run's environment, for fixtures that live longer than one test."""
    _hear_signals()
    patch = pytest.MonkeyPatch()
    for variable, below in _CACHES.items():  # what is downloaded already need not be downloaded again
        cache = Path.home() / below
        if variable not in os.environ and cache.is_dir():
            patch.setenv(variable, str(cache))
    folder = Path(tempfile.mkdtemp(prefix="jw-run-"))
    _clean(patch, folder)
    config.stash[_private] = (folder, patch)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put the environment back."""
    if (private := config.stash.get(_private, None)) is not None:
        folder, patch = private
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def clean_environment() -> Generator[Path]:
    """Give each test a home, state and runtime folder of its own.

    Not below `tmp_path`: unix sockets want short paths, and pytest keeps old `tmp_path`s.
    """
    folder = Path(tempfile.mkdtemp(prefix="jw-"))
    with pytest.MonkeyPatch.context() as patch:
        _clean(patch, folder)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio; those that want virtual time parametrise over trio themselves."""
    return "asyncio"


# -- the count of tests on real parts


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the reports tell the markers: they know only names, and may come from another process."""
    for item in items:
        parts = sorted(REAL_PARTS.keys() & {mark.name for mark in item.iter_markers()})
        item.user_properties.append((_MEETS, parts))


def _count(reporter: pytest.TerminalReporter, part: str) -> tuple[int, int]:
    """Count the tests of one real part: (ran, skipped)."""

    def tests(*outcomes: str) -> set[str]:
        reports = (report for outcome in outcomes for report in reporter.stats.get(outcome, []))
        return {report.nodeid for report in reports if isinstance(report, pytest.TestReport) and part in _meets(report)}

    return len(tests("passed", "failed", "error", "xfailed", "xpassed")), len(tests("skipped"))


def _meets(report: pytest.TestReport) -> Iterable[str]:
    return next((cast("list[str]", parts) for name, parts in report.user_properties if name == _MEETS), ())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests met the real thing, so that a green run that met nothing shows."""
    for part, called in REAL_PARTS.items():
        ran, skipped = _count(terminalreporter, part)
        if ran or skipped or part in required_parts(os.environ):
            terminalreporter.write_line(f"{called}: {ran} ran, {skipped} skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which a required part's tests were skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not isinstance(reporter, pytest.TerminalReporter):
        return
    skipped = {part: _count(reporter, part)[1] for part in required_parts(os.environ) & REAL_PARTS.keys()}
    if any(skipped.values()) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
