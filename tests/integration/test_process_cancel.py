"""Ending real programs, and never another one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from jobwarden.sources.base import Absent, Seen
from jobwarden_registry.phases import Phase
from support.processes import Warden, alive, claim, forge, gone, has_output, output, pid_of, supervisor_of


@pytest.fixture
async def warden(tmp_path: Path) -> AsyncGenerator[Warden]:
    made = Warden(tmp_path / "processes")
    yield made
    made.clean()


async def test_cancel_ends_the_group_and_is_called_cancelled(warden: Warden) -> None:
    job = await warden.start("sh", "-c", "sleep 60 & echo $!; sleep 60")
    await has_output(warden, job, "\n")
    grandchild = int(output(job))
    outcome = await warden.cancel(job)
    assert outcome.accepted
    seen = await warden.until(job)
    assert (seen.phase, seen.status, seen.signal) == (Phase.CANCELLED, "SIGNALED 15", 15)
    assert not alive(grandchild)


async def test_a_program_that_tidies_up_when_cancelled_is_cancelled_and_not_succeeded(warden: Warden) -> None:
    job = await warden.start("sh", "-c", "trap 'echo tidy; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    await has_output(warden, job, "up")
    assert (await warden.cancel(job)).accepted
    seen = await warden.until(job)
    assert (seen.phase, seen.status) == (Phase.CANCELLED, "EXITED 0")
    assert "tidy" in output(job)


async def test_cancel_kills_what_ignores_the_first_signal(warden: Warden) -> None:
    job = await warden.start("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    await has_output(warden, job, "up")
    assert (await warden.cancel(job, grace_s=0.3)).accepted
    seen = await warden.until(job)
    assert (seen.phase, seen.status) == (Phase.CANCELLED, "SIGNALED 9")


async def test_cancel_reaches_groups_of_their_own_and_waits_for_them(warden: Warden) -> None:
    """coreutils' timeout puts itself and its program into a group of its own; here it ignores SIGTERM, too."""
    inner = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"
    outer = f"import os, subprocess; subprocess.run([{sys.executable!r}, '-c', {inner!r}], process_group=0)"
    job = await warden.start(sys.executable, "-c", outer)
    await has_output(warden, job, "\n")
    inner_pid = int(output(job))
    assert os.getpgid(inner_pid) != pid_of(job)
    assert (await warden.cancel(job, grace_s=0.3)).accepted
    assert (await warden.until(job)).phase is Phase.CANCELLED
    assert not alive(inner_pid)


async def test_a_stopped_program_can_be_cancelled(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(pid_of(job), signal.SIGSTOP)
    await warden.until(job, "STOPPED")
    assert (await warden.cancel(job)).accepted
    assert (await warden.until(job)).status == "SIGNALED 15"


async def test_a_supervisor_that_was_stopped_still_cancels(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(supervisor_of(job), signal.SIGSTOP)
    assert (await warden.cancel(job)).accepted
    assert (await warden.until(job)).phase is Phase.CANCELLED


async def test_sigterm_to_the_supervisor_is_passed_on_and_is_no_cancellation_of_ours(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(supervisor_of(job), signal.SIGTERM)
    seen = await warden.until(job)
    assert (seen.phase, seen.status) == (Phase.FAILED, "SIGNALED 15")


async def test_cancel_works_with_the_supervisor_dead(warden: Warden) -> None:
    job = await warden.start("sh", "-c", "trap '' TERM; sh -c 'while :; do sleep 0.05; done' & echo $!; wait; wait")
    await has_output(warden, job, "\n")
    os.kill(supervisor_of(job), signal.SIGKILL)
    await gone(warden, supervisor_of(job))
    assert (await warden.cancel(job, grace_s=0.2)).accepted
    await gone(warden, pid_of(job), int(output(job)))
    seen = await warden.seen(job)
    assert (seen.phase, seen.status) == (Phase.CANCELLED, "GONE")


async def test_a_request_to_cancel_says_when_it_is_too_late(warden: Warden) -> None:
    job = await warden.start("true")
    await warden.until(job)
    outcome = await warden.cancel(job)
    assert not outcome.accepted
    assert (await warden.seen(job)).phase is Phase.SUCCEEDED


async def test_a_reused_pid_is_another_process_and_is_never_signalled(warden: Warden) -> None:
    """The pids of a live program stand in the record of a job that started earlier."""
    bystander = await warden.start("sleep", "60")
    job = forge(warden, bystander, "start.json", start_time="1", supervisor_start_time="1")
    assert isinstance(await warden.look(job), Absent)
    outcome = await warden.cancel(job, grace_s=0.1)
    assert not outcome.accepted
    assert not (warden.root / job.id / "cancel").exists()
    assert alive(pid_of(bystander))
    assert alive(supervisor_of(bystander))


async def test_a_pid_that_the_registry_claims_is_not_believed(warden: Warden) -> None:
    job, bystander = await warden.start("sleep", "60"), await warden.start("sleep", "60")
    claimed = claim(job, pid=pid_of(bystander))
    assert not isinstance(await warden.look(claimed), Seen)
    assert not (await warden.cancel(claimed, grace_s=0.1)).accepted
    assert alive(pid_of(bystander))
    assert alive(pid_of(job))
