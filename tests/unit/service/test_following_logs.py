"""Logs that are followed until their jobs have ended (`Service.follow_logs`), over real files and a job of paper."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import anyio
import pytest

from jobwarden.logs.allowed import LogRefusedError
from jobwarden.service import log_follower
from jobwarden.service.log_follower import FAST_S, SLOW_S, Pacing
from jobwarden.service.service import Service
from jobwarden.service.told import Began, Ended, Noted, Told, Wrote
from jobwarden.transport.base import Chunk, Completed, Transport
from jobwarden.transport.errors import ConnectError
from jobwarden_registry.errors import JobNotFoundError
from jobwarden_registry.model import LogPaths
from support.household import Household
from support.paper import Paper, QuietDesk, paper_world

SECRET = "token=" + "s3cr3tValue" * 3


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "_SILENT_S", 0.2)
    monkeypatch.setattr(log_follower, "_LAST_LOOK_S", 0.05)
    monkeypatch.setattr(log_follower, "_RETRY_FIRST_S", 0.05)


@dataclass
class Screen:
    """What was told, and a wait for it."""

    told: list[Told] = field(default_factory=list[Told])
    lines: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    notes: list[str] = field(default_factory=list[str])
    ended: tuple[Ended, ...] = ()

    async def tell(self, told: Told) -> None:
        self.told.append(told)
        if isinstance(told, Wrote):
            self.lines += [(told.job, line.text) for line in told.lines]
        if isinstance(told, Noted):
            self.notes.append(told.text)

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.lines]

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.fail_after(20):
            while not condition():  # noqa: ASYNC110 -- what is waited for sets no event
                await anyio.sleep(0.02)

    async def shows(self, *texts: str) -> None:
        await self.until(lambda: self.texts[-len(texts) :] == list(texts))


@dataclass
class Stage:
    """A service, a job of paper that writes to a file, and what changes it."""

    service: Service
    home: Household
    paper: Paper
    log: Path

    def end(self, *jobs: str, word: str = "COMPLETED") -> None:
        for job in jobs or ("1",):
            self.paper.states[job] = word

    def write(self, text: str) -> None:
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(text)

    @asynccontextmanager
    async def following(
        self, *jobs: str, lines: int = 10, stream: str = "stdout", screen: Screen | None = None
    ) -> AsyncGenerator[Screen]:
        """Follow jobs, 1 unless named, until they have ended."""
        screen = screen or Screen()

        async def work() -> None:
            screen.ended = await self.service.follow_logs(
                self.home.caller(), jobs or ("1",), lines=lines, stream=stream, tell=screen.tell
            )

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work)
                await screen.until(lambda: screen.told)
                yield screen


@pytest.fixture
async def stage(service: Service, home: Household, paper: Paper) -> Stage:
    log = home.project / "1.log"
    paper.states["1"] = "RUNNING"
    paper.log = LogPaths(stdout=str(log), stderr=str(log.with_suffix(".err")))
    await service.register(home.caller(), type="paper", ids=["1"])
    return Stage(service, home, paper, log)


async def test_a_log_is_told_from_its_last_lines_to_its_last_byte(stage: Stage) -> None:
    stage.write("".join(f"old {number}\n" for number in range(20)))
    async with stage.following(lines=2) as screen:
        await screen.shows("old 18", "old 19")
        stage.write("new\nhal")
        await screen.shows("new")
        stage.write("f\nno newline")
        stage.end(word="FAILED")
    assert screen.texts == ["old 18", "old 19", "new", "half", "no newline"]
    assert [type(told) for told in screen.told].count(Began) == 1
    assert screen.ended == (screen.told[-1],)
    assert (screen.ended[0].view.status, screen.ended[0].unread) == ("FAILED", False)
    assert screen.notes == []


async def test_what_is_written_just_before_the_end_is_told_too(stage: Stage) -> None:
    stage.write("a\n")
    async with stage.following() as screen:
        await screen.shows("a")
        stage.write("".join(f"{number}\n" for number in range(200_000)))
        stage.end()
    assert screen.texts == ["a", *(str(number) for number in range(200_000))]


async def test_a_job_that_has_ended_shows_its_last_lines_and_is_not_waited_for(stage: Stage) -> None:
    stage.write("one\ntwo\n")
    stage.end()
    await stage.service.status(stage.home.caller())
    async with stage.following(lines=1) as screen:
        pass
    assert screen.texts == ["two"]
    assert screen.ended[0].view.status == "COMPLETED"


def configure(home: Household, **clocks: float) -> None:
    config = Path(home.env["JOBWARDEN_CONFIG"])
    kept = [line for line in config.read_text(encoding="utf-8").splitlines() if line.partition(" ")[0] not in clocks]
    at = kept.index("[clocks]") + 1
    kept[at:at] = [f"{name} = {value}" for name, value in clocks.items()]
    config.write_text("\n".join(kept), encoding="utf-8")


async def test_the_end_of_a_job_is_noticed_by_its_silence_before_anybody_else_asks(
    home: Household, paper: Paper, stage: Stage
) -> None:
    configure(home, floor_s=0.0, poll_s=900.0)
    async with paper_world(home, paper) as world, anyio.create_task_group() as tasks:
        quiet = Stage(Service(QuietDesk(world, tasks, version="0.1.0")), home, paper, stage.log)
        quiet.write("a\n")
        asked = len(paper.asked)
        async with quiet.following() as screen:
            await screen.shows("a")
            await screen.until(lambda: len(paper.asked) > asked)
            await anyio.sleep(0.1)  # that answer is kept, and not asked for again in a quarter of an hour
            quiet.end()
        assert screen.ended[0].view.status == "COMPLETED"
        tasks.cancel_scope.cancel()


async def test_a_silent_log_is_a_reason_to_ask_but_not_beyond_the_floor(
    home: Household, paper: Paper, stage: Stage
) -> None:
    """The configuration is read when the service opens, so this one has its own."""
    configure(home, floor_s=900.0, poll_s=900.0)
    async with paper_world(home, paper) as world, anyio.create_task_group() as tasks:
        quiet = Stage(Service(QuietDesk(world, tasks, version="0.1.0")), home, paper, stage.log)
        stage.write("a\n")
        before = len(paper.asked)
        with anyio.move_on_after(2.0):
            async with quiet.following() as screen:
                await screen.shows("a")
                await anyio.sleep_forever()
        assert len(paper.asked) - before <= 1
        tasks.cancel_scope.cancel()


async def test_a_log_that_is_cut_or_replaced_is_followed_from_its_new_beginning(stage: Stage) -> None:
    stage.write("first run\n")
    async with stage.following() as screen:
        await screen.shows("first run")
        stage.log.write_text("cut\n", encoding="utf-8")
        await screen.shows("cut")
        renewed = stage.log.with_name("new")  # beside the old one, so that it has another inode
        renewed.write_text("new file\n", encoding="utf-8")
        renewed.rename(stage.log)
        await screen.shows("new file")
        stage.end()
    assert screen.texts == ["first run", "cut", "new file"]
    assert [note.split(";")[0] for note in screen.notes] == [
        "its log was truncated",
        "its log was replaced by a new file",
    ]


async def test_what_was_written_just_before_a_rotation_is_told_too(stage: Stage) -> None:
    stage.write("one\n")
    async with stage.following() as screen:
        await screen.shows("one")
        stage.write("two\nthree")
        stage.log.rename(stage.log.with_name("1.log.1"))
        stage.write("four\n")
        await screen.shows("one", "two", "three", "four")
        stage.end()


async def test_a_log_that_is_not_there_yet_is_waited_for_and_told_whole(stage: Stage) -> None:
    async with stage.following(lines=1) as screen:
        await screen.until(lambda: screen.notes == [f"there is no file {stage.log} yet"])
        stage.write("one\ntwo\nthree\n")
        await screen.shows("one", "two", "three")
        stage.end()


async def test_a_job_that_wrote_nothing_ends_with_a_word_about_it(stage: Stage) -> None:
    async with stage.following() as screen:
        await screen.until(lambda: screen.notes)
        stage.end()
    assert screen.texts == []
    assert not screen.ended[0].unread


@pytest.mark.parametrize("before", ["missing", "there"])
async def test_a_log_that_becomes_a_link_to_another_file_is_not_followed_there(stage: Stage, before: str) -> None:
    hidden = Path(stage.home.env["HOME"]) / ".secret"
    hidden.write_text("nobody may read this\n", encoding="utf-8")
    if before == "there":
        stage.write("harmless\n")
    async with stage.following() as screen:
        await screen.until(lambda: screen.notes or screen.texts)
        link = stage.log.with_name("link")
        link.symlink_to(hidden)
        os.replace(link, stage.log)  # noqa: PTH105 -- at once, as a hostile job would
        await screen.until(lambda: any("leads to" in note for note in screen.notes))
        stage.end()
        await stage.service.status(stage.home.caller())
    assert screen.texts == (["harmless"] if before == "there" else [])
    assert screen.ended[0].unread


async def test_a_log_that_may_not_be_read_is_refused_at_once(stage: Stage) -> None:
    hidden = Path(stage.home.env["HOME"]) / ".secret"
    hidden.write_text("nobody may read this\n", encoding="utf-8")
    stage.log.symlink_to(hidden)
    screen = Screen()
    with pytest.raises(BaseExceptionGroup) as caught:
        await stage.service.follow_logs(stage.home.caller(), ["1"], tell=screen.tell)
    assert caught.group_contains(LogRefusedError)
    assert screen.texts == []


async def test_a_job_that_writes_to_another_file_is_followed_there_when_the_first_is_read(stage: Stage) -> None:
    second = stage.log.with_name("2.log")
    stage.write("one\n")
    async with stage.following() as screen:
        await screen.shows("one")
        stage.write("last of the first")
        second.write_text("first of the second\n", encoding="utf-8")
        stage.paper.own_logs["1"] = LogPaths(stdout=str(second))
        await stage.service.status(stage.home.caller())
        await screen.shows("last of the first", "first of the second")
        stage.end()
    assert screen.texts == ["one", "last of the first", "first of the second"]


async def test_several_jobs_are_told_apart_and_each_ends_by_itself(stage: Stage) -> None:
    other = stage.log.with_name("2.log")
    stage.paper.states["2"] = "RUNNING"
    stage.paper.own_logs["2"] = LogPaths(stdout=str(other))
    other.write_text("b\n", encoding="utf-8")
    stage.write("a\n")
    await stage.service.register(stage.home.caller(), type="paper", ids=["2"])
    async with stage.following("2", "1", "2") as screen:
        await screen.until(lambda: sorted(screen.lines) == [(0, "b"), (1, "a")])
        stage.end("2")
        await screen.until(lambda: any(isinstance(told, Ended) for told in screen.told))
        stage.write("still here\n")
        await screen.until(lambda: (1, "still here") in screen.lines)
        stage.end("1", word="FAILED")
    assert [end.view.status for end in screen.ended] == ["COMPLETED", "FAILED"]


async def test_the_other_stream_is_followed_when_asked_for(stage: Stage) -> None:
    stage.log.with_suffix(".err").write_text(f"complaint {SECRET}\n", encoding="utf-8")
    stage.end()
    await stage.service.status(stage.home.caller())
    async with stage.following(stream="stderr") as screen:
        pass
    assert screen.texts == ["complaint token=[masked]"]


async def test_a_job_that_nobody_watches_is_an_error(stage: Stage) -> None:
    with pytest.raises(JobNotFoundError):
        await stage.service.follow_logs(stage.home.caller(), ["7"], tell=Screen().tell)


class _Flaky:
    """A `Transports.lease` whose transports cannot read while it is `down`."""

    def __init__(self, lease: Callable[[str], AbstractAsyncContextManager[Transport]]) -> None:
        self._lease = lease
        self.down = False
        self.failed = 0

    @asynccontextmanager
    async def __call__(self, host: str) -> AsyncGenerator[Transport]:
        async with self._lease(host) as transport:
            yield _FlakyTransport(transport, self)


@dataclass
class _FlakyTransport:
    inner: Transport
    line: _Flaky

    @property
    def host(self) -> str:
        return self.inner.host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        return await self.inner.run(argv, timeout_s=timeout_s, stdin=stdin)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        if self.line.down:
            self.line.failed += 1
            raise ConnectError("far gives no answer.")
        return await self.inner.read(path, start=start, max_bytes=max_bytes)


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_host_that_falls_silent_is_told_once_and_nothing_is_lost(
    home: Household, paper: Paper, stage: Stage, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    screen = Screen()
    async with paper_world(home, paper) as world, anyio.create_task_group() as tasks:
        line = _Flaky(world.transports.lease)
        monkeypatch.setattr(world.transports, "lease", line)
        desk = QuietDesk(world, tasks, version="0.1.0")
        flaky = Stage(Service(desk), home, paper, stage.log)
        flaky.write("before\n")
        async with flaky.following(screen=screen):
            await screen.shows("before")
            line.down = True
            flaky.write("while it was away\n")
            await screen.until(lambda: line.failed > 2)
            line.down = not comes_back
            if comes_back:
                await screen.shows("while it was away")
            flaky.end()
            await desk.refresh([*await world.sessions.known()])
        tasks.cancel_scope.cancel()
    assert screen.notes[0] == "far gives no answer. Trying again."
    assert screen.notes[1:] == (["its log can be read again"] if comes_back else ["far gives no answer."])
    assert screen.ended[0].unread is not comes_back


def test_a_growing_log_is_looked_at_often_and_a_quiet_one_ever_less() -> None:
    pacing, pause_s, pauses = Pacing(), FAST_S, list[float]()
    assert pacing.after("h", 0, 1.7, grew=True, most_s=SLOW_S) == FAST_S
    for _ in range(12):
        pause_s = pacing.after("h", 0, pause_s, grew=False, most_s=SLOW_S)
        pauses.append(pause_s)
    assert pauses == sorted(pauses)
    assert pauses[-1] == SLOW_S


def test_growing_logs_of_one_host_take_turns() -> None:
    pacing = Pacing()
    for number in range(4):
        pacing.after("h", number, FAST_S, grew=True, most_s=SLOW_S)
    assert pacing.after("h", 0, FAST_S, grew=True, most_s=SLOW_S) == pytest.approx(4 * FAST_S)
    assert pacing.after("other", 9, FAST_S, grew=True, most_s=SLOW_S) == FAST_S
    for number in (1, 2):
        pacing.leave("h", number)
    assert pacing.after("h", 0, FAST_S, grew=True, most_s=SLOW_S) == pytest.approx(2 * FAST_S)
