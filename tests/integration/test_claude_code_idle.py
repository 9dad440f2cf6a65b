"""Claude Code at a terminal, idle: woken when a job of its session has something to tell, once, by one small process.

The job is a local program: what wakes the session knows no scheduler. The model is a script on loopback.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.claude_code import ClaudeCode, claude_program, own_programs, plugin_copy
from support.household import Household, eventually, household
from support.model import Json, Model, call, standing_in, text

pytestmark = pytest.mark.node

SESSION = "11111111-2222-4333-8444-555555555555"
ENDED = "RUNNING -> EXITED 3"


@dataclass(frozen=True)
class Sitting:
    """A person's client, and the model that it asks."""

    claude: ClaudeCode
    model: Model
    home: Household
    plugin: Path

    @property
    def gate(self) -> Path:
        """When this is there the job ends."""
        return self.home.root / "gate"

    @property
    def idle(self) -> Path:
        """What the process notes that waits to wake the session."""
        return self.home.places.runtime / "idle" / f"{SESSION}.json"

    def job(self) -> Json:
        """Give the tool call that starts a job."""
        script = f"until [ -e {self.gate} ]; do sleep 0.1; done; exit 3"
        return call("Bash", command=f"jobwarden run --name long -- sh -c '{script}'", description="start")

    def waiting(self) -> int:
        """Give the process that waits."""
        eventually(self.idle.exists, "something waits for news", within_s=60)
        return int(json.loads(self.idle.read_text(encoding="utf-8"))["pid"])

    def stopped(self) -> bool:
        """Whether the hook has ended that may hold the stop: it is started together with the one that waits."""
        lines: list[bytes] = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                lines.append(path.read_bytes())
        holding = any(str(self.plugin).encode() in line and b"jobwarden_hook.py" in line for line in lines)
        return not holding and time.time() - self.idle.stat().st_mtime > 3

    def asked(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.model.asked) >= count


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plugin_copy(tmp_path_factory.mktemp("plugin") / "jobwarden")


@pytest.fixture
def sitting(clean_environment: Path, plugin: Path) -> Iterator[Sitting]:
    with household(clean_environment) as home, standing_in() as model:
        own_programs(home)
        lent = Sitting(ClaudeCode(claude_program(), home, model.url), model, home, plugin)
        assert lent.claude.install(plugin)["outcome"] == "ok"
        yield lent
        lent.gate.touch()
        eventually(lambda: not home.active(SESSION), "the job has ended", within_s=60)


def test_an_idle_session_is_woken_by_an_end_and_told_it_once(sitting: Sitting) -> None:
    sitting.model.then([sitting.job()], [text("It runs.")], [text("It failed.")], [text("No.")])
    with sitting.claude.terminal(SESSION) as opened:
        opened.enter("start it", sitting.asked(1))
        sitting.waiting()
        eventually(sitting.stopped, "the turn has ended", within_s=60)
        sitting.gate.touch()
        eventually(sitting.asked(3), "it takes a turn by itself", within_s=120)
        assert "While this session was idle: jobwarden, news" in sitting.model.asked[2].new
        assert ENDED in sitting.model.asked[2].new
        eventually(lambda: not sitting.idle.exists(), "nothing is watched, and nothing waits", within_s=60)

        opened.enter("anything new?", sitting.asked(4))
    assert (sitting.model.seen.count(ENDED), len(sitting.model.asked), sitting.model.trouble) == (1, 4, [])


def test_what_waits_for_news_is_one_process_and_ends_with_the_session(sitting: Sitting) -> None:
    sitting.model.then([sitting.job()], [text("It runs.")], [text("Still.")])
    with sitting.claude.terminal(SESSION) as opened:
        opened.enter("start it", sitting.asked(1))
        first = sitting.waiting()
        opened.enter("go on", sitting.asked(3))
        eventually(lambda: not Path(f"/proc/{first}").exists(), "the first has gone", within_s=60)
        last = sitting.waiting()
        assert last != first
    eventually(lambda: not Path(f"/proc/{last}").exists(), "the last went with the session", within_s=60)
