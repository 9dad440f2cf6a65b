"""What becomes of nel's runs: the cases in which a reader of nel's table was wrong, each with the right answer.

The numbers are those of the list of such cases that was kept from real runs of 0.2.6.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobwarden.sources.base import RESULT, Absent, CouldNotAsk, Seen, Sighting
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.phases import Phase
from support.nel_paper import INVOCATION, PaperNel, captured
from support.sightings import absent, at, could_not_ask, seen

TASK = f"{INVOCATION}.0"


@pytest.fixture
def nel(tmp_path: Path) -> PaperNel:
    return PaperNel(tmp_path)


def alive(sighting: Sighting) -> Seen:
    assert isinstance(sighting, Seen)
    return sighting


@pytest.mark.parametrize(
    ("word", "phase", "status"),
    [
        ("PENDING", Phase.PENDING, "pending"),
        ("RUNNING", Phase.RUNNING, "running"),
        ("COMPLETED", Phase.SUCCEEDED, "success"),
        ("FAILED", Phase.FAILED, "failed"),
        ("CANCELLED by 1001", Phase.CANCELLED, "killed"),
    ],
)
async def test_case_1_one_task_on_slurm_is_what_slurm_says_whatever_noise_nel_makes(
    nel: PaperNel, word: str, phase: Phase, status: str
) -> None:
    for claimed in ("success", "failed", "running", "pending", "killed"):
        nel.says([nel.task(status=claimed)])
        one = alive(await nel.ask(TASK, {"10": seen(word)}))
        assert (one.phase, one.status) == (phase, status)


@pytest.mark.parametrize(
    ("first", "second", "phase", "status"),
    [
        ("COMPLETED", "RUNNING", Phase.RUNNING, "running (1 of 2 ended)"),  # case 2
        ("COMPLETED", "FAILED", Phase.FAILED, "failed (1 of 2 success)"),  # case 3
        ("FAILED", "RUNNING", Phase.RUNNING, "running (1 of 2 ended)"),  # case 4
        ("COMPLETED", "COMPLETED", Phase.SUCCEEDED, "success"),
        ("COMPLETED", "CANCELLED", Phase.CANCELLED, "killed (1 of 2 success)"),
        ("RUNNING", "PENDING", Phase.RUNNING, "running (0 of 2 ended)"),
    ],
)
async def test_cases_2_to_4_an_invocation_has_ended_when_every_task_has(
    nel: PaperNel, first: str, second: str, phase: Phase, status: str
) -> None:
    nel.says([nel.task(0), nel.task(1, slurm="11")])
    for one, other in ((first, second), (second, first)):
        whole = alive(await nel.ask(INVOCATION, {"10": seen(one), "11": seen(other)}))
        assert (whole.phase, whole.status) == (phase, status)


async def test_case_5_a_short_id_is_completed_from_nels_list_of_runs(nel: PaperNel) -> None:
    nel.says([nel.task(status="pending")])
    runs = nel.home / ".nemo-evaluator" / "exec-db"
    runs.mkdir(parents=True)
    line = (
        f'{{"invocation_id": "{INVOCATION}", "job_id": "{TASK}", "executor": "slurm", "data": {{}}, "config": {{}}}}\n'
    )
    (runs / "exec.v1.jsonl").write_text("no JSON\n" + line)
    one = alive(await nel.ask("0b1d.0", {"10": seen("PENDING")}))
    assert (one.phase, one.status) == (Phase.PENDING, "pending")
    assert nel.calls == [f"status --json {TASK}"]
    assert one.facts["id"] == TASK


async def test_case_6_a_lepton_run_is_what_nel_says(nel: PaperNel) -> None:
    nel.says(captured("lepton_running"))
    for job in ("bbbb000011112222", "bbbb000011112222.0"):
        one = alive(await nel.ask(job))
        assert (one.phase, one.status) == (Phase.RUNNING, "running")


async def test_case_7_an_ambiguous_beginning_is_an_error_that_lists(nel: PaperNel) -> None:
    runs = nel.home / ".nemo-evaluator" / "exec-db"
    runs.mkdir(parents=True)
    ids = ("aaaa000011112222", "aaab000011112222")
    lines = [f'{{"job_id": "{one}.0", "executor": "local", "data": {{}}}}\n' for one in ids]
    (runs / "exec.v1.jsonl").write_text("".join(lines))
    told = await nel.ask("aaa")
    assert isinstance(told, CouldNotAsk)
    assert told.code == "nel.ambiguous"
    assert all(one in told.text for one in ids)
    nel.program.write_text("#!/bin/sh\necho 'nemo_evaluator_launcher: 0.2.6'\n")
    with pytest.raises(InvalidIdError) as caught:
        await nel.source.prepare(nel.host, ["aaa"], {})
    assert all(one in str(caught.value) for one in ids)


@pytest.mark.parametrize(
    ("case", "job", "code"),
    [
        ("unregistered_executor", "aaab000011112222", "nel.error"),  # case 8
        ("not_found", "deadbeefdeadbeef", "nel.left_out"),
    ],
)
async def test_case_8_what_nel_could_not_find_out_is_no_state(nel: PaperNel, case: str, job: str, code: str) -> None:
    nel.says(captured(case))
    told = await nel.ask(job)
    assert isinstance(told, CouldNotAsk)
    assert told.code == code


async def test_cases_9_and_10_failed_is_not_believed_while_slurm_says_otherwise_or_nothing(nel: PaperNel) -> None:
    """In an outage, and just after the submission, the real nel says `failed` of all, and exits 0."""
    rows = captured("slurm_unreachable")
    job = rows[0]["invocation"]
    nel.says(rows)
    running = alive(await nel.ask(job, {"4242": seen("RUNNING"), "4243": seen("PENDING")}))
    assert running.phase is Phase.RUNNING
    darks: tuple[dict[str, Sighting], ...] = (
        {},
        {"4242": could_not_ask(), "4243": seen("RUNNING")},
        {"4242": seen("FAILED"), "4243": could_not_ask()},
    )
    for dark in darks:
        assert isinstance(await nel.ask(job, dark), CouldNotAsk)
    assert isinstance(await nel.ask(job, {"4242": absent(), "4243": absent()}), Absent)


async def test_cases_11_and_12_no_nel_and_another_nel_are_errors_and_no_states(nel: PaperNel) -> None:
    told: list[str] = []
    nel.says([], stderr="Usage: nel [OPTIONS] COMMAND\n\nError: No such command 'status'.\n", status=2)
    for _ in range(2):
        with pytest.raises(Exception, match=r"no `status`|not there") as caught:
            await nel.ask(INVOCATION)
        told.append(getattr(caught.value, "code", ""))
        nel.program.unlink(missing_ok=True)
    assert told == ["nel.no_status", "nel.not_installed"]


@pytest.mark.parametrize("word", ["unknown", "error", "not_found"])
async def test_case_13_unknown_is_trouble_in_asking_and_what_was_known_of_a_slurm_run_holds(
    nel: PaperNel, word: str
) -> None:
    nel.says([nel.task()])
    before = alive(await nel.ask(TASK, {"10": seen("RUNNING")}))
    nel.seconds = 500
    nel.says([{"invocation": INVOCATION, "job_id": TASK, "status": word, "data": {}}])
    assert alive(await nel.ask(TASK, {"10": seen("COMPLETED")}, **before.facts)).status == "success"
    fresh = await nel.ask(TASK)
    assert isinstance(fresh, CouldNotAsk)
    assert fresh.code == f"nel.{word}"


async def test_a_word_that_nel_does_not_have_yet_is_shown_and_is_no_end(nel: PaperNel) -> None:
    nel.says([nel.task(status="hibernating", slurm=None)])
    one = alive(await nel.ask(TASK))
    assert (one.phase, one.status) == (Phase.UNKNOWN, "hibernating")


async def test_case_14_a_local_run_whose_folder_is_gone_is_absent_and_not_pending_for_ever(nel: PaperNel) -> None:
    nel.says(captured("local_folder_deleted"))
    told = await nel.ask("cccc000011112222")
    assert isinstance(told, Absent)
    assert told.where == ("nel status", "its run folder")


async def test_a_local_run_that_the_machine_went_down_under_is_absent(nel: PaperNel) -> None:
    nel.says([nel.task(slurm=None)])
    stage = nel.folder() / "logs" / "stage.running"
    stage.write_text("2026-11-20T10:02:13Z\n")
    assert alive(await nel.ask(TASK)).phase is Phase.RUNNING
    os.utime(stage, (1_000_000_000, 1_000_000_000))
    assert isinstance(await nel.ask(TASK), Absent)


@pytest.mark.parametrize("word", ["TIMEOUT", "PREEMPTED", "NODE_FAIL"])
async def test_case_15_a_job_that_nobody_goes_on_with_is_stuck(nel: PaperNel, word: str) -> None:
    nel.says([nel.task(status="pending")])
    nel.chain("10", following="12")
    for other in (seen("CANCELLED by 1001"), absent(), seen("FAILED", ended_at=at(-500))):
        one = alive(await nel.ask(TASK, {"10": seen(word), "12": other}))
        assert (one.phase, one.status) == (Phase.PENDING, "pending")
        assert one.stuck is not None
        assert f"Slurm job 10 ended {word}" in one.stuck
        assert "12" in one.stuck
    nel.chain("10")
    (nel.folder() / "logs" / "slurm-10.log").unlink()
    assert "submitted none" in (alive(await nel.ask(TASK, {"10": seen(word)})).stuck or "")


async def test_a_next_job_that_had_started_and_was_cancelled_ends_the_task(nel: PaperNel) -> None:
    """It lists itself only seconds after its start; one that was cancelled while it waited is none that went on."""
    nel.says([nel.task(status="pending")])
    nel.chain("10", following="12")
    one = alive(await nel.ask(TASK, {"10": seen("TIMEOUT"), "12": seen("CANCELLED by 1001", started_at=at(-9))}))
    assert (one.phase, one.status) == (Phase.CANCELLED, "killed")


async def test_a_job_that_gave_up_for_accounting_was_behind_is_stuck_at_once(nel: PaperNel) -> None:
    """Seen on 22.05.8: sacct still said RUNNING when the next job asked, in the second in which the first ended."""
    nel.says([nel.task(status="pending")])
    nel.chain("10", following="12")
    said = "previous SLURM_JOB_ID 10 finished with 'RUNNING' state. EXIT!"
    (nel.folder() / "logs" / "slurm-12.log").write_text(f"Previous job 10 ran for 00:01:25\n{said}\n")
    one = alive(await nel.ask(TASK, {"10": seen("TIMEOUT"), "12": seen("FAILED", ended_at=at(0))}))
    assert one.phase is Phase.PENDING
    assert said in (one.stuck or "")


async def test_a_job_that_is_gone_on_with_is_one_job_with_an_attempt_for_each_link(nel: PaperNel) -> None:
    nel.says([nel.task(status="pending")])
    nel.chain("10", following="12")
    ended = seen("TIMEOUT", submitted_at=at(-100), ended_at=at(-5))
    waiting = alive(await nel.ask(TASK, {"10": ended, "12": seen("PENDING", submitted_at=at(-99))}))
    assert (waiting.phase, waiting.stuck) == (Phase.PENDING, None)
    assert [run.id for run in waiting.attempts] == ["10", "12"]
    nel.chain("10", "12", following="13")
    running = alive(await nel.ask(TASK, {"10": ended, "12": seen("RUNNING"), "13": seen("PENDING")}))
    assert [(run.id, run.status) for run in running.attempts] == [("10", "TIMEOUT"), ("12", "RUNNING")]
    assert running.phase is Phase.RUNNING
    assert running.log is not None
    assert (running.log.stdout or "").endswith("/client-12.log")
    assert running.log.host == "alice@cluster-a"
    done = alive(await nel.ask(TASK, {"10": ended, "12": seen("COMPLETED"), "13": seen("PENDING")}))
    assert done.phase is Phase.SUCCEEDED


async def test_a_next_job_that_ended_after_we_looked_may_have_gone_on(nel: PaperNel) -> None:
    nel.says([nel.task(status="pending")])
    nel.chain("10", following="12")
    told = await nel.ask(TASK, {"10": seen("TIMEOUT"), "12": seen("FAILED", ended_at=at(1))})
    assert isinstance(told, CouldNotAsk)
    assert told.code.endswith("_behind")


async def test_case_16_names_that_hold_words_of_states_mislead_nobody(nel: PaperNel) -> None:
    row = nel.task(slurm=None, status="running")
    row["data"]["container"] = "client-failed-tests-success-error"
    nel.says([row], stderr="FAILED ERROR SUCCESS KILLED not found\n")
    assert alive(await nel.ask(TASK)).phase is Phase.RUNNING


@pytest.mark.parametrize(("word", "phase"), [("SUSPENDED", Phase.SUSPENDED), ("COMPLETING", Phase.RUNNING)])
async def test_case_17_suspended_is_shown_as_what_it_is(nel: PaperNel, word: str, phase: Phase) -> None:
    nel.says([nel.task()])
    assert alive(await nel.ask(TASK, {"10": seen(word)})).phase is phase


async def test_local_tasks_are_what_nel_says_with_the_exit_code_of_the_run(nel: PaperNel) -> None:
    nel.says(captured("local_failed"))
    one = alive(await nel.ask("e301bb13d99b26ad"))
    assert (one.phase, one.status) == (Phase.FAILED, "failed (0 of 2 success)")
    nel.says([nel.task(slurm=None, status="failed")])
    (nel.folder() / "logs" / "stage.exit").write_text("2026-11-20T10:02:26Z 3\n")
    assert alive(await nel.ask(TASK)).exit_code == 3


@pytest.mark.parametrize("slurm", [None, "10"])
async def test_the_scores_of_the_tasks_that_succeeded_are_what_a_run_has_come_to(
    nel: PaperNel, slurm: str | None
) -> None:
    scores = "metrics:\n        acc:\n          scores:\n            acc:\n              value: 0.423\n"
    nel.says([nel.task(0, "success", slurm), nel.task(1, "failed", slurm and "11")])
    (nel.folder() / "artifacts" / "results.yml").write_text(f"results:\n  tasks:\n    mmlu_pro:\n      {scores}")
    ended = alive(await nel.ask(INVOCATION, {"10": seen("COMPLETED"), "11": seen("FAILED")}))
    assert (ended.phase, ended.facts.get(RESULT)) == (Phase.FAILED, "MMLU-Pro 42.3 %")


async def test_a_task_that_is_not_told_of_any_more_has_not_ended_for_that(nel: PaperNel) -> None:
    nel.says([nel.task(0), nel.task(1, slurm="11")])
    slurm = {"10": seen("COMPLETED"), "11": seen("RUNNING")}
    before = alive(await nel.ask(INVOCATION, slurm))
    nel.seconds = 500
    nel.says([nel.task(0)])
    assert alive(await nel.ask(INVOCATION, slurm, **before.facts)).phase is Phase.RUNNING
