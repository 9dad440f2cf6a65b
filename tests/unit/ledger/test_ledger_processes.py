"""Several real processes, and several tasks, on one folder; askers that die and askers that hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
from anyio import to_thread

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.ledger import Ledger
from jobwarden.sources.base import Sighting, Wanted
from jobwarden_registry.clock import utc_now
from support import askers
from support.ledger_bench import KEY, Bench
from support.sightings import CLOCKS, at, seen


@contextmanager
def asking(folder: Path, count: int, how: str) -> Generator[tuple[subprocess.Popen[str], list[int]]]:
    """Start processes that ask together once a line is written to them."""
    program = subprocess.Popen(
        [sys.executable, askers.__file__, str(folder), str(count), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with program:
        assert program.stdout is not None
        children = [int(word) for word in program.stdout.readline().split()]
        try:
            yield program, children
        finally:
            for pid in children:
                if program.poll() is None and Path(f"/proc/{pid}").exists():
                    os.kill(pid, signal.SIGKILL)
            program.kill()


def begin(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()


async def asks_now(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    with anyio.fail_after(20):
        assert await to_thread.run_sync(program.stdout.readline, abandon_on_cancel=True) == "asking\n"


def test_twenty_processes_asking_at_once_are_one_question(tmp_path: Path) -> None:
    with asking(tmp_path, 20, "answer") as (program, _):
        begin(program)
        assert program.wait(timeout=60) == 0
    assert (tmp_path / "questions").read_bytes() == b"."
    answers = [(tmp_path / f"answer-{number}").read_text(encoding="utf-8") for number in range(20)]
    assert answers == ["1"] * 20


async def test_an_asker_that_is_killed_in_the_middle_holds_up_nobody(tmp_path: Path) -> None:
    with asking(tmp_path, 1, "hang") as (program, [pid]):
        begin(program)
        await asks_now(program)
        os.kill(pid, signal.SIGKILL)
        program.wait(timeout=20)
        with anyio.fail_after(10):
            snapshot = await askers.ask(tmp_path, "1", "answer")
            assert list(snapshot.answered) == ["1"]
    assert (tmp_path / "questions").read_bytes() == b".."


async def test_while_somebody_hangs_others_take_the_old_answer(tmp_path: Path) -> None:
    await askers.ask(tmp_path, "0", "answer")
    with asking(tmp_path, 1, "hang") as (program, [pid]):
        begin(program)
        await asks_now(program)
        os.kill(pid, signal.SIGSTOP)
        ledger = Ledger(tmp_path / "ledger", clock=utc_now, clocks=Clocks(ask_wait_s=0.2, floor_s=0.0))
        with anyio.fail_after(5):
            snapshot = await ledger.ask(KEY, [Wanted(id="0")], refused, max_age_s=0.0)
            assert list(snapshot.answered) == ["0"]


async def refused(wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
    raise AssertionError(wanted)


# -- tasks of one process, on a clock that the test moves


async def test_a_lock_that_is_held_for_too_long_is_put_aside_and_its_answer_is_not_stored(bench: Bench) -> None:
    asked, let_go = anyio.Event(), anyio.Event()

    async def hanging(wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        asked.set()
        await let_go.wait()
        return {one.id: seen("PENDING") for one in wanted}

    late: list[str] = []

    async def hang() -> None:
        snapshot = await bench.process().ask(KEY, [Wanted(id="1")], hanging, max_age_s=60.0)
        late.extend(str(one.kind) for one in snapshot.answered.values())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        await asked.wait()
        other = bench.process(sleep=no_wait)
        assert (await bench.ask("1", ledger=other)).asked_at is None
        bench.later(2 * CLOCKS.ask_timeout_s + CLOCKS.connect_timeout_s + 1)
        snapshot = await bench.ask("1", ledger=other)
        assert snapshot.answered["1"] == seen("RUNNING")
        let_go.set()
    assert late == ["seen"]
    assert bench.process().peek(KEY).answered["1"] == seen("RUNNING")


async def no_wait(_: float) -> None:
    await anyio.lowlevel.checkpoint()


async def test_who_waits_for_somebodys_question_gets_its_answer(bench: Bench) -> None:
    asked, let_go = anyio.Event(), anyio.Event()

    async def slow(wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        asked.set()
        await let_go.wait()
        return {one.id: seen("PENDING") for one in wanted}

    async def sleep(_: float) -> None:
        let_go.set()
        await anyio.sleep(0.01)

    results: list[Sighting] = []

    async def wait() -> None:
        await asked.wait()
        snapshot = await bench.ask("1", ledger=bench.process(sleep=sleep))
        results.append(snapshot.answered["1"])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(bench.ledger.ask, KEY, [Wanted(id="1")], slow, max_age_s=60.0))
        tasks.start_soon(wait)
    assert results == [seen("PENDING")]
    assert bench.asked == []


async def test_an_asker_that_is_cancelled_lets_the_next_one_ask(bench: Bench) -> None:
    async def forever(_: Sequence[Wanted]) -> Mapping[str, Sighting]:
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.CancelScope() as scope:
        await bench.ledger.ask(KEY, [Wanted(id="1")], forever, max_age_s=60.0)
    assert sorted((await bench.ask("1")).answered) == ["1"]


async def test_a_question_that_never_comes_back_is_a_failure(tmp_path: Path) -> None:
    clocks = CLOCKS.model_copy(update={"ask_timeout_s": 0.02, "connect_timeout_s": 0.01})
    bench = Bench(tmp_path / "ledger", clocks)

    async def forever(_: Sequence[Wanted]) -> Mapping[str, Sighting]:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(5):
        failure = (await bench.ledger.ask(KEY, [Wanted(id="1")], forever, max_age_s=60.0)).failure
        assert failure is not None
        assert (failure.code, failure.at) == ("source.timeout", at(0))


async def test_wants_of_many_at_once_are_all_covered(bench: Bench) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(bench.ask, str(number))
    bench.later(61)
    snapshot = await bench.ask("0")
    assert len(snapshot.answered) == 12
