"""The hook end to end: a real submission through a real shell, the client's JSON on standard input, the real jobwarden.

No client and no model is here: the events are those that Claude Code 2.1.328 and Codex 0.169.0 were seen to send.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.hook import SCRIPT
from support.household import Household, eventually, household
from support.watched import use_cluster

pytestmark = pytest.mark.slurm

JOBWARDEN = (sys.executable, "-m", "jobwarden.cli.main")


@pytest.fixture
def home(clean_environment: Path, cluster: Cluster) -> Iterator[Household]:
    with household(clean_environment, {"offer_after_s": 0.0}) as made:
        use_cluster(made, cluster)
        yield made


def fire(home: Household, event: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), *JOBWARDEN],
        input=json.dumps(event).encode(),
        env={**home.env, "CLAUDE_PID": str(os.getpid())},
        cwd=home.project,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout) if done.stdout else {}


def event(home: Household, name: str, session: str, client: str, **more: object) -> dict[str, Any]:
    mark = {"prompt_id": "p-1"} if client == "claude-code" else {"turn_id": "t-1", "model": "m"}
    return {"session_id": session, "cwd": str(home.project), "hook_event_name": name, **mark, **more}


def in_a_shell(home: Household, cluster: Cluster, command: str) -> str:
    """Run a command as the agent's shell does; its ssh is the one of this home."""
    done = subprocess.run(
        ["bash", "-c", command],
        env={**home.env, "PATH": f"{ssh_folder(home, cluster)}:{home.env['PATH']}"},
        cwd=home.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def ssh_folder(home: Household, cluster: Cluster) -> Path:
    """ssh takes its configuration from the password database's home; here from this one's, as for this user."""
    folder = home.root / "bin"
    folder.mkdir(exist_ok=True)
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F "{cluster.ssh_config}" "$@"\n', encoding="utf-8")
    ssh.chmod(0o755)
    return folder


GATED = r"until [ -e \$HOME/GATE ]; do sleep 0.1; done; exit 3"
COMMANDS = {
    "claude-code": f'J=$(ssh cluster-a \'cd /tmp && sbatch --parsable --wrap "{GATED}"\'); echo "job $J"',
    "codex": f"ssh cluster-a bash -s <<'EOF'\nsbatch --wrap \"{GATED}\"\nEOF",
}


@pytest.mark.parametrize("client", COMMANDS)
def test_a_job_that_an_agents_shell_submits_is_watched_to_its_end_and_told_once_with_nothing_done_by_the_agent(
    home: Household, cluster: Cluster, client: str
) -> None:
    session = f"session-{client}"
    assert fire(home, event(home, "SessionStart", session, client, source="startup")) == {}
    gate = f"gate-{secrets.token_hex(4)}"
    command = COMMANDS[client].replace("GATE", gate)
    output = in_a_shell(home, cluster, command)
    response: object = output if client == "codex" else {"stdout": output, "stderr": "", "interrupted": False}
    after = event(home, "PostToolUse", session, client, tool_name="Bash", tool_input={"command": command})
    job = next(word for word in output.split() if word.isdigit())

    said = fire(home, {**after, "tool_response": response})["hookSpecificOutput"]["additionalContext"]
    assert said.startswith(f"jobwarden registers slurm job {job} on cluster-a for this session")
    eventually(lambda: "registered" in home.kinds(session), "it is registered", within_s=60)
    fire(home, {**after, "tool_response": response})  # the same once more: nothing changes
    announced = home.places.runtime / "announced"
    eventually(lambda: not list(announced.iterdir()), "that has come to its end, too", within_s=60)

    (cluster.home("alice") / gate).touch()
    eventually(lambda: "finished" in home.kinds(session), "its end is journaled", within_s=120)
    registered, end = home.journal(session)[0], home.journal(session)[-1]
    assert (registered.host, registered.job_id) == ("cluster-a", job)
    assert registered.record is not None
    assert registered.record["owner"] == {"agent": client, "session_id": session}
    assert (end.phase, home.kinds(session).count("registered")) == ("failed", 1)

    held = fire(home, event(home, "Stop", session, client, stop_hook_active=False))
    # Claude Code 2.1.328 shows the reason of a held stop twice; Codex 0.169.0 passes over a context there.
    reason = held["reason"] if client == "codex" else held["hookSpecificOutput"]["additionalContext"]
    assert (held.get("decision") == "block") is (client == "codex")
    assert job in reason
    assert "exit code 3" in reason
    assert fire(home, event(home, "Stop", session, client, stop_hook_active=True)) == {}
    assert fire(home, event(home, "UserPromptSubmit", session, client, prompt="go on")) == {}
    assert fire(home, event(home, "Stop", session, client)) == {}


def test_a_job_on_a_host_that_cannot_be_reached_is_kept_with_its_state_unknown(
    home: Household, cluster: Cluster
) -> None:
    told = {"tool_name": "Bash", "tool_input": {"command": "ssh nowhere.invalid sbatch x"}}
    after = event(
        home, "PostToolUse", "s-1", "claude-code", **told, tool_response={"stdout": "Submitted batch job 12\n"}
    )
    fire(home, after)
    eventually(lambda: home.active("s-1"), "it is registered", within_s=60)
    job = home.active("s-1")[0]
    assert (job["id"], job["host"], job["phase"]) == ("12", "nowhere.invalid", "unknown")


def test_a_job_that_no_hook_saw_is_offered_once_without_a_question(home: Household, cluster: Cluster) -> None:
    session = "session-offered"
    seen, unseen = (cluster.sbatch("--wrap", "sleep 300") for _ in range(2))
    told = {"tool_name": "Bash", "tool_input": {"command": "ssh cluster-a sbatch x"}}
    fire(
        home,
        event(home, "PostToolUse", session, "claude-code", **told, tool_response=f"Submitted batch job {seen}\n"),
    )
    eventually(lambda: list((home.places.runtime / "overheard").glob("*.json")), "the other was seen", within_s=60)
    said: list[str] = []

    def offered() -> bool:
        answer = fire(home, event(home, "UserPromptSubmit", session, "claude-code", prompt="go on"))
        said.append(answer.get("hookSpecificOutput", {}).get("additionalContext", ""))
        return "watched by nobody" in said[-1]

    eventually(offered, "it is offered", within_s=60)
    assert f"on cluster-a are watched by nobody: {unseen}." in said[-1]
    assert not offered()
    assert fire(home, event(home, "Stop", session, "claude-code")) == {}
    cluster.run(["scancel", seen, unseen])
