"""An idle thread of the real Codex is woken by the watcher by `codex queue`, and its hook tells what happened, once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.codex import AppServer, Codex, app_server, install_plugin, make_codex, trust_hooks
from support.codex_provider import Request, say, shell, stand_in
from support.household import eventually, household

pytestmark = pytest.mark.node


@contextmanager
def working(root: Path, waking: str) -> Generator[tuple[Codex, AppServer]]:
    with household(root, {"linger_s": 0.0}, f"[waking]\n{waking}\n") as home, stand_in() as model:
        made = make_codex(home, model)
        install_plugin(made)
        with app_server(made) as server:
            trust_hooks(server, home.project)
            yield made, server


def let_it_submit(codex: Codex, server: AppServer) -> tuple[str, Path]:
    """Have the agent start a program that is watched, and end its turn; gives the thread, and what ends the program."""
    gate = codex.home.root / "gate"
    program = f"until [ -e {gate} ]; do sleep 0.1; done; exit 3"
    codex.model.will(shell(f"jobwarden run --name training -- sh -c '{program}'"), say("It runs."))
    thread = server.begin(codex.home.project)
    server.prompt(thread, "Train it.")
    assert codex.home.active(thread), codex.model.requests[-1].new_text
    return thread, gate


def telling(requests: list[Request]) -> list[str]:
    return [line for one in requests for line in one.new_text.splitlines() if " finished training" in line]


def test_an_idle_thread_is_woken_by_an_end_and_its_hook_tells_it_once(clean_environment: Path) -> None:
    with working(clean_environment, "after_s = 0.5") as (codex, server):
        _, gate = let_it_submit(codex, server)
        before = len(codex.model.requests)
        codex.model.will(say("I see."))
        gate.touch()
        eventually(lambda: len(server.heard("turn/completed")) == 2, "it has had a turn of its own", within_s=60)
        woken = codex.model.requests[before:]
        print(woken[0].new_text)
        assert "not typed by the user" in woken[0].says("user")
        assert "training" not in woken[0].says("user")  # nothing of a job is sent as the user's words
        assert len(telling(woken)) == 1
        eventually(lambda: codex.home.watcher_pid() is None, "the watcher has nothing left to wait for", within_s=60)
        assert len(codex.model.requests) == before + 1
