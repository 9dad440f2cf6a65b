"""The rules of job scripts: what is not taken is told, and a script costs no more than it may."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import anyio
import pytest

from jobwarden.rules.syntax import SCRIPT_CHARS, read_script
from jobwarden.service import script_rules
from jobwarden.service.service import Service
from jobwarden.sources.base import Found, Host
from jobwarden.sources.errors import SourceUnavailableError
from support.household import Household, household
from support.paper import Paper, paper_service

RULE = "#WATCHER pattern=hit\n"
NOT_READ = "#WATCHER rules of the script were not read; `jobwarden rules add ID --file SCRIPT` adds them"


@dataclass
class Scripted(Paper):
    """Its jobs have scripts: id to text, or what comes instead."""

    scripts: dict[str, str | Exception] = field(default_factory=dict[str, "str | Exception"])

    async def script(self, host: Host, job_id: str) -> str:  # noqa: ARG002 -- the contract's
        script = self.scripts.get(job_id, "")
        if isinstance(script, Exception):
            raise script
        if script == "hangs":
            await anyio.sleep_forever()
        return script

    async def discover(self, host: Host) -> Sequence[Found]:  # noqa: ARG002 -- the contract's
        return [Found(question="", id=job_id, name="train") for job_id in self.states]


@asynccontextmanager
async def scripted(root: Path, scripts: dict[str, str | Exception]) -> AsyncGenerator[tuple[Service, Household]]:
    with household(root, {"floor_s": 0.0}) as home:
        paper = Scripted(states=dict.fromkeys(scripts, "RUNNING"), scripts=scripts)
        async with paper_service(home, paper) as (service, desk):
            cast("dict[str, object]", desk.world.sources.usable)["paper"] = paper
            yield service, home


async def notes(service: Service, home: Household, ids: Sequence[str]) -> list[str]:
    view = await service.register(home.caller(), type="paper", ids=ids)
    return [note for note in view.notes if "script" in note]


async def test_rules_of_a_script_are_taken_and_a_job_without_any_is_not_spoken_of(clean_environment: Path) -> None:
    async with scripted(clean_environment, {"1": RULE, "2": "#!/bin/sh\n", "3": ""}) as (service, home):
        assert await notes(service, home, ["1", "2", "3"]) == ["Rules in the script of 1: rule-1."]


@pytest.mark.parametrize("script", ["hangs", SourceUnavailableError("There is no answer.")])
async def test_scripts_that_cannot_be_read_in_time_are_told_in_one_note(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch, script: str | Exception
) -> None:
    monkeypatch.setattr(script_rules, "_PATIENCE_S", 0.2)
    async with scripted(clean_environment, {"1": RULE, "2": script, "3": RULE}) as (service, home):
        taken, not_read = await notes(service, home, ["1", "2", "3"])
        assert taken == "Rules in the script of 1: rule-1."
        assert not_read.startswith(f"2, 3: {NOT_READ}")


async def test_of_many_jobs_those_beyond_the_tenth_are_told(clean_environment: Path) -> None:
    ids = [str(number) for number in range(100, 112)]
    async with scripted(clean_environment, dict.fromkeys(ids, RULE)) as (service, home):
        told = await notes(service, home, ids)
        assert len(told) == 11
        assert told[-1].startswith(f"110, 111: {NOT_READ}")


async def test_jobs_that_are_adopted_have_the_rules_of_their_scripts(clean_environment: Path) -> None:
    async with scripted(clean_environment, {"1": RULE}) as (service, home):
        await service.discover(home.caller(), type="paper", adopt=["1"])
        listed = await service.watch_log(home.caller(), "1", action="list")
        assert [rule.name for rule in listed.rules] == ["rule-1"]


async def test_a_script_full_of_what_is_wrong_or_of_rules_is_not_read_to_its_end(clean_environment: Path) -> None:
    """400,000 lines that are wrong were 400,000 notes, each an event of the journal."""
    scripts: dict[str, str | Exception] = {"1": "#WATCHERx\n" * 400_000, "2": RULE.replace("hit", "a") * 100_000}
    async with scripted(clean_environment, scripts) as (service, home):
        told = await notes(service, home, ["1"])
        assert len(told) == 6
        assert "from line 6 on was not read" in told[-1]
        [rules, *others] = reversed(await notes(service, home, ["2"]))
        assert rules == "Rules in the script of 2: rule-1."
        assert "from line 12 on was not read" in "".join(others)


def test_a_rule_behind_what_is_read_of_a_script_is_told() -> None:
    script = "#!/bin/sh\n" + "echo\n" * (SCRIPT_CHARS // 5) + RULE
    found, wrong = read_script(script)
    assert found == []
    assert "characters was not read" in wrong[0].text
