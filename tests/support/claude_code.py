"""The real Claude Code in a household of its own: no account, no network beyond loopback, no other client's files.

Its version is pinned in tests/node/claude. It is told of a model only by `standing_in` (support/model.py).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.household import Household
from support.node import node
from support.require import require

ROOT = Path(__file__).parents[2]
SERVER = "plugin:jobwarden:jobwarden"
TOOLS = "mcp__plugin_jobwarden_jobwarden__"
_STREAM = ("--output-format", "stream-json", "--verbose", "--include-hook-events")
_ALLOWED = ("--allowedTools", "Bash,Agent,ToolSearch,mcp__plugin_jobwarden_jobwarden")
_SLOWEST_S = 180.0
_KEY = "no-key"

Message = dict[str, Any]


def claude_program() -> Path:
    """Give the pinned Claude Code, installed where it is missing; the test skips, or fails, where that cannot be."""
    modules = node("claude").modules / "@anthropic-ai"
    found = sorted(modules.glob("claude-code-*/claude"))
    require("node", bool(found), "Claude Code has no program for this platform")
    return found[0]


def plugin_copy(folder: Path) -> Path:
    """Copy the repository as a user's client would get it: without what git ignores."""
    ignored = [line.strip("/\n") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()]
    names = [line.rpartition("/")[2] for line in ignored]
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *names))
    return folder


def own_programs(home: Household) -> None:
    """Give this home a PATH of the system's own programs and the jobwarden under test."""
    folder = home.root / "bin"
    folder.mkdir()
    (folder / "jobwarden").symlink_to(Path(sys.executable).with_name("jobwarden"))
    home.env["PATH"] = f"{folder}:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class ClaudeCode:
    """Claude Code, and whose home it is in."""

    program: Path
    home: Household
    url: str = ""
    """The stand-in for its model; without one it asks nobody."""

    @property
    def env(self) -> dict[str, str]:
        folder = self.home.root / "tmp"
        folder.mkdir(exist_ok=True)
        bare = {name: self.home.env[name] for name in _HANDED_ON if name in self.home.env}
        model = {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": _KEY} if self.url else {}
        return {
            **bare,
            **model,
            "TMPDIR": str(folder),
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "HTTPS_PROXY": "http://127.0.0.1:9",  # whatever would leave this machine fails at once
            "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(self, *words: str, rc: int | None = 0, **env: str) -> str:
        """Run it to its end; gives what it printed."""
        done = subprocess.run(
            [str(self.program), *words],
            env={**self.env, **env},
            cwd=self.home.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SLOWEST_S,
            check=False,
        )
        assert rc is None or done.returncode == rc, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def install(self, folder: Path) -> dict[str, Any]:
        """Install the plug-in as its README says; gives what the client says to it."""
        said = self.run("plugin", "install", "jobwarden", "--marketplace", str(folder), "--json")
        told: dict[str, Any] = json.loads(said)
        return told

    def prompt(self, words: str, *more: str) -> list[Message]:
        """Put one prompt, and wait for the end; gives the messages."""
        said = self.run("-p", words, *_STREAM, *_ALLOWED, *more, rc=None)
        return [json.loads(line) for line in said.splitlines()]

    @contextmanager
    def session(self, *more: str) -> Generator[Conversation]:
        """Open a session that stays open between prompts, as one at a terminal does."""
        words = ["-p", "--input-format", "stream-json", *_STREAM, *_ALLOWED]
        process = subprocess.Popen(
            [str(self.program), *words, *more],
            env=self.env,
            cwd=self.home.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        opened = Conversation(process)
        try:
            yield opened
        finally:
            opened.close()

    @contextmanager
    def terminal(self, session_id: str) -> Generator[Terminal]:
        """Open a session at a terminal, as a person does who has been through the first start's questions."""
        settled = {
            "hasCompletedOnboarding": True,
            "customApiKeyResponses": {"approved": [_KEY], "rejected": []},
            "projects": {str(self.home.project): {"hasTrustDialogAccepted": True}},
        }
        path = Path(self.home.env["HOME"]) / ".claude.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**known, **settled}), encoding="utf-8")
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        process = subprocess.Popen(
            [str(self.program), *_ALLOWED, "--session-id", session_id],
            env={**self.env, "TERM": "xterm-256color"},
            cwd=self.home.project,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        opened = Terminal(process, ours)
        try:
            yield opened
        finally:
            opened.close()


_HANDED_ON = ("HOME", "PATH", "LANG", "LC_ALL", "USER", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "JOBWARDEN_CONFIG")


class Conversation:
    """An open session: what it says, as it says it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.messages: list[Message] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, words: str) -> None:
        """Send a prompt."""
        assert self._process.stdin is not None
        message = {"type": "user", "message": {"role": "user", "content": words}}
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def ask(self, words: str, within_s: float = _SLOWEST_S) -> None:
        """Send a prompt, and wait for the end of its turn."""
        count = len(self.of("result"))
        self.say(words)
        self.wait_for(lambda: len(self.of("result")) > count, f"the turn of {words!r} has ended", within_s)

    def wait_for(self, condition: Callable[[], object], what: str, within_s: float = _SLOWEST_S) -> None:
        """Look until it is so; the failure shows what the session said last."""
        deadline = time.monotonic() + within_s
        while not condition():
            last = "\n".join(json.dumps(one)[:600] for one in self.messages[-8:])
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}\n{last}"
            assert self._process.poll() is None, f"the session has ended: {what}\n{last}"
            time.sleep(0.05)

    def of(self, kind: str, subtype: str | None = None) -> list[Message]:
        """Give the messages of one type."""
        return [one for one in list(self.messages) if one["type"] == kind and subtype in (None, one.get("subtype"))]

    def session_id(self) -> str:
        """Give the session as it is called now."""
        return str(self.of("system", "init")[-1]["session_id"])

    def close(self) -> None:
        """End the session as a closed terminal does, and by force where it does not end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)
        self._reader.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.messages.append(json.loads(line))


class Terminal:
    """A session at a terminal: what is typed into it. What comes of that the model's stand-in sees."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self._process = process
        self._ours = ours
        self._screen = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def enter(self, words: str, done: Callable[[], object], what: str) -> None:
        """Type a line, and press Enter until it shows: a client that is starting loses what comes too early."""
        deadline = time.monotonic() + _SLOWEST_S
        while not done():
            assert time.monotonic() < deadline, (
                f"not within {_SLOWEST_S} s: {what}\n{self._screen.decode(errors='replace')}"
            )
            assert self._process.poll() is None, (
                f"the session has ended: {what}\n{self._screen.decode(errors='replace')}"
            )
            self._screen.clear()
            os.write(self._ours, b"\x15" + words.encode())  # what may stand there already goes first
            self._for(lambda: words.split()[-1].encode() in self._screen, 5)
            os.write(self._ours, b"\r")
            self._for(done, 10)

    def close(self) -> None:
        """End the session as a closed terminal does, and by force where it does not end."""
        self._process.send_signal(signal.SIGHUP)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)
        self._reader.join(10)
        os.close(self._ours)

    def _for(self, condition: Callable[[], object], at_most_s: float) -> None:
        deadline = time.monotonic() + at_most_s
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while data := os.read(self._ours, 65536):
                self._screen += data


def hook_answers(messages: Sequence[Message], event: str) -> list[Message]:
    """Give how the hooks of an event ended."""
    return [one for one in messages if one.get("subtype") == "hook_response" and one.get("hook_event") == event]
