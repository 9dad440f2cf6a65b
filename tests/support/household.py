"""One user's home, project and configuration below a temporary folder, and the processes that live in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jobwarden.identity import Caller, resolve_caller
from jobwarden.watcher.presence import read_info
from jobwarden_registry.events import Event
from jobwarden_registry.paths import Places, user_places

QUICK_CLOCKS: Mapping[str, float] = {
    "poll_s": 1.0,
    "floor_s": 0.2,
    "jitter": 0.0,
    "backoff_first_s": 0.5,
    "backoff_most_s": 2.0,
    "ask_timeout_s": 20.0,
    "connect_timeout_s": 5.0,
    "scan_s": 0.5,
    "linger_s": 1.0,
    "beat_s": 0.5,
    "lease_s": 3.0,
    "lock_stale_s": 2.0,
    "wait_step_s": 0.05,
    "cancel_grace_s": 10.0,
}


@dataclass
class Household:
    """A home that a test may do anything to."""

    root: Path
    env: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def places(self) -> Places:
        return user_places(self.env)

    def caller(self, session_id: str = "session-1", client: str = "client-1") -> Caller:
        env = {"CLAUDE_CODE_SESSION_ID": session_id}
        return resolve_caller(env, cwd=self.project, places=self.places, client=client)

    def active(self, session_id: str = "session-1") -> list[dict[str, object]]:
        path = self.project / ".claude" / "agents" / session_id / "active_jobs.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []

    def journal(self, session_id: str = "session-1") -> list[Event]:
        path = self.places.state / "sessions" / session_id / "events.jsonl"
        if not path.exists():
            return []
        return [Event.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def kinds(self, session_id: str = "session-1") -> list[str]:
        return [str(event.event) for event in self.journal(session_id) if event.event != "updated"]

    def watcher_pid(self) -> int | None:
        info = read_info(self.places)
        return None if info is None else info.pid

    def kill_watcher(self, number: int = signal.SIGKILL) -> int:
        pid = self.watcher_pid()
        assert pid is not None, "no watcher runs"
        os.kill(pid, number)
        eventually(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), "the watcher has gone")
        return pid


def cli(home: Household, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person in this home does."""
    return subprocess.run(
        [sys.executable, "-m", "jobwarden.cli.main", *words],
        env=home.env,
        cwd=home.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def make_household(root: Path, clocks: Mapping[str, float | str] | None = None, extra: str = "") -> Household:
    """Make a home with quick clocks (a list as it stands in TOML); `extra` is appended to the configuration."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key in ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")
    }
    home, run = root / "home", root / "run"
    for folder in (home, run, root / "project" / ".git"):
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    (root / "project" / ".git" / "HEAD").touch()
    config = root / "config.toml"
    lines = [f"{name} = {value}" for name, value in {**QUICK_CLOCKS, **(clocks or {})}.items()]
    config.write_text("[clocks]\n" + "\n".join(lines) + "\n" + extra, encoding="utf-8")
    env |= {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_RUNTIME_DIR": str(run),
        "JOBWARDEN_CONFIG": str(config),
        "USER": "tester",
    }
    return Household(root, env)


@contextmanager
def household(root: Path, clocks: Mapping[str, float] | None = None, extra: str = "") -> Generator[Household]:
    """Lend a home; whatever watcher lives in it at the end is ended by pid."""
    made = make_household(root, clocks, extra)
    try:
        yield made
    finally:
        pid = made.watcher_pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: made.watcher_pid() != pid, "the watcher has ended", within_s=20.0)


def eventually(condition: Callable[[], object], what: str, within_s: float = 15.0) -> None:
    """Look until it is so; fails with `what` when it is not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
