"""Completion checks by hand (`service.reconciling`): real files, a registry, and a scheduler of paper."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobwarden.service.reconciling_views import ReconciledRow, ReconcileView
from jobwarden.service.service import Service
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import InvalidIdError, JobNotFoundError
from support.household import Household, household
from support.paper import FAR, Paper, paper_service

CLOCKS = {
    "floor_s": 0.0, "poll_s": 60.0, "quick_budget": 1000, "grace_s": 0.0, "lost_after_s": 0.0, "lost_answers": 2,
    "expect_again_s": 0.05,
}  # fmt: skip


@dataclass
class Site:
    """A session, its scheduler, and the folder where its jobs write."""

    home: Household
    paper: Paper
    folder: Path
    ahead: timedelta = timedelta()
    said: list[str] = field(default_factory=list[str])
    late: str = ""
    """A file that comes only after the first look."""
    service: Service = field(init=False)

    def clock(self) -> datetime:
        return utc_now() + self.ahead

    def write(self, name: str, *, old: bool = False) -> None:
        path = self.folder / name
        path.write_text("whole\n", encoding="utf-8")
        if old:
            os.utime(path, (1_000_000_000, 1_000_000_000))

    async def register(self, job: str = "1", word: str = "RUNNING", *, expect: str = "out.json", **how: Any) -> None:
        self.paper.submitted_at[job] = utc_now() - timedelta(minutes=1)
        self.paper.states[job] = "RUNNING"
        checks = [f"{self.folder}/{expect}"] if expect else []
        caller = self.home.caller(how.pop("session", "session-1"))
        await self.service.register(caller, type="paper", ids=[job], expect=checks, **how)
        self.paper.states[job] = word
        if not word:
            del self.paper.states[job]

    async def look(self, *jobs: str, **how: Any) -> ReconciledRow:
        view = await self.view(*jobs, **how)
        assert len(view.rows) == 1, view
        return view.rows[0]

    async def view(self, *jobs: str, **how: Any) -> ReconcileView:
        return await self.service.reconciling.reconcile(self.home.caller(), jobs=jobs, say=self._say, **how)

    async def _say(self, text: str) -> None:
        self.said.append(text)
        if self.late:
            self.write(self.late)

    async def phase(self, job: str = "1") -> str:
        return (await self.service.job(self.home.caller(), job)).phase


@pytest.fixture
async def site(clean_environment: Path, tmp_path: Path) -> AsyncGenerator[Site]:
    extra = FAR + f'[hosts.localhost]\nread = ["{tmp_path}"]\n'
    with household(clean_environment, CLOCKS, extra) as home:
        made = Site(home, Paper(), tmp_path)
        async with paper_service(home, made.paper, made.clock) as (service, _):
            made.service = service
            yield made


async def test_a_success_with_its_output_is_told_with_the_line_seen(site: Site) -> None:
    await site.register(word="COMPLETED")
    site.write("out.json")
    row = await site.look("1")
    assert (row.was, row.outcome, row.job.phase) == ("running", "changed", "succeeded")
    (output,) = row.outputs
    assert output.found is True
    assert output.line.startswith(f"{site.folder}/out.json is there: 6 bytes, ")
    assert row.seen is not None
    assert (row.seen.question, row.seen.lines[0]) == (("look",), "1")
    assert site.said == []


async def test_a_success_whose_output_is_missing_twice_has_failed(site: Site) -> None:
    await site.register(word="COMPLETED")
    row = await site.look("1")
    assert (row.outcome, row.job.phase) == ("changed", "failed")
    assert "missing twice, 0 s apart" in row.text
    assert [output.line for output in row.outputs] == [f"{site.folder}/out.json is not there"]
    assert site.said == ["Expected output of 1 job(s) is not there; looking again in 0 s: network file systems lag."]


async def test_output_that_comes_late_is_looked_for_again(site: Site) -> None:
    await site.register(word="COMPLETED")
    site.late = "out.json"
    row = await site.look("1")
    assert (row.outcome, row.job.phase, len(site.said)) == ("changed", "succeeded", 1)


async def test_old_output_of_an_earlier_run_is_no_success(site: Site) -> None:
    await site.register(word="COMPLETED")
    site.write("out.json", old=True)
    row = await site.look("1")
    assert row.job.phase == "failed"
    assert "is older than the job" in row.outputs[0].line


async def test_a_job_that_is_nowhere_is_not_decided_by_one_look_even_if_its_output_is_there(site: Site) -> None:
    await site.register(word="")
    site.write("out.json")
    row = await site.look("1")
    assert (row.outcome, row.job.phase) == ("undecided", "running")
    assert "nowhere, in 1 whole answer(s) so far. All its expected output is there." in row.text
    row = await site.look("1")
    assert (row.outcome, row.job.phase, row.job.status) == ("changed", "succeeded", "GONE")
    assert "Its scheduler has forgotten it; all its expected output is there" in row.text


@pytest.mark.parametrize("hours", [0, 3])
async def test_a_lost_job_has_succeeded_when_its_output_is_found(site: Site, hours: int) -> None:
    await site.register(word="")
    await site.look("1")
    lost = await site.look("1")
    assert (lost.outcome, lost.job.phase, lost.outputs[0].found) == ("changed", "lost", False)
    site.ahead = timedelta(hours=hours)
    still = await site.look("1")
    assert (still.outcome, still.job.phase) == ("undecided", "lost")
    site.write("out.json")
    row = await site.look("1")
    assert (row.was, row.outcome, row.job.phase, row.job.status) == ("lost", "changed", "succeeded", "GONE")
    assert site.home.journal()[-1].text == (
        "It was lost, and is still nowhere. All its expected output is there, newer than its submission."
    )


async def test_old_output_finds_no_lost_job(site: Site) -> None:
    await site.register(word="")
    site.write("out.json", old=True)
    phases = [(await site.look("1")).job.phase for _ in range(3)]
    assert phases == ["running", "lost", "lost"]


async def test_without_any_expectation_it_says_that_the_schedulers_word_alone_counts(site: Site) -> None:
    await site.register(word="COMPLETED", expect="")
    row = await site.look("1")
    assert (row.expects, row.outputs, row.job.phase) == (False, (), "succeeded")
    assert "Nothing is expected of it" in row.text


async def test_what_runs_is_not_judged_by_what_is_there(site: Site) -> None:
    await site.register()
    site.write("out.json")
    row = await site.look("1")
    assert (row.outcome, row.job.phase, row.outputs[0].found) == ("as it was", "running", True)
    assert "its output counts when it has ended" in row.text


async def test_an_end_is_not_taken_back_but_what_does_not_fit_it_is_said(site: Site) -> None:
    await site.register(word="COMPLETED")
    site.write("out.json")
    await site.look("1")
    assert (await site.look("1")).outcome == "as it was"
    (site.folder / "out.json").unlink()
    row = await site.look("1")
    assert (row.outcome, row.job.phase) == ("contradicted", "succeeded")
    assert f"Its output is not there (any more): {site.folder}/out.json." in row.text
    assert await site.phase() == "succeeded"


async def test_a_failure_by_missing_output_stays_one_when_the_output_is_there_later(site: Site) -> None:
    await site.register(word="COMPLETED")
    await site.look("1")
    site.write("out.json")
    row = await site.look("1")
    assert (row.outcome, row.job.phase) == ("contradicted", "failed")
    assert "All the output is there now. What has ended stays as it was recorded" in row.text


async def test_an_ended_job_that_runs_again_is_told_and_not_taken_up(site: Site) -> None:
    await site.register(word="COMPLETED", expect="")
    await site.look("1")
    site.paper.states["1"] = "RUNNING"
    row = await site.look("1")
    assert (row.outcome, row.job.phase) == ("contradicted", "succeeded")
    assert "says RUNNING now: register it again" in row.text


async def test_an_ended_job_that_its_scheduler_has_forgotten_is_confirmed_by_its_output(site: Site) -> None:
    await site.register(word="COMPLETED")
    site.write("out.json")
    await site.look("1")
    del site.paper.states["1"]
    row = await site.look("1")
    assert (row.outcome, row.outputs[0].found) == ("as it was", True)
    assert "does not know it any more" in row.text


async def test_what_is_expected_for_one_look_decides_nothing_and_is_not_kept(site: Site) -> None:
    await site.register(word="COMPLETED", expect="")
    row = await site.look("1", expect=[f"{site.folder}/other.json"])
    assert (row.job.phase, row.outputs[0].found) == ("succeeded", False)
    assert "What --expect names was looked for this once, and decides nothing." in row.text
    again = await site.look("1")
    assert (again.expects, again.outcome) == (False, "as it was")
    assert (await site.look("1", expect=[f"{site.folder}/other.json"])).outcome == "contradicted"


async def test_who_cannot_be_asked_says_nothing_of_the_job(site: Site) -> None:
    await site.register()
    await site.register("2", "COMPLETED")
    site.write("out.json")
    await site.look("2")
    site.paper.raises = SourceUnavailableError("slurmctld does not answer", code="slurm.unavailable")
    rows = {row.job.id: row for row in (await site.view()).rows}
    assert {job: (row.outcome, row.job.phase) for job, row in rows.items()} == {
        "1": ("not asked", "running"),
        "2": ("not asked", "succeeded"),
    }
    assert "slurmctld does not answer" in rows["1"].text


async def test_all_means_every_session_and_none_named_means_this_one(site: Site) -> None:
    await site.register("1")
    await site.register("2", session="session-2")
    assert [row.job.id for row in (await site.view()).rows] == ["1"]
    assert {row.job.id for row in (await site.view(everything=True)).rows} == {"1", "2"}
    assert [row.job.id for row in (await site.view("2", everything=True)).rows] == ["2"]


async def test_what_cannot_be_meant_is_refused_before_anything_is_asked(site: Site) -> None:
    await site.register()
    before = len(site.paper.asked)
    with pytest.raises(InvalidIdError):
        await site.view("1", expect=["../out"])
    with pytest.raises(JobNotFoundError):
        await site.view("nobody")
    assert len(site.paper.asked) == before
