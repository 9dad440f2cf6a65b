"""What starts a failed job again, once, and what does not: real journals, a real log, and a scheduler of paper."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from jobwarden.actions.cancel import Doomed, Order, request_cancel
from jobwarden.diagnosis.model import Category
from jobwarden.rules import looking
from jobwarden.rules.building import read_rule, read_rules
from jobwarden.rules.looking import Looked, Looker
from jobwarden.rules.writing import write_rule
from jobwarden.sources.base import Host, Seen, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.resubmitting import Original
from jobwarden.verdict.apply import write_draft
from jobwarden.verdict.ending import Causes
from jobwarden.verdict.engine import judge
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import Attempt, Evidence, JobRecord, LogPaths
from jobwarden_registry.phases import Phase
from support.deeds import BEGIN, GRANTS, CrashError, Stage, staged
from support.household import household

MEMORY = 'name=oom restart=[OUT_OF_MEMORY] times=2 changes={"mem": "x2"}'


@dataclass
class Job:
    """A job that fails when the test says so, and is looked at then."""

    stage: Stage
    folder: Path
    looker: Looker = field(init=False)

    def __post_init__(self) -> None:
        self.looker = Looker(self.stage.world.rounds, self.stage.home.env)

    @property
    def press(self) -> Any:
        """The scheduler, whose answers a test may replace."""
        return self.stage.press

    def rules(self, *texts: str) -> None:
        rules = tuple(write_rule(rule) for rule in read_rules(texts))
        log = LogPaths(stdout=str(self.folder / "100.out"))
        after = self.stage.current().changed(rules=rules, restarts=True, log=log, work_dir=str(self.folder))
        with self.stage.session.transaction() as transaction:
            transaction.change(after.uid, after, EventKind.UPDATED, text="seen")

    def write(self, text: str) -> None:
        with (self.folder / "100.out").open("a", encoding="utf-8") as file:
            file.write(text)

    def fail(self, status: str = "FAILED", **told: Any) -> JobRecord:
        """Let its present run fail, as a round would find it; answers the record, held or as it ended."""
        record, now = self.stage.current(), self.stage.clock()
        run = record.attempts[-1]
        self.stage.press.states[run.id] = status
        phase = Phase.CANCELLED if status.startswith("CANCELLED") else Phase.FAILED
        ended = run.model_copy(update={"phase": phase, "status": status})
        seen = Seen(
            evidence=Evidence(asked_at=now), phase=phase, status=status, submitted_at=run.submitted_at, ended_at=now,
            attempts=(*record.attempts[:-1], ended), **told,
        )  # fmt: skip
        judgement = judge(record, seen, asked_at=now, now=now, clocks=self.stage.world.config.clocks)
        with self.stage.session.transaction() as transaction:
            for draft in judgement.drafts:
                write_draft(transaction, draft, Causes())
        return judgement.record

    async def look(self, times: int = 3) -> Looked:
        """Look until all is decided that can be."""
        looked = Looked(None)
        for _ in range(times):
            looked = await self.looker.look(self.stage.session, self.stage.record.uid, lease=None)
            self.stage.clock.later(seconds=11)
        return looked

    def again(self) -> None:
        """Begin anew, as a process that has just begun."""
        self.looker = Looker(self.stage.world.rounds, self.stage.home.env)

    def made(self) -> list[str]:
        return self.stage.press.made()

    def ends(self) -> list[Event]:
        return [one for one in self.stage.session.journal.read() if one.event == EventKind.FINISHED]

    def news(self) -> list[str]:
        kinds = (EventKind.ATTEMPT, EventKind.ACTION, EventKind.FINISHED)
        events = [one for one in self.stage.session.journal.read() if one.event in kinds]
        return [
            one.text or ""
            for one in events
            if one.event != EventKind.ACTION or (one.model_extra or {}).get("told") is True
        ]


@pytest.fixture
async def job(clean_environment: Path) -> AsyncGenerator[Job]:
    with household(clean_environment, {"floor_s": 0.0, "cancel_grace_s": 0.2}, GRANTS) as home:
        async with staged(home) as stage:
            stage.clock.later(minutes=5)  # its run was submitted 100 s after the beginning
            made = Job(stage, home.project)
            original = stage.press.original

            async def big(host: Host, wanted: Wanted) -> Original:
                return replace(await original(host, wanted), memory_mib=4096.0)

            made.press.original = big  # it knows how much memory the job asked for
            made.write("hello\n")
            yield made


async def test_a_failed_run_is_followed_by_another_one_of_the_same_job(job: Job) -> None:
    job.rules(MEMORY)
    held = job.fail("OUT_OF_MEMORY")
    assert (held.phase, held.last_status, held.uid) == (Phase.PENDING, "OUT_OF_MEMORY", job.stage.record.uid)
    await job.look()
    assert job.made() == ["900"]
    assert job.stage.press.options["900"] == ("--mem=8G",)
    record = job.stage.current()
    assert (record.resubmitted_as, record.held, len(record.attempts)) == ("900", None, 2)
    assert job.ends() == []
    assert job.news() == ["Run 2. failed (OUT_OF_MEMORY), restarted as 900 with mem=8G (restart 1 of 2)."]


async def test_what_no_rule_means_ends_as_ever(job: Job) -> None:
    job.rules(MEMORY)
    job.fail("TIMEOUT")
    await job.look(2)
    assert job.made() == []
    (end,) = job.ends()
    assert (end.phase, end.new_status, end.text) == ("failed", "TIMEOUT", None)


async def test_a_policy_is_exhausted_over_all_attempts_and_the_end_says_so(job: Job) -> None:
    job.rules(MEMORY)
    for _ in range(3):
        assert job.fail("OUT_OF_MEMORY").held is not None
        await job.look()
        job.stage.clock.later(hours=1)
    assert job.made() == ["900", "901"]
    (end,) = job.ends()
    assert end.text == "rule oom: restart: It was restarted 2 times by this rule, which allows 2."
    assert [one["id"] for one in (end.record or {})["attempts"]] == ["100", "900", "901"]


@pytest.mark.parametrize("status", ["CANCELLED by 1000", "CANCELLED"])
async def test_what_was_cancelled_is_not_held_and_not_restarted(job: Job, status: str) -> None:
    job.rules("restart=[failed] times=2")
    assert job.fail(status).held is None
    await job.look()
    assert job.made() == []
    assert [one.phase for one in job.ends()] == ["cancelled"]


async def test_a_job_that_traps_what_ends_it_is_not_restarted_when_its_end_was_asked_for(job: Job) -> None:
    job.rules("restart=[exit:75] times=2")
    await cancel(job)
    job.fail("FAILED", exit_code=75)
    await job.look()
    assert job.made() == []
    assert job.ends()[0].text == "Its end was asked for by codex session 1: enough."


async def test_cancelling_a_job_whose_restart_is_under_way_calls_that_off(job: Job) -> None:
    job.rules("restart=[failed] times=2")
    original = unanswered(job)
    job.fail()
    await job.look()
    assert job.stage.current().reason == "failed (FAILED), is being restarted (restart 1 of 2)"
    assert await cancel(job) == "Its run has ended; it is not started again."
    job.press.original = original  # it answers again
    job.stage.clock.later(minutes=10)
    await job.look()
    assert (job.made(), len(job.ends())) == ([], 1)


async def test_a_cancel_while_it_is_being_submitted_ends_the_new_run(job: Job) -> None:
    job.rules("restart=[failed] times=2")
    submit = job.stage.press.submit

    async def slow(*args: Any) -> str | None:
        await cancel(job)
        return await submit(*args)

    job.press.submit = slow  # the agent is quicker than sbatch
    job.fail()
    await job.look()
    assert job.made() == ["900"]
    assert job.stage.press.killed == {"900": 1}


async def test_removing_the_rule_calls_a_restart_off(job: Job) -> None:
    job.rules("restart=[failed] times=2")
    original = unanswered(job)
    job.fail()
    await job.look()
    after = job.stage.current().changed(rules=(), restarts=False)
    with job.stage.session.transaction() as transaction:
        transaction.change(after.uid, after, EventKind.UPDATED, text="rules: 1 -> 0")
    job.press.original = original  # it answers again
    job.stage.clock.later(minutes=10)
    await job.look()
    assert (job.made(), len(job.ends())) == ([], 1)


def unanswered(job: Job) -> Callable[[Host, Wanted], Coroutine[Any, Any, Original]]:
    """Let nobody know for now what the job was submitted with; answers what will."""
    original = job.stage.press.original

    async def behind(host: Host, wanted: Wanted) -> Original:
        raise SourceUnavailableError("Accounting does not know it yet.", code="slurm.accounting_behind")

    job.press.original = behind  # accounting lags
    return original


async def test_a_restart_waits_for_accounting_that_lags(job: Job) -> None:
    job.rules(MEMORY)
    original = unanswered(job)
    job.fail("OUT_OF_MEMORY")
    await job.look()
    assert (job.made(), job.ends()) == ([], [])
    job.press.original = original  # it answers again
    job.stage.clock.later(minutes=1)
    job.again()
    await job.look()
    assert job.made() == ["900"]


async def cancel(job: Job) -> str:
    doomed = Doomed(job.stage.session, job.stage.current())
    (report,) = await request_cancel(job.stage.world.rounds, [doomed], Order("codex session 1", "1", "enough"))
    return report.text


async def test_a_wait_grows_and_is_slurms_to_keep(job: Job) -> None:
    """It is submitted at once, to begin later: no killed watcher and no forgotten script loses it."""
    job.rules("restart=[failed] times=4 wait=10m backoff=3 wait_most=20m")
    for number, minutes in ((1, 10), (2, 20), (3, 20), (4, 20)):
        job.fail()
        due = job.stage.clock.now
        await job.look()
        (begin,) = job.stage.press.options[job.made()[-1]]
        wait_s = int(begin.removeprefix("--begin=now+"))
        assert minutes * 60 - 60 < wait_s <= minutes * 60
        assert f"restarted as {job.made()[-1]}, to begin at " in job.news()[-1]
        assert job.news()[-1].endswith(f"(restart {number} of 4).")
        job.stage.clock.now = due.replace(hour=due.hour + 1)
    assert job.ends() == []


async def test_a_wait_that_is_over_when_it_can_be_submitted_waits_no_more(job: Job) -> None:
    job.rules("restart=[failed] times=2 wait=10m")
    original = unanswered(job)
    job.fail()
    await job.look()
    job.press.original = original  # it answers again
    job.stage.clock.later(minutes=11)
    await job.look()
    assert job.stage.press.options == {"900": ()}


@pytest.mark.parametrize("step", ["before the claim", "after the submission"])
async def test_a_killed_watcher_neither_skips_nor_doubles_a_restart(job: Job, step: str) -> None:
    job.rules(MEMORY)
    job.fail("OUT_OF_MEMORY")
    submit = job.press.submit

    async def deadly(*args: Any) -> str | None:
        if step == "after the submission":
            await submit(*args)
        raise CrashError

    job.press.submit = deadly  # the process is killed here
    with pytest.raises(CrashError):
        await job.look()
    job.press.submit = submit  # and here it is as ever
    job.again()
    job.stage.clock.later(minutes=10)
    await job.look()
    assert job.made() == ["900"]
    assert job.ends() == []
    assert job.news()[0].endswith("restarted as 900 with mem=8G (restart 1 of 2).")


async def test_a_twin_that_somebody_has_submitted_by_hand_is_not_doubled(job: Job) -> None:
    job.rules(MEMORY)
    job.stage.press.twins = ("555",)
    job.fail("OUT_OF_MEMORY")
    await job.look()
    assert job.made() == []
    assert "A job with its name and folder lives already: 555." in (job.ends()[0].text or "")


@pytest.mark.parametrize("sweep", [True, False], ids=["begun before that end", "begun after it"])
async def test_a_twin_that_is_watched_is_a_job_of_its_own_only_if_it_began_before_that_end(
    job: Job, sweep: bool
) -> None:
    """Who submits a job again by hand registers it, too; members of a sweep share name and folder."""
    job.rules(MEMORY)
    job.stage.press.twins = ("555",)
    job.stage.clock.later(minutes=5)
    other_session = SessionEntry(
        session_id="session-2", project=job.stage.home.project, created_at=BEGIN, last_seen_at=BEGIN
    )
    session = job.stage.world.sessions.of(job.stage.world.sessions.index.add(other_session))
    begun = BEGIN if sweep else job.stage.clock.now.replace(hour=23)
    other = job.stage.record.changed(id="555", attempts=(Attempt(id="555", submitted_at=begun),))
    with session.transaction() as transaction:
        transaction.register(other)
    job.fail("OUT_OF_MEMORY")
    await job.look()
    assert job.made() == (["900"] if sweep else [])


async def test_a_job_that_slurm_requeues_meanwhile_lives_and_is_not_restarted(job: Job) -> None:
    job.rules("restart=[failed] times=2")
    original = unanswered(job)
    job.fail("NODE_FAIL")
    await job.look()
    job.press.original = original  # it answers again
    record, now = job.stage.current(), job.stage.clock()
    seen = Seen(evidence=Evidence(asked_at=now), phase=Phase.PENDING, status="PENDING", submitted_at=now)
    judgement = judge(record, seen, asked_at=now, now=now, clocks=job.stage.world.config.clocks)
    assert [draft.kind for draft in judgement.drafts] == [EventKind.REQUEUED]
    assert judgement.record.held is None
    with job.stage.session.transaction() as transaction:
        for draft in judgement.drafts:
            write_draft(transaction, draft, Causes())
    job.stage.press.states["100"] = "PENDING"
    job.stage.clock.later(minutes=11)
    await job.look()
    assert (job.made(), job.ends()) == ([], [])
    assert "rule rule-1: restart was not done: Its run lives again." in job.stage.texts()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (b"#!/bin/sh\nsbatch --dependency=afternotok:$SLURM_JOB_ID run.sub $SLURM_JOB_ID\n", "it resumes by itself"),
        (b"#!/bin/bash\n#\n# Generated by NeMo Run\n", "start its experiment again"),
    ],
    ids=["nel", "nemo-run"],
)
async def test_what_others_start_again_is_not_restarted(job: Job, script: bytes, why: str) -> None:
    job.rules(MEMORY)
    original = job.stage.press.original

    async def theirs(host: Host, wanted: Wanted) -> Original:
        return replace(await original(host, wanted), script=script)

    job.press.original = theirs  # a script that others have made
    job.fail("OUT_OF_MEMORY")
    await job.look()
    assert job.made() == []
    assert why in (job.ends()[0].text or "")


async def test_a_pattern_counts_when_the_run_that_failed_has_written_it(job: Job) -> None:
    job.rules(r'restart=[pattern:"NCCL.*timeout", pattern:"link \"mlx5\" down"] times=2')
    job.write('link "mlx5" down\n')
    job.fail("FAILED", exit_code=1)
    await job.look()
    assert job.made() == ["900"]
    job.fail("FAILED", exit_code=1)
    await job.look()
    assert job.made() == ["900"]
    assert [one.phase for one in job.ends()] == ["failed"]


async def test_a_cause_is_asked_for_until_it_is_known(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.rules("restart=[cause:distributed] times=2")
    answers = [None, None, Category.DISTRIBUTED.value]

    async def cause(*_: Any) -> str | None:
        return answers.pop(0)

    monkeypatch.setattr(looking, "cause_of", cause)
    job.fail("FAILED", exit_code=1)
    await job.look(3)
    assert (job.made(), job.ends(), len(answers)) == ([], [], 1)
    await job.look(3)
    assert job.made() == ["900"]


async def test_of_two_policies_the_first_that_fits_decides(job: Job) -> None:
    job.rules(MEMORY, "name=any restart=[failed] times=5")
    job.fail("OUT_OF_MEMORY")
    await job.look()
    assert job.stage.press.options == {"900": ("--mem=8G",)}
    job.fail("FAILED", exit_code=1)
    await job.look()
    assert job.stage.press.options == {"900": ("--mem=8G",), "901": ()}


async def test_a_run_that_failed_long_before_its_job_was_registered_is_not_restarted(job: Job) -> None:
    job.rules(MEMORY)
    job.stage.clock.now = job.stage.clock.now.replace(year=2025)
    assert job.fail("OUT_OF_MEMORY").held is None


async def test_nobody_who_decides_for_hours_makes_no_end_wait_for_ever(job: Job) -> None:
    job.rules(MEMORY)
    record = job.fail("OUT_OF_MEMORY")
    clocks = job.stage.world.config.clocks
    seen = Seen(evidence=Evidence(asked_at=BEGIN), phase=Phase.FAILED, status="OUT_OF_MEMORY")
    for hours, ends in ((2, False), (4, True)):
        now = job.stage.clock.now.replace(hour=12 + hours)
        judgement = judge(record, seen, asked_at=now, now=now, clocks=clocks)
        assert (judgement.finished, judgement.record.phase) == (ends, Phase.FAILED if ends else Phase.PENDING)


async def test_a_state_rule_sees_the_failure_of_each_run_once(job: Job) -> None:
    job.rules(MEMORY, "name=told state=[OUT_OF_MEMORY] action=notify")
    job.fail("OUT_OF_MEMORY")
    await job.look(5)
    fired = [one for one in job.stage.session.journal.read() if one.event == EventKind.RULE_FIRED]
    assert [(one.model_extra or {})["line"] for one in fired if (one.model_extra or {})["rule"] == "told"] == [
        "failed: OUT_OF_MEMORY"
    ]


async def test_without_the_grant_nothing_is_submitted_though_it_was_there_when_the_rule_was_written(job: Job) -> None:
    job.rules(MEMORY)
    (job.stage.home.root / "config.toml").write_text("", encoding="utf-8")
    job.fail("OUT_OF_MEMORY")
    await job.look()
    assert job.made() == []
    assert "[grants]\nresubmissions = 5" in (job.ends()[0].text or "")


def test_what_is_kept_of_a_rule_reads_as_the_same() -> None:
    written = (
        r'name=a restart=[TIMEOUT, exit:64-78, signal:9, cause:out_of_memory, pattern:"a \"b\" [c,d]"] times=3 '
        r'wait=60s backoff=2.5 wait_most=2h changes={"mem": "x2 most 256G", "time": "+30m", "exclude": "failed_node"} '
        "actions=[notify]"
    )
    (rule,) = read_rules([written])
    assert read_rule(write_rule(rule)) == rule
    assert rule.ways == ("TIMEOUT", "exit:64-78", "signal:KILL", "cause:out_of_memory", 'pattern:a "b" [c,d]')
