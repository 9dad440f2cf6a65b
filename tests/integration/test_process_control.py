"""Holding real programs up and letting them go on, and never another one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from jobwarden.sources.base import Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.process.launch import Started
from jobwarden_registry.phases import Phase
from support.processes import (
    Warden,
    alive,
    claim,
    forge,
    gone,
    has_output,
    output,
    pid_of,
    state_of,
    supervisor_of,
)

# A child in a group of its own, as a shell with job control or coreutils' timeout makes one, and one beside it.
_FAMILY = f"""
import subprocess
spin = [{sys.executable!r}, "-c", "while True: pass"]
pids = [subprocess.Popen(spin, process_group=0).pid, subprocess.Popen(spin).pid]
print(*pids, flush=True)
while True: pass
"""


@pytest.fixture
async def warden(tmp_path: Path) -> AsyncGenerator[Warden]:
    made = Warden(tmp_path / "processes")
    yield made
    made.clean()


async def family(warden: Warden) -> tuple[Started, list[int]]:
    """Start a program with children; give it and all three pids."""
    job = await warden.start("nice", sys.executable, "-c", _FAMILY)
    await has_output(warden, job, "\n")
    return job, [pid_of(job), *map(int, output(job).split())]


async def test_a_suspended_program_stands_still_with_all_its_session_and_goes_on(warden: Warden) -> None:
    job, pids = await family(warden)
    assert len({os.getpgid(pid) for pid in pids}) == 2
    assert (await warden.control(job, Control.SUSPEND)).accepted
    assert [state_of(pid) for pid in pids] == ["T", "T", "T"]
    seen = await warden.seen(job)
    assert (seen.phase, seen.status) == (Phase.SUSPENDED, "STOPPED")

    assert (await warden.control(job, Control.RESUME)).accepted
    assert not {"T", "X", "Z"} & {state_of(pid) for pid in pids}
    assert (await warden.seen(job)).status == "RUNNING"
    assert (await warden.cancel(job)).accepted
    await gone(warden, *pids)


async def test_doing_it_twice_is_as_good_as_once(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    for action in (Control.RESUME, Control.SUSPEND, Control.SUSPEND, Control.RESUME, Control.RESUME):
        assert (await warden.control(job, action)).accepted
        assert (state_of(pid_of(job)) == "T") is (action is Control.SUSPEND)


async def test_a_suspended_program_can_be_cancelled(warden: Warden) -> None:
    job, pids = await family(warden)
    await warden.control(job, Control.SUSPEND)
    assert (await warden.cancel(job)).accepted
    assert (await warden.until(job)).phase is Phase.CANCELLED
    await gone(warden, *pids)


async def test_it_works_with_the_supervisor_dead(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(supervisor_of(job), signal.SIGKILL)
    await gone(warden, supervisor_of(job))
    assert (await warden.control(job, Control.SUSPEND)).accepted
    assert (await warden.seen(job)).phase is Phase.SUSPENDED


async def test_what_has_ended_is_not_suspended(warden: Warden) -> None:
    job = await warden.start("true")
    await warden.until(job)
    outcome = await warden.control(job, Control.SUSPEND)
    assert (outcome.accepted, outcome.text) == (False, "It has already ended.")


async def test_no_process_but_the_registered_one_is_suspended(warden: Warden) -> None:
    """A reused pid, a pid that the registry claims, a boot ago, and another machine's."""
    bystander, job = await warden.start("sleep", "60"), await warden.start("sleep", "60")
    assert not (await warden.control(claim(job, pid=pid_of(bystander)), Control.SUSPEND)).accepted
    elsewhere = replace(warden.host(), machine_id="another-machine")
    asked = [Wanted(id=job.id, facts=job.facts)]
    assert not (await warden.source.control(elsewhere, asked, Change(Control.SUSPEND)))[job.id].accepted
    reused = forge(warden, bystander, "start.json", start_time="1", supervisor_start_time="1")
    before_the_boot = forge(warden, job, "job.json", boot_id="another-boot")
    for wrong in (reused, before_the_boot):
        assert not (await warden.control(wrong, Control.SUSPEND)).accepted
    assert not {"T", "Z", "X"} & {state_of(pid_of(one)) for one in (bystander, job)}
    assert alive(supervisor_of(bystander))


async def test_a_signal_reaches_the_program_itself_and_a_stopping_one_its_whole_session(warden: Warden) -> None:
    trap = "trap 'echo caught' USR1; echo ready; while :; do sleep 0.05; done"
    job = await warden.start("sh", "-c", trap)
    await has_output(warden, job, "ready")
    assert (await warden.control(job, Control.SIGNAL, "USR1")).accepted
    await has_output(warden, job, "caught")
    assert (await warden.control(job, Control.SIGNAL, "STOP")).seen is True
    assert (await warden.seen(job)).phase is Phase.SUSPENDED
    assert (await warden.control(job, Control.SIGNAL, "CONT")).seen is True
    assert (await warden.control(job, Control.SIGNAL, "KILL")).accepted
    assert (await warden.until(job)).status == "SIGNALED 9"
