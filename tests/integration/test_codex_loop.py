"""The real Codex at work on real jobs, a script in the model's place: what hooks and tools tell the model, once each.

Codex runs without its sandbox here: in it a shell has no network, and could not submit anything through ssh.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwarden_registry.index import Index
from support.cluster import Cluster
from support.codex import Codex, install_plugin, make_codex, thread_of
from support.codex_provider import Item, Move, Request, call, say, shell, stand_in, tool
from support.household import eventually, household
from support.watched import use_cluster

pytestmark = [pytest.mark.node, pytest.mark.slurm]

TOLD = re.compile(r"; ended: |^#\d+ \S+ finished ", re.MULTILINE)
"""How a tool's answer and a hook tell an end as news; rows and summaries are no news."""

TRACEBACK = r"""ssh cluster-a bash -s <<'THERE'
sbatch <<'JOB'
#!/bin/sh
echo 'Traceback (most recent call last):'
echo '  File "/data/train.py", line 212, in load'
echo '    return row["labels"]'
echo "KeyError: 'labels'"
exit 3
JOB
THERE"""


@pytest.fixture
def codex(clean_environment: Path, cluster: Cluster) -> Iterator[Codex]:
    with household(clean_environment) as home, stand_in() as model:
        use_cluster(home, cluster)
        made = make_codex(home, model)
        made.let_ssh_know(cluster.ssh_config)
        install_plugin(made)
        yield made


class Gate:
    """A file for which a job waits."""

    def __init__(self, cluster: Cluster) -> None:
        self.path = cluster.home("alice") / f"gate-{secrets.token_hex(4)}"
        self.command = (
            f"ssh cluster-a 'sbatch --wrap \"until [ -e {self.path} ]; do sleep 0.1; done; echo gone; exit 2\"'"
        )

    def open(self) -> None:
        self.path.touch()


def ends(codex: Codex, thread: str) -> list[str]:
    return [str(event.job_id) for event in codex.home.journal(thread) if event.event == "finished"]


def told(requests: list[Request]) -> list[str]:
    return [line for request in requests for line in request.new_text.splitlines() if TOLD.search(line)]


def after(work: Iterator[None], move: Move) -> Move:
    """Do something in the world before a move."""

    def done_first(request: Request) -> Item:
        next(work, None)
        return move(request)

    return done_first


def test_a_job_that_codex_submits_is_watched_with_nothing_done_waited_for_and_its_end_and_cause_are_told_once(
    codex: Codex,
) -> None:
    model, home = codex.model, codex.home
    wait = tool("wait_for_change", until="all_terminal", timeout_s=120)
    submitted: list[str] = []

    def note_and_wait(request: Request) -> Item:
        submitted.extend(re.findall(r"Submitted batch job (\d+)", request.answers))
        eventually(lambda: list((home.project / ".claude" / "agents").glob("*/active_jobs.json")), "it is registered")
        return wait(request)

    def diagnose(request: Request) -> Item:
        return tool("diagnose_job", job=submitted[0])(request)

    model.will(shell(TRACEBACK), note_and_wait, tool("check_status"), diagnose, say("It failed."))
    thread = thread_of(codex.exec("Train it."))
    (job,) = submitted

    line = f"jobwarden registers slurm job {job} on cluster-a for this session and watches it from now on."
    after_submission, *later = [request for request in model.requests if not request.is_pause][1:]
    assert line in after_submission.says("developer")
    waited, looked, diagnosed = (request.answers for request in later[:3])
    assert "1 of 1 completed (1 failed)" in waited
    assert f"{job}\tFAILED" in looked
    assert "cause: KeyError: 'labels', at /data/train.py:212 in load" in diagnosed
    (once,) = told(model.requests)
    assert f"slurm:{job} on cluster-a (sbatch): FAILED; ended: failed, exit 3, cause: KeyError: 'labels'" in once

    registered = home.journal(thread)[0]
    assert (registered.event, registered.job_id) == ("registered", job)
    assert registered.record is not None
    assert registered.record["owner"] == {"agent": "codex", "session_id": thread}
    entry = Index(home.places).get(thread)
    assert entry is not None
    assert entry.project == home.project


def test_an_end_between_two_turns_is_told_at_the_next_prompt_and_one_during_a_turn_holds_its_stop_once(
    codex: Codex, cluster: Cluster
) -> None:
    model = codex.model
    between, during = Gate(cluster), Gate(cluster)

    def poll(request: Request) -> Item:
        """A command that was still running is asked for its end: the hook sees all of its output then."""
        (running,) = re.findall(r"session ID (\d+)", request.answers)
        return call("write_stdin", {"session_id": int(running), "chars": "", "yield_time_ms": 20000})(request)

    slowly = {"cmd": f"sleep 1; {between.command}", "yield_time_ms": 300}
    model.will(call("exec_command", slowly), poll, shell(during.command), say("Both are submitted."))
    thread = thread_of(codex.exec("Train both."))
    eventually(lambda: codex.home.kinds(thread).count("registered") == 2, "both are watched", within_s=60)
    between.open()
    eventually(lambda: len(ends(codex, thread)) == 1, "the first has ended", within_s=120)

    def second_ends() -> Iterator[None]:
        during.open()
        eventually(lambda: len(ends(codex, thread)) == 2, "the second has ended", within_s=120)
        yield

    before = len(model.requests)
    model.will(after(second_ends(), say("Resting.")), say("I see."))
    assert thread_of(codex.exec("And now?", resume=thread)) == thread

    first, second = ends(codex, thread)
    prompted, held = model.requests[before:]  # held once, and no third turn
    (at_prompt,) = told([prompted])
    assert f"(slurm {first} on cluster-a): " in at_prompt
    assert "FAILED; exit code 2" in at_prompt
    assert "<hook_prompt" in held.says("user")
    assert f"(slurm {second} on cluster-a)" in held.says("user")
    assert len(told([held])) <= 1
    model.will(say("Nothing new."))
    codex.exec("And now?", resume=thread)
    assert told(model.requests[before + 2 :]) == []


def test_what_a_sub_agent_is_told_is_still_news_to_its_root(codex: Codex, cluster: Cluster) -> None:
    model, gate, threads = codex.model, Gate(cluster), list[str]()

    def spawn(request: Request) -> Item:
        threads.append(str(request.body["prompt_cache_key"]))
        return call("spawn_agent", {"message": "SUBTASK: look after it."}, namespace="multi_agent_v1")(request)

    def wait(request: Request) -> Item:
        (agent,) = re.findall(r'"agent_id":\s*"([^"]+)"', request.answers)
        return call("wait_agent", {"targets": [agent], "timeout_ms": 240000}, namespace="multi_agent_v1")(request)

    def end() -> Iterator[None]:
        gate.open()
        eventually(lambda: ends(codex, threads[0]), "it has ended", within_s=120)
        yield

    model.whoever_reads("SUBTASK", after(end(), tool("check_status")), say("It failed."))
    model.will(shell(gate.command), spawn, wait, tool("check_status"), say("So it did."))
    codex.exec("Train it.")
    of_sub_agent = [one for one in model.requests if "SUBTASK" in str(one.body["input"][-8:]) and told([one])]
    ends_told = [bool("subagent_notification" in str(one.body["input"])) for one in model.requests if told([one])]
    assert ends_told == [False, True], of_sub_agent  # the sub-agent by its tool, then the root by its own
