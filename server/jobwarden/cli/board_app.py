"""The board's screen. It repaints what has changed and nothing else: it is also looked at over slow links."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import anyio
from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import DataTable, Footer, Input, Static

from jobwarden.cli import board_words, words
from jobwarden.cli.board_screens import Confirm, LogScreen
from jobwarden.cli.board_table import JobTable
from jobwarden.identity import Caller
from jobwarden.service.board import Board, Deed
from jobwarden.service.board_views import BoardHost, BoardJob, BoardView
from jobwarden.service.control_views import ControlRow
from jobwarden.service.views import CancelRow
from jobwarden_registry.clock import Clock
from jobwarden_registry.errors import JobwardenError

LOOK_S = 2.0
"""Between two looks at the registry."""
LOG_S = 10.0
"""Between two looks at the chosen job's log."""
_REASON = "from the board"
_GOOD = frozenset({"accepted", "done", "already ended"})
_REST_S = 0.3
"""How long the cursor must rest on a job before its log is read."""
_FIRST_S = 1.0
"""How long nothing is painted, for the first look."""
_LOG_LINES = 6
_HOSTS = 3
_OWN = frozenset({"tail", "cancel", "control", "watch", "filter", "show", "clear"})
"""What keys do on the board alone."""


class BoardApp(App[None]):
    """All jobs of all sessions, as `Board.look` gives them."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "jobwarden"
    CSS = """
    #summary, #hosts, #head, #log { text-wrap: nowrap; text-overflow: ellipsis; }
    #summary { height: 1; text-style: bold; }
    #hosts { height: auto; max-height: 3; color: $text-muted; }
    #filter { display: none; height: 1; border: none; padding: 0; }
    #jobs { height: 1fr; scrollbar-size-vertical: 1; }
    #detail { height: 10; border-top: solid $secondary; }
    #head { height: 1; text-style: bold; }
    #said { height: auto; max-height: 2; }
    #log { height: 1fr; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t,enter", "tail", "log", key_display="t"),
        Binding("c", "cancel", "cancel"),
        Binding("h", "control('hold')", "hold"),
        Binding("r", "control('release')", "release"),
        Binding("w", "watch", "watching", show=False),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("f", "show", "all/some"),
        Binding("escape", "clear", "clear", show=False),
        Binding("q,ctrl+c", "quit", "quit", key_display="q"),
    ]

    def __init__(self, board: Board, caller: Caller, *, clock: Clock) -> None:
        super().__init__()
        self.animation_level = "none"  # over a slow link every picture of a movement is a wait
        self.board = board
        self.caller = caller
        self.clock = clock
        self.view: BoardView | None = None
        self._table = JobTable(clock)
        self._said: dict[str, str] = {}
        """By widget, what it says."""
        self._filter = ""
        self._show: board_words.Show = "all"
        self._tail: tuple[str, str] = ("", "")
        """Of which job, and its last lines."""
        self._rest: Timer | None = None
        self._look = anyio.Lock()
        self._looked = anyio.Event()
        self._deeds = 0
        """How many are being done."""
        self._leaving = False
        self._reading: BoardJob | None = None
        """Whose log is being read."""

    # -- building

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="summary", markup=False)
        yield Static(id="hosts", markup=False)
        yield Input(placeholder="name, id, host, state, session ...", id="filter", compact=True)
        yield self._table
        with Vertical(id="detail"):
            yield Static(id="head", markup=False)
            yield Static(id="said", markup=False)
            yield Static(id="log", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    async def on_mount(self) -> None:
        """Show the first snapshot before anything else is painted."""
        self.query_one(Input).cursor_blink = False
        self._table.focus()
        self._table.lay_out(self.size.width)
        self._say("summary", "Reading what is watched ...")
        self.look_again()
        with anyio.move_on_after(_FIRST_S):
            await self._looked.wait()
        self.set_interval(LOOK_S, self.look_again)
        self.set_interval(LOG_S, self._read_log)

    def on_resize(self, event: Resize) -> None:
        """Use the width that there is."""
        if self._table.lay_out(event.size.width):
            self._fill()

    # -- looking

    @work(group="look")
    async def look_again(self) -> None:
        """Look, unless the last look has not come back."""
        if not self._look.locked():
            await self.look()

    async def look(self) -> None:
        """Take a snapshot and show what is new in it."""
        async with self._look:
            try:
                self.view = await self.board.look(self.caller, wake=self.view is None)
            except JobwardenError as error:
                self._say("summary", words.clean(f"cannot be read: {error}"), "bold red")
            else:
                self._fill()
        self._looked.set()

    def _fill(self, *, anew: bool = False) -> None:
        view = self.view
        if view is None:
            return
        note = f" | {words.clean(view.notes[0])}" if view.notes else ""
        showing = f" [{self._show}]" if self._show != "all" else ""
        self._say(
            "summary", board_words.summary(view) + showing + note, "yellow" if board_words.is_unwatched(view) else ""
        )
        self._say("hosts", "\n".join(_host_lines(view)))
        self._table.fill(board_words.chosen(view, text=self._filter, show=self._show), anew=anew)
        self._fill_detail()

    def _fill_detail(self) -> None:
        one = self.chosen
        if one is None:
            gone = "The job that was chosen is not on the list any more: choose one with the arrows."
            nothing = "No job is chosen." if self._table.row_count else "Nothing to show."
            told = (gone if self._table.lost else nothing, "", "")
            for widget, text in zip(("head", "said", "log"), told, strict=True):
                self._say(widget, text)
            return
        uid, log = self._tail
        mine = "this session" if one.job.mine else f"session {words.clean(one.session)}"
        self._say("head", f"{words.title(one.job)}  {mine}, {words.clean(one.project)}")
        self._say("said", board_words.said(one, self.clock()) or words.state(one.job))
        self._say("log", log if uid == one.uid else "…")

    def _say(self, widget: str, text: str, style: str = "") -> None:
        if self._said.get(widget) != text:
            self._said[widget] = text
            self.query_one(f"#{widget}", Static).update(Text(text, style=style))

    # -- what is chosen

    @property
    def chosen(self) -> BoardJob | None:
        """Give the job under the cursor."""
        uid = self._table.chosen_uid
        return next((one for one in self.view.jobs if one.uid == uid), None) if self.view is not None else None

    @on(DataTable.RowHighlighted)
    def rested(self, event: DataTable.RowHighlighted) -> None:
        """Read its log when the cursor rests: who scrolls through a hundred jobs reads one log."""
        self._table.choose(event.cursor_row)
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_REST_S, self._read_log)
        self._fill_detail()

    def _read_log(self) -> None:
        """Read its log, unless that is being read or says nothing new."""
        one = self.chosen
        if one is None or (self._tail[0] == one.uid and one.job.phase.final):
            return
        if self._reading is None or self._reading.uid != one.uid:
            self._reading = one
            self._show_log(one)

    @work(exclusive=True, group="log")
    async def _show_log(self, one: BoardJob) -> None:
        try:
            told = await self.board.tail(self.caller, one.uid, lines=_LOG_LINES)
        except JobwardenError as error:
            text = words.clean(str(error))
        else:
            lines = [words.clean(line) for line in told.text.splitlines()[-_LOG_LINES:]]
            text = "\n".join(lines) or words.clean(told.note or "Its log is empty.")
        finally:
            if self._reading is one:
                self._reading = None
        self._tail = one.uid, text
        self._fill_detail()

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 -- Textual's signature
        """Let keys act on the board alone: on a log they would act on a job that is not seen."""
        return action not in _OWN or len(self.screen_stack) == 1

    def action_tail(self) -> None:
        """Show the chosen job's log on the whole screen."""
        if (one := self.chosen) is not None:
            self.push_screen(LogScreen(self.board, self.caller, one))

    @on(DataTable.RowSelected)
    def entered(self) -> None:
        """Enter on a row is `t`."""
        self._table.lost = False
        self.action_tail()

    def action_cancel(self) -> None:
        """Ask for the end of the chosen job, when the person has said yes."""
        one = self.chosen
        if one is None:
            return
        if one.job.phase.closed:
            self.notify("It has ended.", markup=False)
            return

        def answered(yes: bool | None) -> None:  # noqa: FBT001 -- Textual's callback
            if yes:
                self._cancel(one)

        self.push_screen(Confirm(one), answered)

    @work(group="deeds")
    async def _cancel(self, one: BoardJob) -> None:
        self.notify(f"Asking for the end of {words.title(one.job)} ...", markup=False)
        try:
            with self._doing():
                view = await self.board.cancel(self.caller, one.uid, reason=_REASON)
        except JobwardenError as error:
            self.notify(words.clean(str(error)), severity="error", markup=False)
        else:
            self._tell(view.rows)
        await self.look()

    def action_control(self, deed: Deed) -> None:
        """Hold or release the chosen job."""
        if (one := self.chosen) is not None:
            self._control(one, deed)

    def action_watch(self) -> None:
        """Pause the watching of the chosen job, or take it up again."""
        if (one := self.chosen) is not None:
            self._control(one, "pause_watching" if one.job.paused_since is None else "resume_watching")

    @work(group="deeds")
    async def _control(self, one: BoardJob, deed: Deed) -> None:
        try:
            with self._doing():
                view = await self.board.control(self.caller, one.uid, deed, reason=_REASON)
        except JobwardenError as error:
            self.notify(words.clean(str(error)), severity="error", markup=False)
        else:
            self._tell(view.rows)
            for note in view.notes:
                self.notify(words.clean(note), markup=False)
        await self.look()

    @contextmanager
    def _doing(self) -> Generator[None]:
        """Note that a deed is being done; with the last one, whoever wanted to leave leaves."""
        self._deeds += 1
        try:
            yield
        finally:
            self._deeds -= 1
            if self._leaving and not self._deeds:
                self.exit()

    async def action_quit(self) -> None:
        """End, when what was asked for is done; asked again, at once."""
        if not self._deeds or self._leaving:
            self.exit()
            return
        self._leaving = True
        told = "It is still being done, and the board ends then. q again: at once, and it may stay undone."
        self.notify(told, severity="warning", markup=False)

    def _tell(self, rows: Sequence[CancelRow] | Sequence[ControlRow]) -> None:
        for row in rows:
            told = words.clean(f"{words.title(row.job)}: {row.outcome}. {row.text}")
            self.notify(told, severity="information" if row.outcome in _GOOD else "error", markup=False)

    def action_show(self) -> None:
        """Show all, the living, or what went wrong."""
        self._show = board_words.SHOWS[(board_words.SHOWS.index(self._show) + 1) % len(board_words.SHOWS)]
        self._fill(anew=True)

    def action_filter(self) -> None:
        """Write a filter."""
        wanted = self.query_one(Input)
        wanted.display = True
        wanted.focus()

    def action_clear(self) -> None:
        """Take the filter away."""
        wanted = self.query_one(Input)
        wanted.value = ""
        wanted.display = False
        self._table.focus()

    @on(Input.Changed, "#filter")
    def filtered(self, event: Input.Changed) -> None:
        """Show what fits as it is typed."""
        self._filter = event.value
        self._fill(anew=True)

    @on(Input.Submitted, "#filter")
    def filter_written(self) -> None:
        """Go back to the jobs; the filter stays."""
        self._table.focus()


def _host_lines(view: BoardView) -> list[str]:
    def urgency(host: BoardHost) -> tuple[bool, float]:
        return not host.failure, -(host.age_s or 0.0)

    hosts = sorted(view.hosts, key=urgency)
    lines = [board_words.host_line(host) for host in hosts[:_HOSTS]]
    more = len(hosts) - _HOSTS
    return [*lines[:-1], f"{lines[-1]}; and {more} more"] if more > 0 else lines
