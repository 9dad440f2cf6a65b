"""The hook's script as a client starts it: a process of its own, an event on standard input (`hooks/`)."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from jobwarden.bindings import binding_of, sub_agent_of
from jobwarden.identity import Caller
from jobwarden_registry.processes import process_of
from support.hook import HOOKS, SCRIPT, hook_module, run_hook
from support.household import Household, eventually, household


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        yield made


@pytest.fixture
def program(home: Household) -> Path:
    """Stand in for jobwarden: notes what it was started with, and says one line."""
    path = home.root / "jobwarden-stub"
    out = home.root / "started"
    out.mkdir()
    path.write_text(
        f'#!/bin/sh\nf=$(mktemp "{out}/XXXXXX.new")\n'
        '{ echo "$*"; cat; } > "$f"\nmv "$f" "${f%.new}.json"\necho told\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def fire(
    home: Household, event: Mapping[str, Any] | bytes, *program: str, python: str = sys.executable, **env: str
) -> str:
    """Run the script on an event; it must end well, and say nothing on stderr."""
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    done = subprocess.run(
        [python, "-I", "-S", str(SCRIPT), *program],
        input=data,
        env={**home.env, **env},
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def event(name: str, home: Household, **more: object) -> dict[str, Any]:
    return {"session_id": "s-1", "prompt_id": "p", "cwd": str(home.project), "hook_event_name": name, **more}


def shell(home: Household, command: str, output: str, **more: object) -> dict[str, Any]:
    told = {"tool_name": "Bash", "tool_input": {"command": command}, "tool_response": {"stdout": output}}
    return event("PostToolUse", home, **told, **more)


def started(home: Household, count: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Wait for what was started: its words, and its JSON."""
    folder = home.root / "started"
    eventually(lambda: len(list(folder.glob("*.json"))) >= count, "it was started")
    texts = [path.read_text(encoding="utf-8").partition("\n") for path in sorted(folder.glob("*.json"))]
    return [(words, json.loads(told)) for words, _, told in texts]


def modules(home: Household, words: list[str], told: dict[str, Any] | None = None) -> set[str]:
    """Give the modules that a start of Python imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-I", "-S", *words],
        input=json.dumps(told or {}).encode(),
        env=home.env,
        capture_output=True,
        timeout=60,
        check=True,
    )
    lines = done.stderr.decode().splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


Making = Callable[[Household], dict[str, Any]]
NOTHING_TO_DO: dict[str, Making] = {
    "a shell command": lambda home: shell(home, "ls -l; make all", "a\nb"),
    "an edit": lambda home: event("PostToolUse", home, tool_name="Edit", tool_input={"file_path": "x"}),
    "a tool call of the root session": lambda home: event("PreToolUse", home, tool_name="mcp__jobwarden__x"),
}


@pytest.mark.parametrize("what", NOTHING_TO_DO)
def test_with_nothing_to_do_it_imports_no_module_beyond_what_python_itself_starts_with(
    home: Household, what: str
) -> None:
    idle = modules(home, ["-c", "pass"])
    assert modules(home, [str(SCRIPT)], NOTHING_TO_DO[what](home)) - idle == set()


def test_at_a_prompt_it_imports_these_and_no_more(home: Household) -> None:
    idle = modules(home, ["-c", "import json, os, stat, time"])
    found = modules(home, [str(SCRIPT)], event("UserPromptSubmit", home, prompt="go on"))
    assert found - idle == {
        "jobwarden_hooks",
        "jobwarden_hooks.events",
        "jobwarden_hooks.folders",
        "jobwarden_hooks.shell",
    }


@pytest.mark.parametrize("path", sorted(HOOKS.rglob("*.py")), ids=lambda path: path.name)
def test_it_is_python_3_6(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_a_submission_starts_jobwarden_with_what_was_seen(home: Household, program: Path) -> None:
    said = fire(
        home,
        shell(home, "ssh -p 2222 cluster-a sbatch x", "Submitted batch job 12\n", agent_id="sub-1"),
        str(program),
        "a b",
    )
    context = json.loads(said)["hookSpecificOutput"]
    assert context["hookEventName"] == "PostToolUse"
    assert "slurm job 12 on cluster-a" in context["additionalContext"]
    assert "guess" in context["additionalContext"]
    words, told = started(home)[0]
    assert words == "a b hook submitted"
    guess = "ssh was given -p 2222"
    assert told["jobs"] == [{"type": "slurm", "id": "12", "host": "cluster-a", "guess": guess}]
    assert (told["session_id"], told["agent"], told["detail"]) == ("s-1", "claude-code", "sub-1")
    assert told["cwd"] == str(home.project)


def test_nobody_waits_for_what_was_started(home: Household) -> None:
    slow = home.root / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ > {home.root}/pid\nexec sleep 600\n", encoding="utf-8")
    slow.chmod(0o755)
    fire(home, shell(home, "sbatch x", "Submitted batch job 12"), str(slow))  # fails by its time limit if it waits
    eventually(lambda: (home.root / "pid").exists() and (home.root / "pid").read_text().strip(), "it was started")
    pid = int((home.root / "pid").read_text())
    assert os.getsid(pid) == os.getpgid(pid) != os.getsid(0)
    os.kill(pid, 9)


def test_where_jobwarden_is_not_to_be_found_it_says_that_the_job_is_not_watched(home: Household) -> None:
    said = fire(home, shell(home, "sbatch x", "Submitted batch job 12"), "no-such-program")
    assert "is not watched" in json.loads(said)["hookSpecificOutput"]["additionalContext"]


def test_a_failed_command_is_told_under_its_own_name_and_only_when_it_submitted(home: Household, program: Path) -> None:
    failed = event("PostToolUseFailure", home, tool_name="Bash", tool_input={"command": "sbatch x && false"})
    said = fire(home, {**failed, "error": "Exit code 1\nSubmitted batch job 12"}, str(program))
    assert json.loads(said)["hookSpecificOutput"]["hookEventName"] == "PostToolUseFailure"
    assert fire(home, {**failed, "error": "Exit code 1\nsbatch: error: invalid partition"}, str(program)) == ""


def test_codex_is_known_by_its_event_and_its_output_is_plain_text(home: Household, program: Path) -> None:
    told = shell(home, "sbatch x", "")
    del told["prompt_id"]
    told |= {"turn_id": "t", "model": "m", "tool_response": "Submitted batch job 12\n"}
    fire(home, told, str(program), CLAUDE_PID="1")
    assert {name: started(home)[0][1][name] for name in ("agent", "pid")} == {"agent": "codex", "pid": None}


@pytest.mark.parametrize(
    "command", [["bash", "-lc", "sbatch x"], ["sbatch", "a b.sh"], ["ssh", "cluster-a", "sbatch x"]], ids=str
)
def test_a_command_may_be_a_list_of_words(tmp_path: Path, command: list[str]) -> None:
    host = "cluster-a" if "ssh" in command else "localhost"
    assert run_hook(tmp_path, command, "Submitted batch job 12").registered == [f"slurm:12@{host}"]


NO_JSON = [b"", b"{", b"[]", b'"sbatch"', b"\xff\xfe sbatch", b'{"hook_event_name": "PostToolUse", "x": "sbatch"}']
NO_SESSIONS = [
    json.dumps({"hook_event_name": "PostToolUse", "session_id": one, "tool_input": {"command": "sbatch"}}).encode()
    for one in ("../x", "", "a/b", None, 7, "x" * 300)
]
NO_COMMANDS = [
    json.dumps({"hook_event_name": "PostToolUse", "session_id": "s", "m": "sbatch", **more}).encode()
    for more in list[dict[str, Any]](
        (
            {},
            {"tool_input": []},
            {"tool_input": {"command": 7}},
            {"tool_input": {"command": "sbatch"}, "tool_response": [1]},
            {"tool_input": {"command": "sbatch"}, "tool_response": {"stdout": 7}, "cwd": 7},
        )
    )
]
BAD = [*NO_JSON, *NO_SESSIONS, *NO_COMMANDS]


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_what_is_no_event_is_passed_over(home: Household, program: Path, data: bytes) -> None:
    said = fire(home, data, str(program))
    assert "registers" not in said
    assert list((home.root / "started").iterdir()) == []


# -- scripts that submit, and cannot be told from those that only print


SUBMITTING = {
    "a shell script": ("./go.sh", "go.sh", "#!/bin/bash\nsbatch a.sh\n", "slurm:12@localhost"),
    "a shell script given to bash": ("bash go.sh x", "go.sh", "sbatch a.sh\n", "slurm:12@localhost"),
    "a sourced script": ("source go.sh", "go.sh", "sbatch a.sh\n", "slurm:12@localhost"),
    "a script that uses ssh": ("./go.sh", "go.sh", "#!/bin/sh\nssh cluster-a sbatch a.sh\n", "slurm:12@cluster-a"),
    "a script in another folder": ("cd sub && ./go.sh", "sub/go.sh", "#!/bin/sh\nsbatch a\n", "slurm:12@localhost"),
    "make": ("make train", "Makefile", "train:\n\tsbatch a.sh\n", "slurm:12@localhost"),
    "python": ("python3 go.py", "go.py", "run(['sbatch', 'a'])", "slurm:12@localhost"),
    "python that also uses ssh": ("python3 go.py", "go.py", "run(['ssh', h, 'sbatch', 'a'])", "slurm:12@localhost?"),
    "one that does not submit": ("./go.sh", "go.sh", "#!/bin/sh\ncat log\n", ""),
    "tests that speak of it": ("./test_go.sh", "test_go.sh", "#!/bin/sh\necho sbatch\n", ""),
}


@pytest.mark.parametrize("what", SUBMITTING)
def test_a_program_is_believed_to_have_submitted_where_its_own_text_says_so(tmp_path: Path, what: str) -> None:
    command, name, text, registered = SUBMITTING[what]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert run_hook(tmp_path, command, "Submitted batch job 12").registered == registered.split()


@pytest.mark.parametrize("command", ["nel run -c x", "venv/bin/nel run -c x", "{project}/venv/bin/nel run -c x"])
def test_no_nel_of_the_project_is_run_and_the_agent_is_told_how_a_person_names_one(
    home: Household, command: str
) -> None:
    """An agent may write there, and what a hook starts runs outside the agent's sandbox."""
    for name in (".venv", "venv"):
        hostile = home.project / name / "bin" / "nel"
        hostile.parent.mkdir(parents=True)
        hostile.write_text(f"#!/bin/sh\ntouch {home.root}/hostile\n", encoding="utf-8")
        hostile.chmod(0o755)
    said = "✓ Job submission successful | Invocation ID: 0b1d99ac8d04df09\n"
    submitted = shell(home, command.format(project=home.project), said)
    fire(home, submitted, sys.executable, "-m", "jobwarden.cli.main", PATH=os.defpath)
    eventually(lambda: "note" in home.kinds("s-1"), "the session is told")
    text = home.journal("s-1")[0].text
    assert text is not None
    assert text.startswith("nel 0b1d99ac8d04df09 on localhost was submitted and is not watched: nel is not there")
    assert '`nel = "' in text
    assert not (home.root / "hostile").exists()


# -- which session a client is in, and whose a call is


def test_at_a_prompt_the_clients_process_is_bound_to_its_session_and_keeps_the_earlier_ones(home: Household) -> None:
    pid = os.getpid()
    fire(home, event("SessionStart", home, source="startup"), "no-such-program", CLAUDE_PID=str(pid))
    first = binding_of(home.places, pid)
    assert first is not None
    assert (first.process, first.session_id, first.previous) == (process_of(pid), "s-1", ())
    cleared = {**event("SessionStart", home, source="clear"), "session_id": "s-2"}
    fire(home, cleared, "no-such-program", CLAUDE_PID=str(pid))
    second = binding_of(home.places, pid)
    assert second is not None
    assert (second.session_id, second.previous) == ("s-2", ("s-1",))


def test_the_bindings_of_clients_that_are_long_gone_are_cleared_away(home: Household) -> None:
    folder = home.places.runtime / "clients"
    folder.mkdir()
    for number in range(120):
        (folder / f"{4_000_000_000 + number}.json").write_text("{}", encoding="utf-8")
    (folder / "1.json").write_text("{}", encoding="utf-8")
    fire(home, event("SessionStart", home), "no-such-program", CLAUDE_PID=str(os.getpid()))
    assert sorted(path.name for path in folder.iterdir()) == sorted(["1.json", f"{os.getpid()}.json"])


def test_a_sub_agents_call_of_a_tool_is_noted_before_it(home: Household) -> None:
    fire(home, event("PreToolUse", home, tool_use_id="toolu_1", agent_id="sub-1", tool_name="x"))
    assert sub_agent_of(home.places, "toolu_1") == ("s-1", "sub-1")
    fire(home, event("PreToolUse", home, tool_use_id="../x", agent_id="sub-1", tool_name="x"))
    assert [path.name for path in (home.places.runtime / "calls").iterdir()] == ["toolu_1.json"]


def test_a_runtime_folder_that_others_may_write_is_left_alone(home: Household) -> None:
    folder = home.places.runtime
    folder.chmod(0o777)
    fire(home, event("SessionStart", home), "no-such-program", CLAUDE_PID=str(os.getpid()))
    folder.chmod(0o700)
    assert not (folder / "clients").exists()


# -- when jobwarden is asked for news


def session(home: Household, caller: Caller | None = None, *, seq: int, shown: int, acknowledged: int) -> None:
    folder = home.places.state / "sessions" / "s-1"
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(f'{{"seq": {n + 1}}}\n' for n in range(seq)), encoding="utf-8")
    cursors = {"v": 1, "consumers": {"root": {"shown": shown, "acknowledged": acknowledged}}}
    (folder / "cursors.json").write_text(json.dumps(cursors), encoding="utf-8")


ASKED: list[tuple[str, dict[str, object], tuple[int, int, int], bool]] = [
    ("UserPromptSubmit", {}, (3, 2, 2), True),
    ("UserPromptSubmit", {}, (3, 3, 2), True),  # shown, and now to be acknowledged
    ("UserPromptSubmit", {}, (3, 3, 3), False),
    ("Stop", {}, (3, 2, 2), True),
    ("Stop", {"stop_hook_active": True}, (3, 3, 2), True),  # what it was held for has been seen
    ("Stop", {"stop_hook_active": True}, (3, 3, 3), False),
    ("Stop", {}, (3, 3, 3), False),
    ("SessionStart", {"source": "resume"}, (3, 3, 3), True),
    ("UserPromptSubmit", {"agent_id": "sub-1"}, (3, 2, 2), False),
    ("SubagentStop", {}, (3, 2, 2), False),
]


@pytest.mark.parametrize(("name", "more", "state", "asked"), ASKED, ids=range(len(ASKED)))
def test_jobwarden_is_started_for_news_only_where_there_may_be_some(
    home: Household, program: Path, name: str, more: dict[str, object], state: tuple[int, int, int], asked: bool
) -> None:
    seq, shown, acknowledged = state
    session(home, seq=seq, shown=shown, acknowledged=acknowledged)
    said = fire(home, event(name, home, **more), str(program))
    assert said == ("told\n" if asked else "")
    if asked:
        words, told = started(home)[0]
        assert (words, told["event"], told["session_id"]) == ("hook news", name, "s-1")


WORDS = ('"PostToolUse', '"PreToolUse"', '"hook_event_name":"PostToolUse', '"hook_event_name": "PreToolUse"')


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " :  ")], ids=repr)
@pytest.mark.parametrize("words", WORDS)
def test_a_prompt_or_a_last_message_that_names_other_events_is_told_its_news(
    home: Household, program: Path, words: str, separators: tuple[str, str]
) -> None:
    session(home, seq=3, shown=2, acknowledged=2)
    for name, more in (("UserPromptSubmit", {"prompt": words}), ("Stop", {"last_assistant_message": words})):
        data = json.dumps(event(name, home, **more), separators=separators).encode()
        assert fire(home, data, str(program)) == "told\n"


@pytest.mark.parametrize("name", ["SessionStart", "UserPromptSubmit", "Stop"])
def test_a_session_that_watches_nothing_starts_nothing(home: Household, program: Path, name: str) -> None:
    assert fire(home, event(name, home), str(program)) == ""


def test_at_the_start_of_a_session_what_others_of_this_project_watch_is_asked_about(
    home: Household, program: Path
) -> None:
    folder = home.project / ".claude" / "agents" / "earlier"
    folder.mkdir(parents=True)
    (folder / "active_jobs.json").write_text("[]\n", encoding="utf-8")
    assert fire(home, event("SessionStart", home, source="startup"), str(program)) == ""
    (folder / "active_jobs.json").write_text('[{"type": "slurm"}]\n', encoding="utf-8")
    assert fire(home, event("SessionStart", home, source="startup"), str(program)) == "told\n"
    assert fire(home, event("UserPromptSubmit", home), str(program)) == ""


def test_after_clear_the_session_before_it_goes_along(home: Household, program: Path) -> None:
    session(home, seq=1, shown=1, acknowledged=1)
    pid = str(os.getpid())
    fire(home, event("UserPromptSubmit", home), str(program), CLAUDE_PID=pid)
    cleared = {**event("SessionStart", home, source="clear"), "session_id": "s-2"}
    assert fire(home, cleared, str(program), CLAUDE_PID=pid) == "told\n"
    told = started(home)[0][1]
    assert (told["session_id"], told["previous"], told["source"]) == ("s-2", "s-1", "clear")


def test_jobwarden_is_asked_when_other_jobs_of_the_user_were_seen_since_it_was_asked_last(
    home: Household, program: Path
) -> None:
    session(home, seq=1, shown=1, acknowledged=1)
    seen, offered = home.places.runtime / "overheard" / "x.json", home.places.runtime / "offered" / "s-1.json"
    for path in (seen, offered):
        path.parent.mkdir()
    seen.write_text("{}", encoding="utf-8")
    assert fire(home, event("UserPromptSubmit", home), str(program)) == "told\n"
    offered.write_text("[]", encoding="utf-8")
    os.utime(seen, (1000, 1000))
    assert fire(home, event("UserPromptSubmit", home), str(program)) == ""
    os.utime(offered, (0, 0))
    assert fire(home, event("Stop", home), str(program)) == "told\n"


def test_what_was_seen_and_is_taken_away_meanwhile_keeps_no_news_back(home: Household, program: Path) -> None:
    session(home, seq=3, shown=2, acknowledged=2)
    seen = home.places.runtime / "overheard"
    seen.mkdir()
    (seen / "gone.json").symlink_to("/nowhere/gone.json")
    assert fire(home, event("UserPromptSubmit", home), str(program)) == "told\n"
    (seen / "here.json").write_text("{}", encoding="utf-8")
    assert fire(home, event("Stop", home), str(program)) == "told\n"


EACH: dict[str, dict[str, object]] = {
    "SessionStart": {"source": "startup"},
    "UserPromptSubmit": {"prompt": "go on"},
    "Stop": {},
    "PreToolUse": {"tool_use_id": "toolu_1", "agent_id": "sub-1"},
    "PostToolUse": {"tool_input": {"command": "sbatch x"}, "tool_response": "Submitted batch job 12"},
}


@pytest.mark.parametrize("call", ["listdir", "stat", "lstat", "fork", "pipe", "execv"])
@pytest.mark.parametrize("name", EACH)
def test_whatever_the_machine_refuses_the_hook_ends_with_0(home: Household, name: str, call: str) -> None:
    """A machine that refuses these calls, to root as well, cannot be had: each of them refuses here."""
    session(home, seq=3, shown=2, acknowledged=2)
    refusing = (
        "import json, os, subprocess, sys; from jobwarden_hooks import folders, starting\n"
        "def refuse(*_): raise OSError(24, 'refused')\n"
        "starting.program = lambda given: ['/bin/true']\n"
        f"os.{call} = refuse\n"
        "from jobwarden_hooks.events import handle\n"
        "handle(sys.stdin.buffer.read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", refusing],
        input=json.dumps(event(name, home, **EACH[name])).encode(),
        env={**home.env, "PYTHONPATH": str(HOOKS), "CLAUDE_PID": str(os.getpid())},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_how_jobwarden_ends_is_never_the_hooks_own_end(home: Household) -> None:
    """2 from a hook takes the user's prompt away: an older jobwarden ends so, and uvx without a network."""
    program = home.root / "older"
    program.write_text("#!/bin/sh\ncat >/dev/null\necho told\nexit 2\n", encoding="utf-8")
    program.chmod(0o755)
    journal = home.places.state / "sessions" / "s-1" / "events.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text('{"seq": 1}\n', encoding="utf-8")
    assert fire(home, event("UserPromptSubmit", home, prompt="go on"), str(program)) == "told\n"


def test_a_hook_that_its_client_ends_leaves_nothing_that_holds_the_clients_pipes(home: Household) -> None:
    session(home, seq=3, shown=2, acknowledged=2)
    program = home.root / "slow"
    program.write_text(f"#!/bin/sh\necho $$ > {home.root}/pid\nexec sleep 600\n", encoding="utf-8")
    program.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(SCRIPT), str(program)],
        env=home.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as hook:
        assert hook.stdin is not None
        hook.stdin.write(json.dumps(event("UserPromptSubmit", home)).encode())
        hook.stdin.close()
        hook.stdin = None
        eventually(lambda: (home.root / "pid").exists() and (home.root / "pid").read_text().strip(), "it is asked")
        hook.kill()
        assert hook.communicate(timeout=60) == (b"", b"")
    pid = int((home.root / "pid").read_text())
    assert process_of(pid) is not None  # and the pipes were closed all the same
    os.kill(pid, 9)


def test_a_jobwarden_that_does_not_answer_is_ended_before_the_client_ends_the_hook(home: Household) -> None:
    asked = {"SessionStart", "UserPromptSubmit", "Stop"}
    for name in ("hooks.json", "hooks.codex.json"):
        told = json.loads((HOOKS / name).read_text(encoding="utf-8"))["hooks"]
        limits = [one["timeout"] for event in asked for group in told[event] for one in group["hooks"]]
        assert all(one > hook_module("events").ASK_S for one in limits)
    session(home, seq=3, shown=2, acknowledged=2)
    program = home.root / "slow"
    program.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    program.chmod(0o755)
    told = json.dumps(event("UserPromptSubmit", home))
    shorter = (
        "import sys; from jobwarden_hooks import events; events.ASK_S = 1\nevents.handle(sys.stdin.buffer.read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", shorter, str(program)],
        input=told.encode(),
        env={**home.env, "PYTHONPATH": str(HOOKS)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


OLDER: dict[str, str] = {}
NEWER = {"CLAUDE_CODE_SESSION_ATTENDED": "0"}


@pytest.mark.parametrize(
    ("mark", "env", "context"),
    [("prompt_id", NEWER, True), ("prompt_id", OLDER, False), ("turn_id", NEWER, False)],
    ids=["Claude Code", "an older one", "Codex in a shell of Claude Code"],
)
def test_a_stop_is_held_by_a_context_where_the_client_takes_one(
    home: Household, program: Path, mark: str, env: dict[str, str], *, context: bool
) -> None:
    journal = home.places.state / "sessions" / "s-1" / "events.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text('{"seq": 1}\n', encoding="utf-8")
    stop = {"session_id": "s-1", "cwd": "/", "hook_event_name": "Stop", mark: "1"}
    fire(home, stop, str(program), **env)
    assert started(home)[0][1]["context"] is context
