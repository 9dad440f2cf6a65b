"""What a hook bound to a client's process, and who is meant where clients start one another (`jobwarden.bindings`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from jobwarden.bindings import Lineage, binding_of, living
from jobwarden.bindings import is_gone as is_gone_among
from jobwarden.identity import Caller, caller_of_hook, resolve_caller
from jobwarden_registry.clock import utc_now
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.paths import Places, user_places
from jobwarden_registry.processes import ProcessId, this_process

HERE = "machine-1"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").touch()
    return user_places({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")})


def bind(places: Places, session: str, process: ProcessId | None = None, **more: object) -> ProcessId:
    """Write what the hook writes."""
    process = process or this_process()
    folder = places.runtime / "clients"
    folder.mkdir(exist_ok=True)
    told = {"v": 1, "process": asdict(process), "session_id": session, "agent": "claude-code", **more}
    (folder / f"{process.pid}.json").write_text(json.dumps(told), encoding="utf-8")
    return process


def caller(
    places: Places,
    env: Mapping[str, str],
    *started_with: Mapping[str, str],
    session_id: str | None = None,
    client: str = "cli",
    **meta: object,
) -> Caller:
    """Resolve in a process whose ancestors were started with these environments; our own pid stands at depth 2."""
    pids = (900001, 900002, os.getpid(), 900003, 900004)[: max(3, len(started_with))]
    nothing: Mapping[str, str] = {}
    environments = (*started_with, *(nothing for _ in range(len(pids) - len(started_with))))
    lineage = Lineage(pids, environments)
    return resolve_caller(
        env, cwd=places.state, places=places, meta=meta, session_id=session_id, client=client, lineage=lambda: lineage
    )


def test_the_session_that_a_hook_bound_goes_before_the_stale_one_in_a_servers_environment(places: Places) -> None:
    bind(places, "after-clear")
    env = {"CLAUDE_CODE_SESSION_ID": "before-clear"}
    found = caller(places, env, env, env)
    assert (found.session_id, found.agent, found.claimed) == ("after-clear", "claude-code", False)
    assert found.process == this_process()


def test_without_a_binding_the_environment_speaks(places: Places) -> None:
    env = {"CLAUDE_CODE_SESSION_ID": "c-1"}
    assert caller(places, env, env, env).session_id == "c-1"


def test_codex_started_from_a_shell_of_claude_code_is_codex(places: Places) -> None:
    bind(places, "claude-bound")
    claude = {"CLAUDE_CODE_SESSION_ID": "claude-1"}
    env = {**claude, "CODEX_SESSION_ID": "codex-1", "CODEX_THREAD_ID": "codex-1"}
    # A shell of codex; codex itself, whose own environment has only what Claude Code gave it; Claude Code.
    assert caller(places, env, env, claude, {}).session_id == "codex-1"


def test_claude_code_started_from_a_shell_of_codex_is_claude_code(places: Places) -> None:
    codex = {"CODEX_SESSION_ID": "codex-1"}
    env = {**codex, "CLAUDE_CODE_SESSION_ID": "claude-1"}
    assert caller(places, env, env, env, codex, codex, {}).session_id == "claude-1"


def test_an_inner_claude_code_without_hooks_is_not_taken_for_the_outer_one_that_has_them(places: Places) -> None:
    bind(places, "outer")
    inner, outer = {"CLAUDE_CODE_SESSION_ID": "inner"}, {"CLAUDE_CODE_SESSION_ID": "outer"}
    assert caller(places, inner, inner, outer, {}).session_id == "inner"


def test_where_both_variables_come_from_outside_codex_goes_first_as_before(places: Places) -> None:
    env = {"CLAUDE_CODE_SESSION_ID": "claude-1", "CODEX_SESSION_ID": "codex-1"}
    assert caller(places, env, env, env, env).session_id == "codex-1"


def test_a_binding_of_another_process_that_had_the_same_pid_is_not_believed(places: Places) -> None:
    bind(places, "gone", replace(this_process(), start_time="1"))
    assert binding_of(places, os.getpid()) is None
    assert caller(places, {}).agent == "manual"


@pytest.mark.parametrize("session", ["../../etc", "", "a b", ".hidden"])
def test_a_binding_with_an_impossible_session_is_not_believed(places: Places, session: str) -> None:
    bind(places, session)
    assert caller(places, {}).agent == "manual"


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"session_id": "s", "process": {"pid": "1"}}', "\xff" * 5000])
def test_a_binding_that_cannot_be_read_is_none(places: Places, text: str) -> None:
    bind(places, "s")
    (places.runtime / "clients" / f"{os.getpid()}.json").write_text(text, encoding="utf-8")
    assert caller(places, {}).agent == "manual"


def test_an_argument_that_says_what_the_binding_says_is_no_mere_claim(places: Places) -> None:
    bind(places, "bound")
    assert not caller(places, {}, session_id="bound").claimed
    other = caller(places, {}, session_id="other")
    assert (other.claimed, other.process) == (True, None)


@pytest.mark.parametrize("client", ["cli", "mcp-1"])
def test_a_session_that_is_named_by_another_ones_agent_is_borrowed(places: Places, client: str) -> None:
    """Any refusal prints the id of the session that watches a job: to know it is not to be it."""
    bind(places, "bound")
    found = caller(places, {}, session_id="other", client=client)
    assert (found.session_id, found.borrower, found.owns("other"), found.owns("bound")) == (
        "other",
        "bound",
        False,
        False,
    )
    own = caller(places, {}, session_id="bound", client=client)
    assert (own.borrower, own.owns("bound"), own.owns("other")) == (None, True, False)


def test_what_a_hook_says_in_its_clients_name_is_not_borrowed(places: Places) -> None:
    bind(places, "bound")
    found = caller_of_hook(
        {"CLAUDE_CODE_SESSION_ID": "stale"},
        session_id="another",
        agent="claude-code",
        detail=None,
        pid=None,
        cwd=places.state,
        places=places,
        client="hook-1",
    )
    assert (found.session_id, found.borrower, found.owns("another")) == ("another", None, True)


def test_a_sub_agents_call_is_known_by_what_a_hook_wrote_before_it(places: Places) -> None:
    bind(places, "root")
    (places.runtime / "calls").mkdir()
    told = {"session_id": "root", "agent_id": "sub-7"}
    (places.runtime / "calls" / "toolu_1.json").write_text(json.dumps(told), encoding="utf-8")
    assert caller(places, {}, **{"claudecode/toolUseId": "toolu_1"}).detail == "sub-7"
    assert caller(places, {}, **{"claudecode/toolUseId": "toolu_2"}).detail is None
    assert caller(places, {}, **{"claudecode/toolUseId": "../calls/toolu_1"}).detail is None
    # What is written of one session says nothing of another.
    bind(places, "another")
    assert caller(places, {}, **{"claudecode/toolUseId": "toolu_1"}).detail is None


def test_over_http_no_binding_counts(places: Places) -> None:
    bind(places, "bound")
    found = resolve_caller({}, cwd=places.state, places=places, session_id="mine", http=True)
    assert (found.session_id, found.claimed, found.borrower) == ("mine", True, None)


def test_a_real_child_of_a_bound_process_is_in_its_session_though_its_environment_says_another(places: Places) -> None:
    bind(places, "bound")
    program = (
        "import os, pathlib, sys; from jobwarden.identity import resolve_caller;"
        "from jobwarden_registry.paths import user_places;"
        "print(resolve_caller(os.environ, cwd=pathlib.Path.cwd(), places=user_places(os.environ)).session_id)"
    )
    env = {
        **os.environ,
        "HOME": str(places.state.parents[2]),
        "XDG_STATE_HOME": str(places.state.parent),
        "XDG_RUNTIME_DIR": str(places.runtime.parent),
        "CLAUDE_CODE_SESSION_ID": "stale",
    }
    # Through a shell, as a client starts servers and commands.
    words = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-c", program]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "bound"


def test_a_hook_is_told_its_session_and_works_where_the_client_does(places: Places, tmp_path: Path) -> None:
    process = bind(places, "s-1")
    words = {"agent": "claude-code", "detail": None, "cwd": tmp_path, "places": places, "client": "hook"}
    found = caller_of_hook({}, session_id="s-1", pid=process.pid, **words)  # type: ignore[arg-type]  # one set of words for both calls
    assert (found.session_id, found.project, found.process) == ("s-1", tmp_path, process)
    assert caller_of_hook({}, session_id="s-2", pid=process.pid, **words).process is None  # type: ignore[arg-type]  # likewise


# -- is anybody in a session?


def entry(session: str, client: dict[str, object] | None = None) -> SessionEntry:
    now = utc_now()
    return SessionEntry.model_validate(
        {"session_id": session, "project": "/p", "created_at": now, "last_seen_at": now, "client": client or {}}
    )


def is_gone(places: Places, session: SessionEntry, machine: str) -> bool | None:
    return is_gone_among(session, machine, living(places))


def known(process: ProcessId, machine: str = HERE) -> dict[str, object]:
    return {"process": asdict(process), "machine": machine}


def test_a_session_is_gone_when_its_client_has_died_or_is_in_another_session_now(places: Places) -> None:
    dead = replace(this_process(), start_time="1")
    assert is_gone(places, entry("old", known(dead)), HERE) is True
    assert is_gone(places, entry("old", known(replace(dead, boot_id="earlier"))), HERE) is True
    bind(places, "new", previous=["older", "old"])
    assert is_gone(places, entry("old"), HERE) is True


def test_a_session_is_not_gone_while_a_client_is_in_it_though_the_one_that_registered_has_died(places: Places) -> None:
    dead = replace(this_process(), start_time="1")
    bind(places, "resumed", previous=["other"])
    assert is_gone(places, entry("resumed", known(dead)), HERE) is False


def test_where_nothing_tells_nobody_is_said_to_be_gone(places: Places) -> None:
    dead = replace(this_process(), start_time="1")
    assert is_gone(places, entry("unknown"), HERE) is None
    assert is_gone(places, entry("elsewhere", known(dead, "machine-2")), HERE) is None
    assert is_gone(places, entry("alive", known(this_process())), HERE) is False
