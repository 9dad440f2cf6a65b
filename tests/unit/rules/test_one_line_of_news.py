"""That a rule has fired, and what its message says, is one line to the agent, and nothing of either is lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from jobwarden.delivery import news
from jobwarden.mcp_server.news import news_lines
from jobwarden.rules.building import read_rules
from jobwarden.rules.looking import Looker
from jobwarden.rules.state import JobRules
from jobwarden.rules.store import load_rules
from jobwarden.rules.writing import write_rule
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.model import LogPaths
from support.deeds import GRANTS, Stage, staged
from support.household import household

LONG = "loss: 12.5 " + "of the last batch " * 20


@pytest.fixture
async def stage(clean_environment: Path) -> AsyncGenerator[Stage]:
    with household(clean_environment, {"floor_s": 0.0}, GRANTS) as home:
        async with staged(home) as stage:
            yield stage


async def look(stage: Stage, log: str, *rules: str) -> tuple[Event, ...]:
    """Look at a log for these rules once; answers what the agent is told of it."""
    (stage.home.project / "100.out").write_text(log, encoding="utf-8")
    folder = str(stage.home.project)
    fields = {"log": LogPaths(stdout=f"{folder}/100.out"), "work_dir": folder}
    after = stage.current().changed(rules=tuple(write_rule(rule) for rule in read_rules(rules)), **fields)
    with stage.session.transaction() as transaction:
        transaction.change(after.uid, after, EventKind.UPDATED, text="seen")
    news.take(stage.session, consumer=news.ROOT, client="c1")
    await Looker(stage.world.rounds, stage.home.env).look(stage.session, after.uid, lease=None)
    return news.take(stage.session, consumer=news.ROOT, client="c1")


def texts(events: tuple[Event, ...]) -> list[str]:
    return [event.text or "" for event in events]


async def test_a_rule_and_its_message_are_one_line(stage: Stage) -> None:
    rule = (
        'name=bad pattern="loss: ([0-9.]+)" captures=[loss] action=notify(message="It is ${loss}", subject="Diverged")'
    )
    told = await look(stage, "loss: 12.5\n", rule)
    assert texts(told) == ["rule bad: Diverged: It is 12.5 (on 'loss: 12.5')"]
    (line,) = news_lines(told, stage.clock(), 5000)[1:]
    assert line.endswith("rule bad: Diverged: It is 12.5 (on 'loss: 12.5')")
    assert any(event.event == EventKind.RULE_FIRED for event in stage.session.journal.read())  # kept all the same


async def test_of_several_firings_each_message_is_told_with_its_number(stage: Stage) -> None:
    told = await look(
        stage, "E one\nE two\nE three\n", 'name=e pattern="E (.+)" action=notify(message="saw $${1} ${1}")'
    )
    assert texts(told) == [
        "rule e: saw ${1} one (on 'E one')",
        "rule e (time 2): saw ${1} two (on 'E two')",
        "rule e (time 3): saw ${1} three (on 'E three')",
    ]


async def test_all_of_a_long_line_is_told_with_the_message(stage: Stage) -> None:
    (text,) = texts(await look(stage, LONG + "\n", "name=bad pattern=loss action=notify"))
    assert LONG.strip() in text


async def test_of_a_long_message_the_agent_sees_the_beginning_and_the_line(stage: Stage) -> None:
    told = await look(
        stage, "loss: 12.5\n", f'name=bad pattern=loss action=notify(message="Look at {"all of this " * 90}")'
    )
    (line,) = news_lines(told, stage.clock(), 5000)[1:]
    assert "rule bad: Look at all of this" in line
    assert line.endswith("(on 'loss: 12.5')")
    assert len(line) < 550


async def test_a_message_that_cannot_be_written_is_told_with_its_line(stage: Stage) -> None:
    rule = 'name=bad pattern="loss(: x)?" action=notify(message="It is ${1}")'
    (text,) = texts(await look(stage, "loss at last\n", rule))
    assert "on 'loss at last'" in text
    assert "notify" in text


@pytest.mark.parametrize("action", ["log_event", "pause", "cancel_job", "store_metric(name=x, value=1), log_event"])
async def test_a_rule_without_a_message_is_told_as_fired(stage: Stage, action: str) -> None:
    told = await look(stage, "loss: 12.5\n", f"name=bad pattern=loss actions=[{action}]")
    assert [event.text for event in told if event.event == EventKind.RULE_FIRED] == ["bad: loss: 12.5"]


async def test_a_rule_that_is_removed_between_its_firing_and_its_message_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_args: object) -> int:
        return load_rules(stage.session).get(stage.record.uid, JobRules()).version

    monkeypatch.setattr(Looker, "_do", nothing)  # killed before it did anything
    assert await look(stage, "loss: 12.5\n", "name=bad pattern=loss action=notify") == ()
    monkeypatch.undo()
    assert texts(await look(stage, "loss: 12.5\n", "name=other pattern=nothing")) == [
        "The rule bad fired just before it was removed: loss: 12.5"
    ]
