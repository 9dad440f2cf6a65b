"""The board's screen at 80x24, and what the command prints where there is no screen."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import anyio
import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, Log, Static

from jobwarden.cli.board_app import BoardApp
from jobwarden.cli.board_table import JobTable
from jobwarden.cli.board_words import chosen, coarse, host_line, said, summary
from jobwarden.identity import Caller
from jobwarden.service.board_views import BoardView
from jobwarden.service.views import CancelView, TailView, WatcherView
from jobwarden_registry.errors import JobNotFoundError, UnreadableError
from jobwarden_registry.phases import Phase
from support.boards import HOSTILE, FakeBoard, a_morning, board_job, board_view
from support.fake_service import NOW, Answers, Terminal

PERSON = Caller("terminal-1", "manual", Path("/home/alice"), "cli")


@asynccontextmanager
async def screen(board: FakeBoard, *, size: tuple[int, int] = (80, 24)) -> AsyncGenerator[Pilot[None]]:
    app = BoardApp(board, PERSON, clock=lambda: NOW)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield pilot


def lines(pilot: Pilot[None]) -> list[str]:
    """Give what stands on the screen, line by line."""
    strips = pilot.app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage] -- no public way to it
    return [strip.text.rstrip() for strip in strips]


async def until(pilot: Pilot[None], text: str) -> str:
    """Wait until it stands somewhere on the screen."""
    with anyio.fail_after(20):
        while text not in "\n".join(lines(pilot)):
            await pilot.pause(0.05)
    return "\n".join(lines(pilot))


async def until_done(pilot: Pilot[None], board: FakeBoard, deeds: int) -> None:
    """Wait until so many deeds have been asked for."""
    with anyio.fail_after(20):
        while len(board.controlled) < deeds:
            await pilot.pause(0.05)


def jobs_of(app: BoardApp) -> JobTable:
    return app.query_one(JobTable)


def note_painting(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Note what is painted from now on, instead of painting it."""
    painted: list[tuple[object, ...]] = []

    def note(*words: object, **_more: object) -> None:
        painted.append(words)

    for widget, name in ((DataTable, "update_cell"), (DataTable, "add_row"), (Static, "update")):
        monkeypatch.setattr(widget, name, note)
    return painted


def table(pilot: Pilot[None]) -> DataTable[Text]:
    return cast("DataTable[Text]", pilot.app.query_one(DataTable))


async def test_at_80_by_24_the_jobs_their_cause_and_their_log_are_on_one_screen() -> None:
    async with screen(a_morning()) as pilot:
        shown = await until(pilot, "torch.OutOfMemoryError")
    rows = shown.splitlines()
    assert len(rows) == 24
    assert all(len(row) <= 80 for row in rows)
    assert rows[0].startswith("1 failed, 3 running, 2 pending, 2 succeeded, 3 sessions, watched")
    assert "cluster-b slurm: 1 job, answered 25m ago, now ssh.refused" in rows[1], "what fails comes first"
    assert "OUT_OF_MEMOR" in shown
    assert "sft-llama-8b" in shown
    assert "cause: CUDA out of memory on rank 3, at train.py:212" in shown
    assert "stale" in shown
    assert "q quit" in rows[-1]


async def test_a_wide_screen_says_of_each_job_what_there_is_to_say() -> None:
    async with screen(a_morning(), size=(160, 30)) as pilot:
        shown = "\n".join(lines(pilot))
        assert "mmlu_pro: 812 requests done" in shown
        assert "MMLU-Pro 42.3 %" in shown
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "812 requests" not in "\n".join(lines(pilot))


async def test_a_look_that_finds_nothing_new_paints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    board = a_morning()
    async with screen(board) as pilot:
        await until(pilot, "torch.OutOfMemoryError")
        painted = note_painting(monkeypatch)
        app = pilot.app
        assert isinstance(app, BoardApp)
        looks = board.looks
        for _ in range(3):
            await app.look()
        assert board.looks >= looks + 3
        assert painted == []
        board.view = board_view(*board.view.jobs[1:])
        await app.look()
        assert painted != []


async def test_only_the_cell_that_changed_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    board = FakeBoard(board_view(board_job("1", name="a"), board_job("2", name="b", session="s-eval")))
    async with screen(board) as pilot:
        app = pilot.app
        assert isinstance(app, BoardApp)
        painted = note_painting(monkeypatch)
        board.view = board_view(
            board_job("1", name="a"), board_job("2", name="b", session="s-eval", status="COMPLETING")
        )
        await app.look()
        ((_table, uid, column, text),) = [words for words in painted if isinstance(words[0], DataTable)]
        assert (uid, getattr(column, "value", ""), str(text)) == ("uid2", "STATE", "COMPLETING")


async def test_the_cursor_stays_on_its_job_when_others_come_and_go() -> None:
    board = FakeBoard(board_view(board_job("1", name="a"), board_job("2", name="b")))
    async with screen(board) as pilot:
        app = pilot.app
        assert isinstance(app, BoardApp)
        await pilot.press("down")
        assert jobs_of(app).chosen_uid == "uid2"
        board.view = board_view(board_job("9", name="new"), board_job("1", name="a"), board_job("2", name="b"))
        await app.look()
        await pilot.pause()
        assert jobs_of(app).chosen_uid == "uid2"


async def test_the_cursor_stays_on_its_job_when_the_window_changes() -> None:
    async with screen(a_morning()) as pilot:
        app = pilot.app
        assert isinstance(app, BoardApp)
        await pilot.press(*["down"] * 4)
        for width in (160, 80):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            assert jobs_of(app).chosen_uid == "uid48231_[1-8]"


async def test_a_job_that_leaves_the_list_hands_its_keys_to_no_other() -> None:
    three = [board_job(number, name=f"job-{number}") for number in "123"]
    board = FakeBoard(board_view(*three))
    async with screen(board) as pilot:
        app = pilot.app
        assert isinstance(app, BoardApp)
        await pilot.press("down")
        board.view = board_view(three[0], three[2])
        for _ in range(2):
            await app.look()
            await pilot.pause()
            await pilot.press("h", "r", "w", "c", "y")
            await pilot.pause()
        assert "not on the list any more" in await until(pilot, "any more")
        assert (board.controlled, board.cancelled) == ([], [])
        await pilot.press("down", "h")
        await until_done(pilot, board, 1)
        assert board.controlled == [("uid3", "hold")]
        await pilot.press("slash", *"job-1", "enter", "h")
        await until_done(pilot, board, 2)
        assert board.controlled[1:] == [("uid1", "hold")], "a filter is the person's own doing"


async def test_on_a_log_the_board_s_keys_do_nothing_to_the_job_below_it() -> None:
    board = a_morning()
    async with screen(board) as pilot:
        await pilot.press("down", "down", "t")
        await until(pilot, "g top")
        await pilot.press(*"hrwcyf", "slash", "enter")
        await pilot.pause()
        assert (board.controlled, board.cancelled) == ([], [])
        assert len(pilot.app.screen_stack) == 2
        await pilot.press("q")
        await pilot.pause()
        assert table(pilot).row_count == 8


@dataclass
class SlowBoard(FakeBoard):
    """Each look and each log comes back when the test lets it."""

    gate: anyio.Event = field(default_factory=anyio.Event)
    begun: list[str] = field(default_factory=list[str])

    async def look(self, caller: Caller, *, wake: bool = False) -> BoardView:
        self.begun.append("look")
        await self.gate.wait()
        return await super().look(caller, wake=wake)

    async def tail(
        self, caller: Caller, uid: str, *, lines: int = 40, cursor: str | None = None, ask: bool = False
    ) -> TailView:
        self.begun.append("tail")
        if cursor is None:
            await self.gate.wait()
        return await super().tail(caller, uid, lines=lines, cursor=cursor, ask=ask)


async def test_a_look_or_a_log_that_takes_longer_than_the_time_between_two_still_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("board_app.LOOK_S", "board_app.LOG_S", "board_app._REST_S", "board_screens.LOG_S"):
        monkeypatch.setattr(f"jobwarden.cli.{name}", 0.02)
    morning = a_morning()
    board = SlowBoard(morning.view, morning.logs)
    async with screen(board) as pilot:
        await until(pilot, "Reading")
        for _ in range(20):
            await pilot.pause(0.02)
        assert board.begun == ["look"], "a look that is not back is waited for"
        board.gate.set()
        await until(pilot, "1 failed, 3 running")
        await until(pilot, "torch.OutOfMemoryError")
        board.gate = anyio.Event()
        board.begun.clear()
        await pilot.press("t")
        for _ in range(20):
            await pilot.pause(0.02)
        assert board.begun.count("tail") == 1
        board.gate.set()
        await until(pilot, "loss.backward()")


async def test_hostile_names_logs_and_causes_stay_text() -> None:
    job = board_job("1", name=HOSTILE, phase=Phase.FAILED, status="FAILED", cause=HOSTILE, session=HOSTILE)
    board = FakeBoard(board_view(job), {"uid1": HOSTILE})
    async with screen(board, size=(200, 30)) as pilot:
        shown = await until(pilot, "\\x1b[2J\\x202e[red]\n")
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        await pilot.press("t")
        assert "[red]" in await until(pilot, "<script>")
        await pilot.press("q", "slash")
        await pilot.press("escape")
        await pilot.pause()


async def test_a_filter_shows_what_fits_as_it_is_typed_and_escape_takes_it_away() -> None:
    async with screen(a_morning()) as pilot:
        await pilot.press("slash", *"sft s-train")
        await pilot.pause()
        assert table(pilot).row_count == 2
        await pilot.press("enter")
        assert pilot.app.focused is table(pilot)
        assert table(pilot).row_count == 2
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert table(pilot).row_count == 8


async def test_f_shows_the_living_then_what_went_wrong_then_all() -> None:
    async with screen(a_morning()) as pilot:
        counts: list[int] = []
        for _ in range(3):
            await pilot.press("f")
            await pilot.pause()
            counts.append(table(pilot).row_count)
        assert counts == [5, 3, 8]


async def test_the_log_of_the_chosen_job_fills_the_screen_with_t_and_goes_with_q() -> None:
    board = a_morning()
    async with screen(board) as pilot:
        await pilot.press("t")
        shown = await until(pilot, "loss.backward()")
        assert shown.splitlines()[0] == "sft-llama-8b (slurm 48213 on cluster-a)"
        assert pilot.app.screen.query_one(Log).line_count == 6
        await pilot.press("q")
        await pilot.pause()
        assert "cluster-b slurm" in "\n".join(lines(pilot))


async def test_a_log_is_read_when_the_cursor_rests_and_not_while_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwarden.cli.board_app.LOG_S", 3600.0)
    monkeypatch.setattr("jobwarden.cli.board_app._REST_S", 3600.0)
    board = FakeBoard(board_view(*(board_job(str(number), name=f"j{number}") for number in range(30))))
    async with screen(board) as pilot:
        await pilot.press(*["down"] * 20)
        assert board.tails == []
        monkeypatch.setattr("jobwarden.cli.board_app._REST_S", 0.01)
        await pilot.press("down")
        await until(pilot, "It has written nothing yet.")
        assert board.tails == ["uid21"]


async def test_cancelling_asks_first_and_only_y_does_it() -> None:
    board = a_morning()
    async with screen(board) as pilot:
        await pilot.press("down", "down", "c")
        shown = await until(pilot, "Cancel sft-llama-8b-2?")
        assert "slurm 48230 on cluster-a, RUNNING, of session s-train in" in shown
        await pilot.press("enter", "n")
        await pilot.pause()
        assert board.cancelled == []
        await pilot.press("c", "y")
        with anyio.fail_after(20):
            while not board.cancelled:
                await pilot.pause(0.05)
        assert board.cancelled == [("uid48230", "from the board", "terminal-1")]
        assert "accepted" in await until(pilot, "accepted")


async def test_h_holds_r_releases_and_w_pauses_and_resumes_the_watching_of_the_chosen_job() -> None:
    board = a_morning()
    async with screen(board) as pilot:
        await pilot.press(*["down"] * 4)
        for done, key in enumerate("hrw", 1):
            await pilot.press(key)
            await until_done(pilot, board, done)
        assert "sweep-lr: done. it is held" in await until(pilot, "it is held")
        row = board.view.jobs[4]
        off = {"paused_since": NOW, "paused_because": "since noon: maintenance"}
        paused = row.model_copy(update={"job": row.job.model_copy(update=off)})
        board.view = board_view(*board.view.jobs[:4], paused, *board.view.jobs[5:])
        app = pilot.app
        assert isinstance(app, BoardApp)
        await app.look()
        assert "NOT WATCHED since noon: maintenance" in await until(pilot, "NOT WATCHED")
        await pilot.press("w")
        await until_done(pilot, board, 4)
    deeds = ["hold", "release", "pause_watching", "resume_watching"]
    assert board.controlled == [("uid48231_[1-8]", deed) for deed in deeds]


@dataclass
class BusyBoard(FakeBoard):
    """A cancel takes as long as the test wants."""

    gate: anyio.Event = field(default_factory=anyio.Event)
    begun: anyio.Event = field(default_factory=anyio.Event)

    async def cancel(self, caller: Caller, uid: str, *, reason: str) -> CancelView:
        self.begun.set()
        await self.gate.wait()
        return await super().cancel(caller, uid, reason=reason)


@pytest.mark.parametrize("hurried", [False, True])
async def test_q_waits_for_a_cancel_that_is_being_done_unless_it_is_pressed_again(*, hurried: bool) -> None:
    board = BusyBoard(a_morning().view)
    async with screen(board) as pilot:
        await pilot.press("down", "c", "y")
        with anyio.fail_after(20):
            await board.begun.wait()
        await pilot.press("q")
        await until(pilot, "It is still")
        assert pilot.app.is_running
        if hurried:
            await pilot.press("q")
        else:
            board.gate.set()
        with anyio.fail_after(20):
            while pilot.app.is_running:
                await pilot.pause(0.05)
    assert len(board.cancelled) == (0 if hurried else 1)


async def test_what_has_ended_is_not_asked_about() -> None:
    board = a_morning()
    async with screen(board) as pilot:
        await pilot.press("c", "y")
        await until(pilot, "It has ended.")
        assert board.cancelled == []


async def test_a_registry_that_cannot_be_read_is_said_and_the_last_picture_stays() -> None:
    board = a_morning()
    async with screen(board) as pilot:
        app = pilot.app
        assert isinstance(app, BoardApp)
        board.error = UnreadableError("the disk does not answer")
        await app.look()
        shown = await until(pilot, "cannot be read: the disk does not answer")
        assert "sft-llama-8b" in shown
        board.error = None
        await app.look()
        await until(pilot, "1 failed, 3 running")


async def test_q_ends_it() -> None:
    async with screen(a_morning()) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert not pilot.app.is_running


# -- words


def test_ages_are_coarse_so_that_a_quiet_board_stays_quiet() -> None:
    told = [coarse(seconds) for seconds in (None, 0, 59, 61, 3599, 3600, 11100, 86400, 187200)]
    assert told == ["-", "<1m", "<1m", "1m", "59m", "1h00", "3h05", "1d00", "2d04"]


def test_the_summary_says_when_nobody_watches() -> None:
    view = board_view(board_job("1"), watcher=WatcherView(running=False, log_path="/l"), left_out=3)
    assert summary(view) == "1 running, 1 session, 3 not shown, NOT WATCHED"
    assert summary(board_view()) == "no jobs, 0 sessions, watched"
    nobody = WatcherView(running=False, log_path="/l")
    assert summary(board_view(watcher=nobody)) == "no jobs, 0 sessions", "nothing is left to watch"
    assert host_line(view.hosts[0]) == "cluster-a slurm: 1 job, answered <1m ago"


def test_the_filter_looks_into_all_that_is_known_of_a_job() -> None:
    view = a_morning().view
    found = {text: [one.job.id for one in chosen(view, text=text, show="all")] for text in ("oom", "cluster-b", "NEL ")}
    assert found == {"oom": [], "cluster-b": ["7719"], "NEL ": ["0b1d99ac8d04df09", "0b1d99ac8d04df01"]}


def test_what_is_said_twice_is_said_once() -> None:
    (one,) = [one for one in a_morning().view.jobs if one.job.id == "0b1d99ac8d04df09"]
    assert said(one, NOW).count("812") == 1


# -- the command


def test_in_a_pipe_it_prints_once_and_says_so(terminal: Terminal, answers: Answers) -> None:
    answers.board = a_morning()
    ran = terminal("board", env={"TERM": "xterm"})
    assert ran.code == 0
    assert "no terminal" in ran.err
    assert ran.out.splitlines()[0].startswith("1 failed, 3 running")
    assert "cause: CUDA out of memory on rank 3" in ran.out
    assert "cluster-b slurm: 1 job, answered 25m ago, now ssh.refused" in ran.out
    assert "s-eval (claude-code) in /home/alice/s-eval: 1 living, 2 ended, seen 4m ago" in ran.out


def test_once_says_nothing_else(terminal: Terminal, answers: Answers) -> None:
    answers.board = a_morning()
    assert terminal("board", "--once").err == ""
    assert answers.board.looks == 1


def test_json_is_the_whole_snapshot(terminal: Terminal, answers: Answers) -> None:
    answers.board = a_morning()
    told = json.loads(terminal("board", "--json").out)
    assert len(told["jobs"]) == 8
    assert told["jobs"][0]["job"]["cause"] == "CUDA out of memory on rank 3, at train.py:212"


def test_an_error_is_told_as_everywhere(terminal: Terminal, answers: Answers) -> None:
    answers.board = a_morning()
    answers.board.error = JobNotFoundError("gone")
    assert terminal("board", "--once").code == 6


def test_an_address_is_printed_alone_and_a_server_that_is_not_there_is_said(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        ran = terminal("board", "--web", "--port", port)
        assert ran.out.startswith(f"http://127.0.0.1:{port}/board?login=")
        assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
        assert json.loads(terminal("board", "--web", "--port", port, "--json").out)["url"].startswith("http://")
    assert f"jobwarden serve --http --port {port}" in terminal("board", "--web", "--port", port).err
