"""The real Codex, pinned in tests/node/codex, in a home of its own, without an account, with a stand-in for a model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from support.codex_provider import StandIn
from support.household import Household, eventually
from support.node import node
from support.require import require

ROOT = Path(__file__).parents[2]
_ANSWER_S = 120.0

Message = dict[str, Any]


@dataclass(frozen=True)
class Codex:
    """One user's Codex.

    Attributes:
        home: Whose; its environment is all that Codex gets.
        model: Who answers.
    """

    home: Household
    model: StandIn

    @property
    def folder(self) -> Path:
        """Give CODEX_HOME."""
        return self.home.root / "codex"

    @property
    def env(self) -> dict[str, str]:
        """Give Codex's environment: the home's, and no more."""
        return {**self.home.env, "CODEX_HOME": str(self.folder), "LANG": "C.UTF-8"}

    def run(self, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run one of its commands in the project."""
        return subprocess.run(
            [str(codex_program()), *words],
            env=self.env,
            cwd=self.home.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def let_ssh_know(self, config: Path) -> None:
        """Put an ssh with this configuration on the PATH of its shell: ssh asks the password database for its home."""
        ssh = self.home.root / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F "{config}" "$@"\n', encoding="utf-8")
        ssh.chmod(0o755)

    def exec(self, prompt: str, *, resume: str = "", sandbox: str = "danger-full-access") -> list[Message]:
        """Let it work on a prompt without a person, hooks included; gives the events that it prints."""
        words = ["resume", resume] if resume else []
        options = ["--json", "--dangerously-bypass-hook-trust", "--skip-git-repo-check"]
        done = self.run("exec", "-s", sandbox, *words, *options, prompt)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def codex_program() -> Path:
    """Give the real Codex's own program, without the Node.js script before it."""
    programs = sorted(node("codex").modules.glob("@openai/codex-*/vendor/*/bin/codex"))
    require("node", len(programs) == 1, "this machine's kind is none that Codex is made for")
    return programs[0]


def thread_of(events: Sequence[Message]) -> str:
    """Give the thread that a run of `codex exec` began or went on with."""
    return str(next(event["thread_id"] for event in events if event["type"] == "thread.started"))


def make_codex(home: Household, model: StandIn) -> Codex:
    """Make its home: the stand-in as its model, and the jobwarden of this environment on its PATH."""
    own, ours = home.root / "bin", Path(sys.executable).parent
    own.mkdir()
    home.env["PATH"] = f"{ours}:{home.env['PATH']}"
    # Codex's shell is a login shell, for which the system sets another PATH.
    Path(home.env["HOME"], ".profile").write_text(f'PATH="{own}:{ours}:$PATH"\n', encoding="utf-8")
    codex = Codex(home, model)
    codex.folder.mkdir(mode=0o700)
    settings = f"""\
model = "stand-in"
model_provider = "stand-in"
check_for_update_on_startup = false

[model_providers.stand-in]
name = "stand-in"
base_url = "{model.url}"
wire_api = "responses"
"""
    (codex.folder / "config.toml").write_text(settings, encoding="utf-8")
    return codex


def install_plugin(codex: Codex) -> None:
    """Install our plug-in as a user does, from a copy of the tracked files."""
    source = tracked_files(codex.home.root / "clone")
    for words in (("marketplace", "add", str(source)), ("add", "jobwarden@jobwarden", "--json")):
        done = codex.run("plugin", *words)
        assert done.returncode == 0, done.stderr


def tracked_files(folder: Path) -> Path:
    """Copy what git tracks, as a clone would bring it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in listed.decode().rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            to = folder / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to)
    return folder


@dataclass
class AppServer:
    """`codex app-server`, spoken to over its standard input and output: a line, a message."""

    process: subprocess.Popen[str]
    told: list[Message] = field(default_factory=list[Message])
    """What it said unasked."""
    _answers: dict[int, Message] = field(default_factory=dict[int, Message])
    _last: int = 0

    def read(self) -> None:
        """Take in what it says until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = cast("Message", json.loads(line))
            if "id" in message and "method" not in message:
                self._answers[message["id"]] = message
            else:
                self.told.append(message)

    def tell(self, method: str, params: Mapping[str, object] | None = None, **more: object) -> None:
        """Send a message."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"method": method, "params": params or {}, **more}) + "\n")
        self.process.stdin.flush()

    def ask(self, method: str, **params: object) -> Message:
        """Call a method, and give its result."""
        self._last += 1
        number = self._last
        self.tell(method, params, id=number)
        eventually(lambda: number in self._answers, f"{method} is answered", within_s=_ANSWER_S)
        answer = self._answers.pop(number)
        assert "result" in answer, answer
        return cast("Message", answer["result"])

    def heard(self, method: str) -> list[Message]:
        """Give what it said unasked of one kind."""
        return [message["params"] for message in list(self.told) if message["method"] == method]

    def begin(self, project: Path) -> str:
        """Start a thread; gives its id."""
        return str(self.ask("thread/start", cwd=os.fspath(project), sandbox="danger-full-access")["thread"]["id"])

    def server(self, thread: str) -> Message:
        """Give how its one MCP server is, when that has started or failed."""

        def look() -> Message:
            (found,) = self.ask("mcpServerStatus/list", threadId=thread)["data"]
            return cast("Message", found)

        eventually(lambda: look()["runtimeStatus"] != "starting", "it has started", within_s=_ANSWER_S)
        return look()

    def prompt(self, thread: str, text: str) -> None:
        """Let the agent work on a prompt to the end of its turn."""
        before = len(self.heard("turn/completed"))
        self.ask("turn/start", threadId=thread, input=[{"type": "text", "text": text}])
        eventually(lambda: len(self.heard("turn/completed")) > before, "the turn has ended", within_s=_ANSWER_S)


def trust_hooks(server: AppServer, project: Path) -> None:
    """Trust all hooks, as a person does in `/hooks`."""
    (listed,) = server.ask("hooks/list", cwds=[str(project)])["data"]
    trusted = {one["key"]: {"trusted_hash": one["currentHash"]} for one in listed["hooks"]}
    server.ask("config/batchWrite", edits=[{"keyPath": "hooks.state", "value": trusted, "mergeStrategy": "upsert"}])


@contextmanager
def app_server(codex: Codex) -> Generator[AppServer]:
    """Run one; it is ended by closing its input."""
    with (codex.home.root / "app-server.log").open("w") as log:
        process = subprocess.Popen(
            [str(codex_program()), "app-server"],
            env=codex.env,
            cwd=codex.home.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    server = AppServer(process)
    reader = threading.Thread(target=server.read, daemon=True)
    reader.start()
    try:
        server.ask("initialize", clientInfo={"name": "test", "version": "0"}, capabilities={"experimentalApi": True})
        server.tell("initialized")
        yield server
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)
        assert process.stdout is not None
        process.stdout.close()
