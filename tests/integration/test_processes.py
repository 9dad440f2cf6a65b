"""Real programs under real supervisors: started, watched, and seen to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from jobwarden.sources.base import Absent, Wanted
from jobwarden.sources.process.launch import ProcessStartError, supervised
from jobwarden.verdict.engine import judge
from jobwarden_registry.phases import Phase
from support.processes import Warden, alive, forge, gone, held_by, output, pid_of, supervisor_of
from support.sightings import CLOCKS, at
from support.sightings import job as registered


@pytest.fixture
async def warden(tmp_path: Path) -> AsyncGenerator[Warden]:
    made = Warden(tmp_path / "processes")
    yield made
    made.clean()


async def test_a_program_that_exits_with_0_has_succeeded(warden: Warden) -> None:
    job = await warden.start("sh", "-c", "echo out; echo err >&2")
    seen = await warden.until(job)
    assert (seen.phase, seen.status, seen.exit_code, seen.signal) == (Phase.SUCCEEDED, "EXITED 0", 0, None)
    assert output(job) == "out\nerr\n"
    assert seen.started_at is not None
    assert seen.ended_at is not None
    assert seen.started_at <= seen.ended_at
    assert any('"exit_code":0' in line for line in seen.evidence.lines)


async def test_an_exit_code_is_kept_and_is_a_failure(warden: Warden) -> None:
    seen = await warden.until(await warden.start("sh", "-c", "exit 42"))
    assert (seen.phase, seen.status, seen.exit_code) == (Phase.FAILED, "EXITED 42", 42)


async def test_a_signal_from_elsewhere_is_a_failure_with_its_number(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    assert (await warden.seen(job)).status == "RUNNING"
    os.kill(pid_of(job), signal.SIGKILL)
    seen = await warden.until(job)
    assert (seen.phase, seen.status, seen.exit_code, seen.signal) == (Phase.FAILED, "SIGNALED 9", None, 9)


async def test_a_stopped_program_is_suspended_and_continues(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(pid_of(job), signal.SIGSTOP)
    assert (await warden.until(job, "STOPPED")).phase is Phase.SUSPENDED
    os.kill(pid_of(job), signal.SIGCONT)
    assert (await warden.until(job, "RUNNING")).phase is Phase.RUNNING


_STARTER = """
import os, sys, anyio
from pathlib import Path
from jobwarden.sources.process.launch import start_process
job = anyio.run(lambda: start_process(["sh", "-c", "read x < $0; echo survived; exit 5", sys.argv[2]],
    cwd=Path("/"), env=os.environ, folder=Path(sys.argv[1]), machine_id="this-machine"))
print(job.id, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
async def test_a_program_outlives_whoever_started_it(warden: Warden, tmp_path: Path, how: signal.Signals) -> None:
    """The whole session of the starter gets the signal, as when a terminal closes or an agent is killed."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = (sys.executable, "-c", _STARTER, str(warden.root), str(gate))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as starter:  # noqa: ASYNC220 -- short
        assert starter.stdout is not None
        named = await anyio.to_thread.run_sync(starter.stdout.readline)
        os.killpg(starter.pid, how)
        starter.wait()
    (job,) = supervised(warden.root)
    assert job.id == named.decode().strip()
    assert (await warden.seen(job)).status == "RUNNING"
    await anyio.Path(gate).write_text("go\n")
    assert (await warden.until(job)).status == "EXITED 5"
    assert output(job) == "survived\n"


async def test_the_supervisor_holds_nothing_and_stands_in_a_session_of_its_own(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    with anyio.fail_after(5):  # it lets go of the pipe to its starter a moment after the program has begun
        while held_by(supervisor_of(job)) != ({"/dev/null"}, "/"):  # noqa: ASYNC110 -- another process lets go
            await anyio.sleep(0.01)
    assert os.getsid(supervisor_of(job)) not in {os.getsid(0), os.getsid(pid_of(job))}
    assert os.getpgid(pid_of(job)) == pid_of(job)
    with anyio.fail_after(5):  # and between fork and exec the program still holds what its supervisor does
        while held_by(pid_of(job))[0] != {"/dev/null", str(warden.root / job.id / "output.log")}:  # noqa: ASYNC110 -- as above
            await anyio.sleep(0.01)


async def test_a_program_starts_with_ordinary_signals(warden: Warden) -> None:
    job = await warden.start("cat", "/proc/self/status")
    await warden.until(job)
    masks = dict(line.split(":\t") for line in output(job).splitlines() if line.startswith("Sig"))
    libc = 0b11 << 31  # signals 32 and 33: glibc's own, which no program can set (signal(7))
    assert (int(masks["SigBlk"], 16), int(masks["SigIgn"], 16) & ~libc) == (0, 0)


async def test_with_its_supervisor_killed_a_program_is_still_seen_to_run(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(supervisor_of(job), signal.SIGKILL)
    await gone(warden, supervisor_of(job))
    assert (await warden.seen(job)).status == "RUNNING"


async def test_an_end_that_nobody_saw_is_absence_and_no_end(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(supervisor_of(job), signal.SIGKILL)
    await gone(warden, supervisor_of(job))
    os.kill(pid_of(job), signal.SIGKILL)
    await gone(warden, pid_of(job))
    sighting = await warden.look(job)
    assert isinstance(sighting, Absent)
    assert sighting.where == ("process table", "result file")


async def test_while_the_result_is_not_written_an_ended_program_still_runs(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    os.kill(supervisor_of(job), signal.SIGSTOP)
    os.kill(pid_of(job), signal.SIGKILL)
    await gone(warden, pid_of(job))
    assert (await warden.seen(job)).status == "RUNNING"
    os.kill(supervisor_of(job), signal.SIGCONT)
    assert (await warden.until(job)).status == "SIGNALED 9"


async def test_what_cannot_be_started_is_no_job(warden: Warden, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo hello\n")
    for argv, code in (
        (("no-such-command",), "process.not_found"),
        (("/no/such/command",), "process.not_found"),
        ((str(tmp_path),), "process.not_executable"),
        ((str(script),), "process.not_executable"),
        ((), "process.bad_command"),
        (("echo", "a\0b"), "process.bad_command"),
    ):
        with pytest.raises(ProcessStartError) as caught:
            await warden.start(*argv)
        assert caught.value.code == code
    with pytest.raises(ProcessStartError) as caught:
        await warden.start("true", cwd=tmp_path / "nowhere")
    assert caught.value.code == "process.bad_cwd"
    with pytest.raises(ProcessStartError) as caught:
        await warden.start("true", log=tmp_path)
    assert caught.value.code == "process.bad_log"
    assert list(warden.root.iterdir()) == []


@pytest.mark.parametrize("name", ["with space", "quo'te\"", "new\nline", "$HOME", "-n", "ünï", "*"])
async def test_a_working_directory_of_any_name_is_fine(warden: Warden, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    log = folder / f"{name}.log"
    job = await warden.start(sys.executable, "-c", "import os; print(os.getcwd())", cwd=folder, log=log)
    seen = await warden.until(job)
    assert seen.status == "EXITED 0"
    assert seen.work_dir == str(folder)
    assert log.read_text() == f"{folder}\n"


async def test_arguments_and_environment_arrive_as_they_are(warden: Warden) -> None:
    words = ["", "a b", "$HOME", "'\"", "new\nline", "-n", "ü", "\udcff", "x" * 100_000]
    job = await warden.start(
        sys.executable,
        "-c",
        "import sys, os; print(ascii([sys.argv[1:], dict(os.environ)]))",
        *words,
        env={"ONLY": "=1="},
    )
    await warden.until(job)
    said, environment = eval(output(job))
    assert said == words
    assert environment.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python's own
    assert environment == {"ONLY": "=1="}


async def test_output_is_appended_to_the_file_that_was_named(warden: Warden, tmp_path: Path) -> None:
    log = tmp_path / "my.log"
    log.write_text("before\n")
    job = await warden.start("echo", "after", cwd=tmp_path, log=Path("my.log"))
    assert job.log.stdout == str(log)
    await warden.until(job)
    assert log.read_text() == "before\nafter\n"


async def test_nothing_secret_is_written_down(warden: Warden) -> None:
    job = await warden.start(
        "sh", "-c", ": argument-secret", env={"TOKEN": "environment-secret", "PATH": os.environ["PATH"]}
    )
    await warden.until(job)
    kept = b"".join(path.read_bytes() for path in (warden.root / job.id).iterdir())
    assert b"-secret" not in kept
    assert {oct(path.stat().st_mode & 0o777) for path in (warden.root / job.id).iterdir()} == {"0o600"}
    assert warden.root.stat().st_mode & 0o777 == 0o700


async def test_after_a_reboot_a_program_is_absent_and_neither_running_nor_failed(warden: Warden) -> None:
    job = forge(warden, await warden.start("sleep", "60"), "job.json", boot_id="another-boot")
    assert isinstance(await warden.look(job), Absent)
    assert not (await warden.cancel(job, grace_s=0.1)).accepted
    assert alive(pid_of(job))


async def test_a_reboot_is_lost_and_not_failed_and_only_after_it_was_nowhere_for_long_enough(warden: Warden) -> None:
    job = forge(warden, await warden.start("sleep", "60"), "job.json", boot_id="another-boot")
    record = registered(id=job.id, type="process", phase=Phase.RUNNING, last_status="RUNNING")
    phases: list[Phase] = []
    for minute in range(3, 12):
        sighting = await warden.look(job)
        record = judge(record, sighting, asked_at=at(60 * minute), now=at(60 * minute), clocks=CLOCKS).record
        phases.append(record.phase)
    assert list(dict.fromkeys(phases)) == [Phase.RUNNING, Phase.LOST]
    assert phases.count(Phase.RUNNING) == CLOCKS.lost_after_s / 60


async def test_hundreds_of_programs_are_looked_at_at_once(warden: Warden) -> None:
    job = await warden.start("sleep", "60")
    facts = dict(job.facts)
    ids = [f"p-{number:012x}" for number in range(300)]
    for job_id in ids:
        folder = warden.root / job_id
        folder.mkdir(mode=0o700)
        for name in ("job.json", "start.json"):
            text = (warden.root / job.id / name).read_text().replace(job.id, job_id)
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
    with anyio.fail_after(2):
        found = await warden.source.observe(warden.host(), [Wanted(id=job_id, facts=facts) for job_id in ids])
    assert {sighting.kind for sighting in found.values()} == {"seen"}
    assert list(found) == ids
