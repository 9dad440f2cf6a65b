"""What the board puts before itself: a log on the whole screen, and the question before a cancel."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Log, Static

from jobwarden.cli import words
from jobwarden.identity import Caller
from jobwarden.service.board import Board
from jobwarden.service.board_views import BoardJob
from jobwarden_registry.errors import JobwardenError

LOG_S = 3.0
_LINES = 500
_KEPT = 5000
_TITLE_CHARS = 200
"""A name that is longer would push what else is asked off the screen."""


class LogScreen(Screen[None]):
    """The end of a job's log, and what comes after it."""

    CSS = """
    #title, #note { text-wrap: nowrap; text-overflow: ellipsis; }
    #title { height: 1; text-style: bold; }
    #note { height: 1; color: $text-muted; }
    #log { height: 1fr; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,t", "app.pop_screen", "back", key_display="q"),
        Binding("g,home", "top", "top", key_display="g"),
        Binding("G,end", "bottom", "end", key_display="G"),
    ]

    def __init__(self, board: Board, caller: Caller, one: BoardJob) -> None:
        super().__init__()
        self._board = board
        self._caller = caller
        self._one = one
        self._cursor: str | None = None
        self._told = ""
        self._reading = False

    def compose(self) -> ComposeResult:
        """Lay it out."""
        job = self._one.job
        title = words.clean(f"{words.title(job)} ({job.type} {job.id} on {job.host})")
        yield Static(Text(title), id="title")
        yield Log(id="log", max_lines=_KEPT, highlight=False)
        yield Static(id="note", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin with the end of it."""
        self.query_one(Log).focus()
        self.read_on()
        self.set_interval(LOG_S, self.read_on)

    @work
    async def read_on(self) -> None:
        """Show what is new, unless the last reading has not come back."""
        if self._reading:
            return
        self._reading = True
        try:
            told = await self._board.tail(self._caller, self._one.uid, lines=_LINES, cursor=self._cursor, ask=True)
        except JobwardenError as error:
            self._note(words.clean(str(error)))
            return
        finally:
            self._reading = False
        if told.text:
            self.query_one(Log).write_lines([words.clean(line) for line in told.text.splitlines()])
        first, self._cursor = self._cursor is None, told.cursor or self._cursor
        if first or told.note:
            self._note(words.clean(" ".join(part for part in (told.path, told.note) if part)))

    def _note(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self.query_one("#note", Static).update(Text(text))

    def action_top(self) -> None:
        """Go to the first line that is here."""
        self.query_one(Log).scroll_home(animate=False)

    def action_bottom(self) -> None:
        """Go to the last line, and follow it."""
        self.query_one(Log).scroll_end(animate=False)


class Confirm(ModalScreen[bool]):
    """Asks before a job is ended. Enter does nothing: one says y."""

    CSS = """
    Confirm { align: center middle; }
    #question { width: 70; max-width: 95%; height: auto; border: thick $error; background: $surface; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "cancel it"),
        Binding("n,escape,q", "answer(False)", "leave it"),
    ]

    def __init__(self, one: BoardJob) -> None:
        super().__init__()
        self._one = one

    def compose(self) -> ComposeResult:
        """Lay it out."""
        job = self._one.job
        whose = "of this session" if job.mine else f"of session {self._one.session} in {self._one.project}"
        what = f"{job.type} {job.id} on {job.host}, {words.state(job)}, {whose}"
        lines = [f"Cancel {words.title(job)[:_TITLE_CHARS]}?", words.clean(what), "", "y: cancel it      n: leave it"]
        yield Static(Text("\n".join(lines)), id="question")

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 -- Textual's actions take positions
        """Give the answer."""
        self.dismiss(yes)
