"""The watcher as a real process, over real local programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from jobwarden.service.service import open_service
from jobwarden.service.views import RegisterView
from jobwarden.watcher.presence import info_path, read_info
from jobwarden.watcher.spawn import ensure_watcher
from jobwarden_registry.errors import JobwardenError
from support.household import Household, eventually, household


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        yield made


async def run(home: Household, *argv: str, name: str | None = None, session: str = "session-1") -> RegisterView:
    async with open_service(home.env) as service:
        return await service.run_process(home.caller(session), argv, cwd=home.project, name=name)


def finished(home: Household, session: str = "session-1") -> int:
    return home.kinds(session).count("finished")


async def test_a_job_is_watched_to_its_end_with_nobody_asking(home: Household) -> None:
    view = await run(home, "sh", "-c", "sleep 1; exit 3", name="work")
    assert view.jobs[0].phase == "running"
    await anyio.to_thread.run_sync(eventually, lambda: finished(home) == 1, "the end is journaled")
    end = home.journal()[-1]
    assert (end.event, end.phase, end.new_status) == ("finished", "failed", "EXITED 3")
    assert end.evidence is not None
    # The journal comes first, and then the file follows it.
    await anyio.to_thread.run_sync(eventually, lambda: home.active() == [], "it has left the file")


async def test_the_watcher_ends_by_itself_when_nothing_is_left(home: Household) -> None:
    await run(home, "true")
    await anyio.to_thread.run_sync(eventually, lambda: finished(home) == 1, "the end is journaled")
    await anyio.to_thread.run_sync(eventually, lambda: home.watcher_pid() is None, "the watcher has ended")


async def test_what_ended_while_the_watcher_was_dead_is_reported_once_and_said_to_be_late(
    clean_environment: Path,
) -> None:
    with household(clean_environment, {"poll_s": 0.2}) as home:
        gate = home.root / "gate"
        view = await run(home, "sh", "-c", f"until [ -e {gate} ]; do sleep 0.1; done; exit 5", name="late")
        eventually(home.watcher_pid, "the watcher runs")
        home.kill_watcher()
        gate.touch()
        result = home.places.state / "processes" / view.jobs[0].id
        await anyio.to_thread.run_sync(eventually, lambda: any(result.glob("result*")), "it has ended")
        await anyio.sleep(1.0)  # three polls and more pass with nobody watching
        assert finished(home) == 0
        async with open_service(home.env) as service:
            first = await service.status(home.caller())
            again = await service.status(home.caller())
        told = [event for event in first.news if event.event == "finished"]
        assert [event.new_status for event in told] == ["EXITED 5"]
        assert told[0].model_extra == {"observed_late": True}
        assert not [event for event in again.news if event.event == "finished"]
        assert finished(home) == 1


STARTER = """
import anyio, os
from pathlib import Path
from jobwarden.identity import resolve_caller
from jobwarden.service.service import open_service
from jobwarden_registry.paths import user_places

async def main():
    env, cwd = dict(os.environ), Path.cwd()
    caller = resolve_caller({"CLAUDE_CODE_SESSION_ID": "session-1"}, cwd=cwd, places=user_places(env))
    async with open_service(env) as service:
        await service.run_process(caller, ["sleep", "5"], cwd=cwd)
        print("ready", flush=True)
        await anyio.sleep(60)

anyio.run(main)
"""


def test_the_watcher_outlives_whatever_started_it(home: Household) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=home.project, env=home.env, stdout=subprocess.PIPE, start_new_session=True
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"ready\n"
    eventually(home.watcher_pid, "the watcher runs")
    os.killpg(starter.pid, signal.SIGKILL)  # its whole session, as a closed terminal or a killed client does
    starter.wait()
    starter.stdout.close()
    eventually(lambda: finished(home) == 1, "the end is journaled")


async def test_there_is_never_more_than_one_watcher(home: Household) -> None:
    await run(home, "sleep", "30")
    for _ in range(3):
        if home.watcher_pid() is not None:
            home.kill_watcher()
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(anyio.to_thread.run_sync, ensure, home)
        # A process that is being killed holds its lock until its last thread has gone: a later call finds it free.
        await anyio.to_thread.run_sync(eventually, lambda: ensure(home) is False and one_watcher(home), "one watcher")


def one_watcher(home: Household) -> bool:
    pid = home.watcher_pid()
    return pid is not None and watchers_of(home) == {pid}


def ensure(home: Household) -> bool:
    return ensure_watcher(home.places, home.env, version="0.1.0")


def watchers_of(home: Household) -> set[int | None]:
    """Find the watchers of this home by what the kernel says of every process."""
    found: set[int | None] = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            ours = b"jobwarden.watcher.main" in words and f"HOME={home.env['HOME']}".encode() in environment
            if ours and Path(os.fsdecode(words[0])).name != "sh":
                found.add(int(folder.name))
    return found


async def test_an_older_watcher_hands_over_to_the_one_that_is_started_at_once(home: Household) -> None:
    await run(home, "sleep", "8")
    eventually(home.watcher_pid, "the watcher runs")
    old = home.watcher_pid()
    plate = info_path(home.places)
    info = read_info(home.places)
    assert info is not None
    plate.write_text(info.model_copy(update={"version": "0.0.1"}).model_dump_json(), encoding="utf-8")
    # Once is enough: the new one waits for the old one's end, and nobody need come back.
    assert ensure_watcher(home.places, home.env, version="0.1.0")
    await anyio.to_thread.run_sync(eventually, lambda: home.watcher_pid() not in (None, old), "the new one runs")
    await anyio.to_thread.run_sync(eventually, lambda: finished(home) == 1, "the end is journaled")


async def test_a_stopped_watcher_gives_its_sessions_back(home: Household) -> None:
    await run(home, "sleep", "10")
    eventually(home.watcher_pid, "the watcher runs")
    async with open_service(home.env) as service:
        assert await service.stop_watcher()
        await anyio.to_thread.run_sync(eventually, lambda: home.watcher_pid() is None, "it has stopped")
        assert not await service.stop_watcher()


async def test_a_host_that_does_not_answer_stops_no_other(home: Household) -> None:
    async with open_service(home.env) as service:
        bad = await service.register(home.caller(), type="slurm", ids=["7"], host="no-such-host.invalid")
        assert bad.jobs[0].stale_because is not None
        assert bad.jobs[0].phase == "unknown"
    await run(home, "sh", "-c", "sleep 1")
    await anyio.to_thread.run_sync(eventually, lambda: finished(home) == 1, "the other job's end is journaled")
    await anyio.to_thread.run_sync(eventually, lambda: len(home.active()) == 1, "it has left the file")
    assert home.kinds().count("unreachable") == 1


async def test_a_session_that_cannot_be_written_stops_no_other(home: Household) -> None:
    await run(home, "sleep", "2", session="broken")
    await run(home, "sleep", "2", session="whole")
    state = home.places.state / "sessions" / "broken" / "events.jsonl"
    state.unlink()
    state.mkdir()  # root may write anywhere; not into this
    await anyio.to_thread.run_sync(eventually, lambda: finished(home, "whole") == 1, "the whole session goes on")


async def test_the_watchers_log_says_what_it_did(home: Household) -> None:
    gate = home.root / "gate"
    await run(home, "sh", "-c", f"until [ -e {gate} ]; do sleep 0.1; done")
    eventually(home.watcher_pid, "the watcher runs")
    gate.touch()
    await anyio.to_thread.run_sync(eventually, lambda: finished(home) == 1, "the end is journaled")
    await anyio.to_thread.run_sync(eventually, lambda: home.watcher_pid() is None, "the watcher has ended")
    logs = list(home.places.state.glob("watcher-*.log"))
    assert "begins" in logs[0].read_text(encoding="utf-8")
    last = "nothing is left to watch"  # it lets go of its lock before it says so
    await anyio.to_thread.run_sync(eventually, lambda: last in logs[0].read_text(encoding="utf-8"), "it says its end")


async def test_two_machines_over_one_home_never_both_act(clean_environment: Path) -> None:
    with household(clean_environment) as one:
        other = Household(
            one.root, {**one.env, "XDG_RUNTIME_DIR": str(one.root / "run2"), "JOBWARDEN_MACHINE_ID": "b" * 16}
        )
        (one.root / "run2").mkdir(mode=0o700)
        await run(one, "sleep", "5")
        ensure_watcher(other.places, other.env, version="0.1.0")
        eventually(other.watcher_pid, "the other machine's watcher runs")
        await anyio.to_thread.run_sync(eventually, lambda: finished(one) == 1, "the end is journaled")
        assert one.kinds().count("finished") == 1
        await anyio.to_thread.run_sync(eventually, lambda: other.watcher_pid() is None, "the other has ended")


async def test_bad_ids_are_refused_and_leave_every_file_as_it_was(home: Household) -> None:
    async with open_service(home.env) as service:
        for job_type, job_id, host in [
            ("slurm", "12; rm -rf ~", "h"),
            ("slurm", "1", "-oProxyCommand=x"),
            ("no", "1", "h"),
        ]:
            with pytest.raises(JobwardenError) as raised:
                await service.register(home.caller(), type=job_type, ids=[job_id], host=host)
            assert raised.value.hint
    assert home.active() == []
    assert home.journal() == []
