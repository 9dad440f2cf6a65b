"""What a rule did: done, noted with what made it fire, and told (`actions.carrying`)."""

from __future__ import annotations

import anyio
import pytest

from jobwarden.delivery.news import is_news
from jobwarden.sources.plugins import Sources
from jobwarden.transport.errors import ConnectError, OutcomeUnknownError
from jobwarden_registry.errors import LeaseLostError
from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase
from support.deeds import GRANTS, Stage, call


async def test_a_metric_is_kept_as_a_number_with_its_name_and_time(stage: Stage) -> None:
    (done,) = await stage.do(call("store_metric", name="loss", value="${loss}"), captures={"loss": "12.5"})
    assert (done.outcome, done.text) == ("done", "rule diverged: loss = 12.5")
    (event,) = stage.deeds()
    deed = (event.model_extra or {})["deed"]
    assert (deed["arguments"], deed["at"][:10]) == ({"name": "loss", "value": 12.5}, "2026-11-20")
    assert not is_news(event)


@pytest.mark.parametrize("value", ["nan", "inf", "twelve", "", "1" * 400 + "e9"])
async def test_a_metric_that_is_no_number_is_not_kept(stage: Stage, value: str) -> None:
    (done,) = await stage.do(call("store_metric", name="loss", value="${loss}"), captures={"loss": value})
    assert done.outcome == "failed"


async def test_the_journal_has_what_made_it_fire(stage: Stage) -> None:
    await stage.do(call("log_event", message="checkpoint ${step}"), captures={"step": "7"})
    (event,) = stage.deeds()
    extra = event.model_extra or {}
    assert event.text == "rule diverged: info: checkpoint 7 (on 'loss: 12.5')"
    assert (extra["firing"]["line"], extra["firing"]["captures"], event.uid) == (
        "loss: 12.5",
        {"step": "7"},
        stage.record.uid,
    )


async def test_a_notice_without_a_target_is_news_to_the_agent(stage: Stage) -> None:
    (done,) = await stage.do(call("notify", message="Job ${JOB_ID} on ${HOSTNAME} diverged"))
    (event,) = stage.deeds()
    assert done.outcome == "done"
    assert is_news(event)
    assert event.text == "rule diverged: Job 100 on localhost diverged (on 'loss: 12.5')"


async def test_a_pause_is_told_and_left_to_the_caller(stage: Stage) -> None:
    (done,) = await stage.do(call("pause", reason="enough"))
    assert (done.action, done.outcome) == ("pause", "done")
    assert is_news(stage.deeds()[0])


async def test_a_cancel_goes_through_the_one_way_of_cancelling(stage: Stage) -> None:
    (done,) = await stage.do(call("cancel_job", reason="loss ${loss}"), captures={"loss": "12.5"})
    assert done.outcome == "done"
    assert stage.press.killed == {"100": 1}
    kinds = [str(event.event) for event in stage.session.journal.read()]
    assert kinds.index("action") < kinds.index("cancel_requested")
    assert "by rule diverged: loss 12.5" in stage.texts()
    assert is_news(stage.deeds()[-1])


async def test_the_same_firing_twice_does_nothing_twice(stage: Stage) -> None:
    for _ in range(2):
        (done,) = await stage.do(call("cancel_job"))
        assert done.outcome == "done"
    assert stage.press.killed == {"100": 1}


async def test_a_dry_run_says_what_would_be_done_and_does_and_notes_nothing(stage: Stage) -> None:
    done = await stage.do(call("cancel_job", reason="no"), call("notify", message="x"), dry_run=True)
    assert [(one.outcome, one.text.split(" (on")[0]) for one in done] == [
        ("dry_run", "rule diverged: cancel_job: no"),
        ("dry_run", "rule diverged: x"),
    ]
    assert stage.deeds() == []
    assert stage.press.killed == {}


async def test_a_missing_capture_stops_that_action_alone(stage: Stage) -> None:
    done = await stage.do(call("cancel_job", reason="${gone}"), call("log_event", message="x"))
    assert [one.outcome for one in done] == ["failed", "done"]
    assert "There is no value for ${gone}" in done[0].text
    assert stage.press.killed == {}


async def test_a_resubmission_is_one_more_attempt_of_the_same_job(stage: Stage) -> None:
    (done,) = await stage.do(call("resubmit", modifications={"mem": "32G"}))
    assert (done.outcome, done.text) == ("done", "rule diverged: submitted again as 900 with --mem=32G; 100 cancelled")
    record = stage.current()
    assert (record.id, record.resubmitted_as, record.phase) == ("100", "900", "pending")
    assert [(one.id, one.phase) for one in record.attempts] == [("100", "cancelled"), ("900", "pending")]
    assert stage.press.options == {"900": ("--mem=32G",)}
    assert stage.press.waits_for == {"900": "100"}
    (news,) = [event for event in stage.session.journal.read() if is_news(event)]
    assert (news.event, news.text) == ("attempt", "Run 2. Rule diverged submitted it again as 900 with --mem=32G.")
    assert stage.press.killed == {"100": 1}


async def test_a_job_that_has_ended_is_resubmitted_as_one_more_attempt(stage: Stage) -> None:
    stage.press.states["100"] = "FAILED"
    ended = stage.record.changed(phase=Phase.FAILED, last_status="FAILED", exit_code=1)
    with stage.session.transaction() as transaction:
        transaction.finish(stage.record.uid, ended)
    done = await stage.actor().carry_out(
        stage.session, ended, stage.firing(), [call("resubmit", modifications={}, cancel_original=False)]
    )
    assert done[0].outcome == "done"
    (record,) = stage.session.load()
    assert (record.resubmitted_as, [one.id for one in record.attempts]) == ("900", ["100", "900"])
    assert (record.phase, record.exit_code, record.name) == ("pending", None, "train")
    assert {(event.job_id, event.name, event.type) for event in stage.deeds()} == {("100", "train", "paper")}


async def test_a_resubmission_that_has_ended_before_it_was_found_ends_the_job_anew(stage: Stage) -> None:
    """The answer was lost; when somebody looks, the old run is over and told, and so is the new one."""
    stage.press.lose_answers = True
    (done,) = await stage.do(call("resubmit", modifications={}))
    assert done.outcome == "open"
    stage.press.states |= {"100": "FAILED", "900": "COMPLETED"}
    with stage.session.transaction() as transaction:
        transaction.finish(stage.record.uid, stage.record.changed(phase=Phase.FAILED, last_status="FAILED"))
    stage.clock.later(minutes=1)
    (done,) = await stage.actor().take_up(stage.session)
    assert done.outcome == "done"
    ends = [event for event in stage.session.journal.read() if event.event == "finished"]
    assert [event.phase for event in ends] == ["failed", "succeeded"]
    assert [run["id"] for run in (ends[-1].record or {})["attempts"]] == ["100", "900"]
    assert stage.session.load() == ()


async def test_cancel_and_resubmit_in_one_rule_end_the_old_job_once_and_not_the_new_one(stage: Stage) -> None:
    done = await stage.do(call("cancel_job"), call("resubmit", modifications={"time": 120}))
    assert [one.action for one in done] == ["cancel_job", "resubmit"]
    assert stage.press.killed == {"100": 1}
    assert stage.press.states["900"] == "PENDING"


async def test_a_job_that_lives_is_not_doubled(stage: Stage) -> None:
    (done,) = await stage.do(call("resubmit", modifications={}, cancel_original=False))
    assert done.outcome == "failed"
    assert "two of it may not" in done.text
    assert stage.press.made() == []


async def test_a_job_that_somebody_submitted_by_hand_meanwhile_is_not_doubled(stage: Stage) -> None:
    stage.press.twins = ("555",)
    (done,) = await stage.do(call("resubmit", modifications={}))
    assert "lives already: 555" in done.text
    assert stage.press.made() == []


async def test_a_rule_resubmits_at_most_so_often(stage: Stage) -> None:
    outcomes = [(await stage.do(call("resubmit", modifications={}, times=2), number=n))[0].outcome for n in (1, 2, 3)]
    assert outcomes == ["done", "done", "failed"]
    assert stage.press.made() == ["900", "901"]


async def test_what_the_scheduler_refuses_is_told_and_not_tried_again(stage: Stage) -> None:
    stage.press.refuse = "sbatch refused it: Invalid partition"
    (done,) = await stage.do(call("resubmit", modifications={}))
    assert done.outcome == "failed"
    assert "Invalid partition" in done.text
    stage.press.refuse = ""
    stage.clock.later(hours=1)
    assert await stage.actor().take_up(stage.session) == []
    assert stage.press.made() == []


async def test_a_submission_whose_answer_was_lost_is_found_by_its_token(stage: Stage) -> None:
    stage.press.lose_answers = True
    (done,) = await stage.do(call("resubmit", modifications={}))
    assert done.outcome == "open"
    stage.clock.later(seconds=1)
    (done,) = await stage.actor().take_up(stage.session)
    assert done.outcome == "done"
    assert stage.press.made() == ["900"]
    assert stage.current().resubmitted_as == "900"


@pytest.mark.parametrize("granted", [GRANTS.replace("gpu_hours = 100", "gpu_hours = 10")])
@pytest.mark.parametrize(("limit_s", "outcome"), [(3600.0, "done"), (7200.0, "failed"), (None, "failed")])
async def test_gpu_hours_are_counted_before_anything_is_submitted(
    stage: Stage, limit_s: float | None, outcome: str
) -> None:
    stage.press.gpus, stage.press.time_limit_s = 8, limit_s
    (done,) = await stage.do(call("resubmit", modifications={}))
    assert done.outcome == outcome
    assert len(stage.press.made()) == (outcome == "done")


@pytest.mark.parametrize("granted", [GRANTS.replace("gpu_hours = 100", "gpu_hours = 20")])
async def test_gpu_hours_are_spent_once(stage: Stage) -> None:
    stage.press.gpus = 8
    results = [(await stage.do(call("resubmit", modifications={}, times=9), number=n))[0] for n in (1, 2, 3)]
    assert [one.outcome for one in results] == ["done", "done", "failed"]
    assert "gpu_hours = 24 below [grants]" in results[2].text


@pytest.mark.parametrize("granted", [GRANTS.replace("resubmissions = 5", "resubmissions = 1")])
async def test_the_budget_is_the_sessions(stage: Stage) -> None:
    first = await stage.do(call("resubmit", modifications={}, times=9))
    second = await stage.do(call("resubmit", modifications={}, times=9), number=2)
    assert [first[0].outcome, second[0].outcome] == ["done", "failed"]


@pytest.mark.parametrize("granted", [""])
async def test_without_a_grant_nothing_is_cancelled_submitted_run_or_sent(stage: Stage) -> None:
    done = await stage.do(
        call("cancel_job"),
        call("resubmit", modifications={}),
        call("run_command", command="logger"),
        call("notify_email", message="x"),
        call("notify", message="x"),
        call("store_metric", name="x", value=1),
        call("log_event", message="x"),
        call("pause"),
    )
    assert [one.outcome for one in done] == [*["refused"] * 4, *["done"] * 4]
    assert all("The user can allow it by adding to ~/.config/jobwarden/config.toml (" in one.text for one in done[:4])
    assert (stage.press.killed, stage.press.made()) == ({}, [])


async def test_a_project_takes_grants_away_and_gives_none(stage: Stage) -> None:
    (stage.home.project / ".jobwarden.toml").write_text("[grants]\ncancel = false\n", encoding="utf-8")
    (done,) = await stage.do(call("cancel_job"))
    assert done.outcome == "refused"


async def test_a_project_whose_file_cannot_be_read_has_no_grants(stage: Stage) -> None:
    (stage.home.project / ".jobwarden.toml").write_text("[commands.x]\nargv = ['x']\n", encoding="utf-8")
    (done,) = await stage.do(call("cancel_job"))
    assert done.outcome == "refused"


async def test_a_watcher_whose_lease_is_lost_does_nothing(stage: Stage) -> None:
    with pytest.raises(LeaseLostError):
        await stage.do(call("cancel_job"), call("resubmit", modifications={}), lease="another's")
    assert (stage.press.killed, stage.press.made(), stage.deeds()) == ({}, [], [])


async def test_two_processes_that_are_given_one_firing_submit_once(stage: Stage) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(stage.do, call("resubmit", modifications={}))
    await stage.actor().take_up(stage.session)
    assert stage.press.made() == ["900"]
    assert [one.id for one in stage.current().attempts] == ["100", "900"]


async def test_a_cancel_that_comes_late_does_not_end_a_run_that_was_not_meant(stage: Stage) -> None:
    """The host did not answer; meanwhile the job was requeued."""
    stage.press.cancel_raises = OutcomeUnknownError("dropped", code="ssh.dropped")
    (done,) = await stage.do(call("cancel_job"))
    assert done.outcome == "open"
    stage.press.cancel_raises, stage.press.states["100"] = None, "RUNNING"
    runs = (*stage.current().attempts, stage.current().attempts[0].model_copy(update={"submitted_at": stage.clock()}))
    with stage.session.transaction() as transaction:
        transaction.change(stage.record.uid, stage.current().changed(attempts=runs), EventKind.REQUEUED)
    stage.clock.later(minutes=2)
    (done,) = await stage.actor().take_up(stage.session)
    assert done.outcome == "failed"
    assert "Another run of it has begun" in done.text
    assert stage.press.states["100"] == "RUNNING"


async def test_a_host_that_never_answers_is_given_up_and_told(stage: Stage) -> None:
    stage.press.cancel_raises = ConnectError("No connection.", code="ssh.refused")
    await stage.do(call("cancel_job"))
    stage.clock.later(hours=3)
    (done,) = await stage.actor().take_up(stage.session)
    assert done.outcome == "failed"
    assert is_news(stage.deeds()[-1])


async def test_a_fault_in_one_deed_is_told_once_and_tried_again_and_stops_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("a bug of ours")

    actor = stage.actor()
    with monkeypatch.context() as patch:
        patch.setattr("jobwarden.actions.carrying.request_cancel", broken)
        calls = [call("cancel_job"), call("log_event", message="diverged")]
        done = await actor.carry_out(stage.session, stage.current(), stage.firing(), calls)
        assert [one.outcome for one in done] == ["open", "done"]
        stage.clock.later(minutes=1)
        assert [one.outcome for one in await actor.take_up(stage.session)] == ["open"]
    assert stage.texts().count("cancel_job failed and is tried again: KeyError: 'a bug of ours'") == 1
    stage.clock.later(minutes=1)
    assert [one.outcome for one in await actor.take_up(stage.session)] == ["done"]
    assert stage.press.killed == {"100": 1}


async def test_a_deed_of_a_kind_of_job_that_is_not_installed_any_more_stops_no_other_and_is_given_up(
    stage: Stage,
) -> None:
    actor = stage.actor()
    stage.world.rounds.sources = Sources({}, {"paper": "it broke"})
    calls = [call("resubmit", modifications={"time": 5}), call("log_event", message="diverged")]
    done = await actor.carry_out(stage.session, stage.current(), stage.firing(), calls)
    assert [one.outcome for one in done] == ["open", "done"]
    stage.clock.later(hours=3)
    assert [one.outcome for one in await actor.take_up(stage.session)] == ["failed"]
    assert "resubmit was given up: The source paper is installed but broken" in stage.texts()
