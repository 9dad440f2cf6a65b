"""Of which run a line is, and what may be done for it: real logs and a scheduler of paper."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobwarden.rules import looking
from jobwarden.rules.building import read_rules
from jobwarden.rules.engine import step
from jobwarden.rules.job_logs import LogReader
from jobwarden.rules.looking import Looked, Looker
from jobwarden.rules.sight import Outcome
from jobwarden.rules.writing import write_rule
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Attempt, JobRecord, LogPaths
from jobwarden_registry.phases import Phase
from support.deeds import GRANTS, Stage, staged
from support.household import household

RULES = (
    "name=oom pattern=OOM action=resubmit(times=3)",
    "name=fatal pattern=FATAL actions=[notify, cancel_job]",
)
SLURMS_LINE = "slurmstepd: error: FATAL *** JOB 100 ON n1 CANCELLED ***\n"


@dataclass
class Watched:
    """A job whose rules are looked at when the test says so."""

    stage: Stage
    folder: Path
    looker: Looker = field(init=False)

    def __post_init__(self) -> None:
        self.looker = Looker(self.stage.world.rounds, self.stage.home.env)

    async def look(self) -> Looked:
        return await self.looker.look(self.stage.session, self.stage.record.uid, lease=None)

    def write(self, name: str, text: str) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def become(self, log: str, **fields: object) -> JobRecord:
        """Change the record as a round would have done."""
        changed = {"log": LogPaths(stdout=str(self.folder / log)), "work_dir": str(self.folder), **fields}
        after = self.stage.current().changed(**changed)
        with self.stage.session.transaction() as transaction:
            transaction.change(after.uid, after, EventKind.UPDATED, text="seen")
        return after

    def fired(self, rule: str) -> list[str]:
        events = [one for one in self.stage.session.journal.read() if one.event == EventKind.RULE_FIRED]
        return [str((one.model_extra or {})["line"]) for one in events if (one.model_extra or {})["rule"] == rule]


@pytest.fixture
async def job(clean_environment: Path) -> AsyncGenerator[Watched]:
    with household(clean_environment, {"floor_s": 0.0, "cancel_grace_s": 0.2}, GRANTS) as home:
        async with staged(home) as stage:
            watched = Watched(stage, home.project)
            watched.become("100.out", rules=tuple(write_rule(rule) for rule in read_rules(RULES)))
            yield watched


async def test_what_the_replaced_run_writes_when_it_is_cancelled_does_not_cancel_the_new_one(job: Watched) -> None:
    job.write("100.out", "OOM\n")
    await job.look()
    assert job.stage.press.made() == ["900"]
    assert job.stage.press.killed == {"100": 1}
    job.write("100.out", SLURMS_LINE)
    job.write("900.out", "hello\n")
    job.become("900.out", phase=Phase.RUNNING)
    job.stage.press.states["900"] = "RUNNING"
    await job.look()
    assert job.fired("fatal") == [SLURMS_LINE.strip()]
    assert job.stage.press.killed == {"100": 1}
    assert "a later run is not meant" in job.stage.texts()
    assert "fired (on 'slurmstepd" in job.stage.texts()  # it is told all the same
    job.write("900.out", "FATAL of its own\n")
    await job.look()
    assert job.stage.press.killed == {"100": 1, "900": 1}


async def test_two_rules_that_fire_at_one_look_mean_the_run_that_wrote_the_lines(job: Watched) -> None:
    job.write("100.out", "OOM\nFATAL\n")
    await job.look()
    assert job.stage.press.made() == ["900"]
    assert job.stage.press.killed == {"100": 1}


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
async def test_the_rest_of_a_run_in_the_file_of_the_requeued_one_cancels_nothing(job: Watched, phase: Phase) -> None:
    job.write("100.out", "hello\n")
    await job.look()
    job.write("100.out", SLURMS_LINE)
    runs = (*job.stage.current().attempts, Attempt(id="100", phase=phase))
    job.become("100.out", phase=phase, attempts=runs)
    await job.look()
    assert job.fired("fatal") == [SLURMS_LINE.strip()]
    assert job.stage.press.killed == {}
    job.become("100.out", phase=Phase.RUNNING)
    await job.look()
    job.write("100.out", "FATAL of its own\n")
    await job.look()
    assert job.stage.press.killed == {"100": 1}


async def test_a_file_that_the_new_run_began_anew_is_the_new_runs(job: Watched) -> None:
    job.write("100.out", "hello, this is the first run\n")
    await job.look()
    runs = (*job.stage.current().attempts, Attempt(id="100", phase=Phase.RUNNING))
    job.become("100.out", phase=Phase.RUNNING, attempts=runs)
    (job.folder / "100.out").write_text("FATAL\n")
    await job.look()
    assert job.stage.press.killed == {"100": 1}


async def test_lines_are_matched_beside_the_loop(job: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hard patterns in a long log held up every verdict of the watcher."""
    threads: list[int] = []

    def seen(*args: Any) -> Outcome:
        threads.append(threading.get_ident())
        return step(*args)

    monkeypatch.setattr(looking, "step", seen)
    await job.look()
    assert threads
    assert threading.get_ident() not in threads


def _rules(job: Watched, *texts: str) -> None:
    job.become("100.out", rules=tuple(write_rule(rule) for rule in read_rules(texts)))


def _end(job: Watched, status: str = "TIMEOUT") -> None:
    ended = job.stage.current().changed(phase=Phase.FAILED, last_status=status)
    with job.stage.session.transaction() as transaction:
        transaction.finish(ended.uid, ended, text="over")


async def test_a_file_that_could_not_be_looked_for_at_the_end_is_looked_for_until_it_can_be(
    job: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host did not answer at that moment, and the rule never fired."""
    _rules(job, "name=end missing_file=never.pt")
    _end(job)

    async def unknown(*_: object) -> None:
        return None

    await job.look()
    job.stage.clock.later(seconds=60)
    with monkeypatch.context() as patch:
        patch.setattr(LogReader, "is_missing", unknown)
        looked = await job.look()
        assert looked.wait_s is not None
        assert looked.wait_s >= 1
    assert job.fired("end") == []
    await job.look()
    assert job.fired("end") == ["never.pt is not there."]


@pytest.mark.parametrize("path", ["never.pt", "/etc/never"])
async def test_a_file_that_could_not_be_looked_for_at_all_is_told_at_the_end(
    job: Watched, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    _rules(job, f"name=end missing_file={path}")
    _end(job)
    if path == "never.pt":

        async def unknown(*_: object) -> None:
            return None

        monkeypatch.setattr(LogReader, "is_missing", unknown)
    await job.look()
    job.stage.clock.later(minutes=61)
    await job.look()
    assert job.fired("end") == []
    assert job.stage.texts().count("The rule end of paper 100 has not seen all at its end") == 1


async def test_a_log_that_may_not_be_read_is_told_at_the_end(job: Watched) -> None:
    _rules(job, "name=hit pattern=x")
    (job.folder / "100.out").symlink_to("/etc/shadow")
    job.become("100.out")
    _end(job)
    await job.look()
    job.stage.clock.later(seconds=60)
    await job.look()
    assert "The rule hit of paper 100 has not seen all at its end" in job.stage.texts()


async def test_a_state_that_is_noted_while_a_look_begins_is_seen_at_the_next_one(
    job: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rules(job, "name=out state=[SUSPENDED]", "name=exit state=[exited]", "name=hit pattern=x")
    await job.look()
    job.write("100.out", "y\n")  # so that the look has something to remember
    words = looking._words  # pyright: ignore[reportPrivateUsage] -- the moment between two reads

    def late(*args: Any) -> Any:
        after = job.stage.current().changed(phase=Phase.SUSPENDED, last_status="SUSPENDED")
        with job.stage.session.transaction() as transaction:
            transaction.change(after.uid, after, EventKind.STATUS_CHANGE, text="suspended")
        return words(*args)

    with monkeypatch.context() as patch:
        patch.setattr(looking, "_words", late)
        await job.look()
    await job.look()
    assert job.fired("out") == ["suspended: SUSPENDED"]
    _end(job, "EXITED 1")
    await job.look()
    assert job.fired("exit") == ["failed: EXITED 1"]
