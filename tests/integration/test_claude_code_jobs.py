"""The whole way with the real Claude Code: its shell submits to a real Slurm, and what the model is shown is looked at.

The model is a script on loopback (support/model.py). It does what an agent does, and never more for jobwarden's sake.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.claude_code import TOOLS, ClaudeCode, claude_program, own_programs, plugin_copy
from support.cluster import Cluster
from support.household import Household, eventually, household
from support.model import Asked, Json, Model, Step, call, standing_in, text
from support.watched import use_cluster

pytestmark = [pytest.mark.node, pytest.mark.slurm]

CAUSE = "ValueError: the learning rate is negative"
ENDED = re.compile(f"FAILED; (?:ended: failed, exit 1, )?cause: {CAUSE}")
SESSION = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plugin_copy(tmp_path_factory.mktemp("plugin") / "jobwarden")


@dataclass
class Desk:
    """An agent at its desk: its client, its model, its home, and a cluster that it reaches by ssh."""

    claude: ClaudeCode
    model: Model
    home: Household
    cluster: Cluster
    gates: list[Path] = field(default_factory=list[Path])

    def submission(self, *, then: str = "") -> tuple[Path, Json]:
        """Give the tool call that submits a job which fails once its gate is there, and the gate."""
        gate = self.cluster.home("alice") / f"gate-{secrets.token_hex(4)}"
        self.gates.append(gate)
        program = f'raise {CAUSE.replace(": ", "(", 1)}")'.replace("(", '("', 1)
        script = f"#!/bin/bash\nuntil [ -e {gate} ]; do sleep 0.1; done\npython3 - <<'END'\n{program}\nEND\n"
        command = f"ssh cluster-a 'cat > job.sh; sbatch job.sh' <<'EOF'\n{script}EOF\n{then}"
        return gate, call("Bash", command=command, description="submit")

    def job(self) -> str:
        """Give the id that sbatch printed last."""
        return self.model.seen.rpartition("Submitted batch job ")[2].split()[0]

    def ended(self, session: str, count: int) -> None:
        eventually(lambda: self.home.kinds(session).count("finished") == count, "its end is journaled", within_s=120)

    def told(self) -> int:
        """Say how often the model was told of an end, over all that it was shown."""
        assert self.model.trouble == []
        return len(ENDED.findall(self.model.seen))

    @property
    def idle(self) -> Path:
        """What a process notes that waits to wake the session."""
        return self.home.places.runtime / "idle" / f"{SESSION}.json"

    def waiting(self) -> int:
        return int(json.loads(self.idle.read_text(encoding="utf-8"))["pid"])

    def asked(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.model.asked) >= count


@pytest.fixture
def desk(clean_environment: Path, cluster: Cluster, plugin: Path) -> Iterator[Desk]:
    """Lend a desk whose client has the plug-in installed."""
    with household(clean_environment) as home, standing_in() as model:
        own_programs(home)
        use_cluster(home, cluster)
        ssh = home.root / "bin" / "ssh"  # ssh takes its configuration from the password database's home
        ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F "{cluster.ssh_config}" "$@"\n', encoding="utf-8")
        ssh.chmod(0o755)
        lent = Desk(ClaudeCode(claude_program(), home, model.url), model, home, cluster)
        assert lent.claude.install(plugin)["outcome"] == "ok"
        yield lent
        for gate in lent.gates:
            gate.touch()


def tools(*names: str) -> Step:
    """Load tools, as an agent does that has read of them."""
    return [call("ToolSearch", query="select:" + ",".join(TOOLS + name for name in names))]


def test_a_job_is_registered_waited_for_and_diagnosed_and_its_end_told_once_with_its_cause(
    desk: Desk,
) -> None:
    gate, submit = desk.submission()

    def wait(asked: Asked) -> Sequence[Json]:
        gate.touch()
        return [call(TOOLS + "wait_for_change", timeout_s=110)]  # at once: the registration may still be under way

    desk.model.then(
        tools("wait_for_change", "check_status", "diagnose_job"),
        [text("It is submitted now."), submit],
        wait,
        [call(TOOLS + "check_status")],
        lambda _: [call(TOOLS + "diagnose_job", job=desk.job())],
        [text("It failed: the learning rate.")],
    )
    messages = desk.claude.prompt("submit it")
    assert (desk.told(), len(desk.model.asked)) == (1, 6)
    job, session = desk.job(), str(messages[-1]["session_id"])
    submitted, waited, status, diagnosed = (one.new for one in desk.model.asked[2:6])
    assert f"jobwarden registers slurm job {job} on cluster-a for this session" in submitted
    assert f"slurm:{job} on cluster-a (job.sh): FAILED" in waited
    assert ENDED.search(waited)
    assert "NEWS" not in status
    assert f"cause: {CAUSE}" in diagnosed
    registered = desk.home.journal(session)[0]
    assert (registered.event, registered.job_id) == ("registered", job)
    assert registered.record is not None
    assert registered.record["owner"] == {"agent": "claude-code", "session_id": session}
    assert desk.home.active(session) == []


def test_a_stop_is_held_once_for_an_end_and_a_prompt_brings_the_next_also_where_the_command_failed(
    desk: Desk,
) -> None:
    first, submit_first = desk.submission()
    second, submit_second = desk.submission(then="false\n")
    with desk.claude.session() as opened:

        def end_first(asked: Asked) -> Sequence[Json]:
            assert "Exit code 1" in asked.new
            assert "jobwarden registers slurm job" in asked.new
            eventually(lambda: len(desk.home.active(opened.session_id())) == 2, "both are watched", within_s=60)
            first.touch()
            desk.ended(opened.session_id(), 1)
            return [text("That is all.")]

        desk.model.then([submit_first], [submit_second], end_first, [text("It failed.")], [text("So did the other.")])
        opened.ask("submit both")
        assert (desk.told(), len(desk.model.asked)) == (1, 4)  # held once: there is no loop
        assert ENDED.search(desk.model.asked[-1].new)

        second.touch()
        desk.ended(opened.session_id(), 2)
        opened.ask("what else?")
        assert (desk.told(), len(desk.model.asked)) == (2, 5)
        assert f"(slurm {desk.job()} on cluster-a)" in desk.model.asked[-1].new
        opened.ask("and now?")
        assert (desk.told(), len(desk.model.asked)) == (2, 6)


def test_a_prompt_without_a_person_ends_though_a_job_runs(desk: Desk) -> None:
    _, submit = desk.submission()
    desk.model.then([submit], [text("It runs.")])
    messages = desk.claude.prompt("submit it", "--session-id", SESSION)  # would last as long as what waits for news
    assert messages[-1]["result"] == "It runs."
    assert not desk.idle.exists()
    eventually(lambda: desk.home.active(SESSION), "it is watched all the same", within_s=60)
