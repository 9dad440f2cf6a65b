"""The board's table of jobs: writes the cells that have changed, and keeps the cursor on its job."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.widgets import DataTable

from jobwarden.cli import board_words, words
from jobwarden.cli.tables import PHASE_STYLES
from jobwarden.service.board_views import BoardJob
from jobwarden_registry.clock import Clock

_COLUMNS = (("STATE", 13), ("JOB", 20), ("ID", 13), ("HOST", 11), ("TIME", 6), ("AGE", 5))
_PAD = 2
_WIDE = sum(width + _PAD for _, width in _COLUMNS)
_LEAST_SAID = 15
"""A column of remarks narrower than this is left out; the lines below the table say it."""


class JobTable(DataTable[Text]):
    """One row a job, by its `uid`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(id="jobs", cursor_type="row")
        self._clock = clock
        self._shown: dict[str, tuple[str, ...]] = {}
        """By uid in the table's order, what the cells say."""
        self._said_width = 0
        self._kept = ""
        """What was chosen when the rows were taken away, to be filled in anew."""
        self.lost = False
        """Whether the chosen job has left the list by itself; nothing is chosen then until the person chooses."""

    @property
    def chosen_uid(self) -> str:
        """Name the job under the cursor; empty where there is none, or no person has put it there."""
        names = [] if self.lost else list(self._shown)
        return names[self.cursor_row] if 0 <= self.cursor_row < len(names) else ""

    def lay_out(self, width: int) -> bool:
        """Make the columns for a screen of that width; answers whether the rows must be filled in anew."""
        left = width - _WIDE - _PAD - 1
        said = left if left >= _LEAST_SAID else 0
        if said == self._said_width and self.columns:
            return False
        self._said_width = said
        self._kept = self.chosen_uid or self._kept
        self._shown = {}
        self.clear(columns=True)
        for name, wide in (*_COLUMNS, *((("SAYS", said),) if said else ())):
            self.add_column(name, key=name, width=wide)
        return True

    def choose(self, row: int) -> None:
        """Take the row that the cursor has come to, or on which enter was pressed."""
        self.lost = self.lost and not row == self.cursor_row > 0

    def fill(self, jobs: Iterable[BoardJob], *, anew: bool = False) -> None:
        """Show these jobs, in their order; `anew`: the person wants other ones, so that the first may be chosen."""
        shown = {one.uid: one for one in jobs}
        cells = {uid: self._cells(one) for uid, one in shown.items()}
        if list(cells) == list(self._shown):
            for uid, one in shown.items():
                for column, old, new in zip(self.columns, self._shown[uid], cells[uid], strict=True):
                    if old != new:
                        self.update_cell(uid, column, _styled(one, str(column.value), new))
        else:
            at, self._kept = self._kept or self.chosen_uid, ""
            self.lost = not anew and (self.lost or bool(at)) and at not in cells
            self.clear()
            names = [str(column.value) for column in self.columns]
            for uid, one in shown.items():
                row = [_styled(one, name, text) for name, text in zip(names, cells[uid], strict=True)]
                self.add_row(*row, key=uid)
            if at in cells:
                self.move_cursor(row=list(cells).index(at), animate=False)
        self._shown = cells

    def _cells(self, one: BoardJob) -> tuple[str, ...]:
        job, now = one.job, self._clock()
        name = words.clean(job.id if job.type == "slurm" else f"{job.type}:{job.id}")
        cells = (words.state(job), words.title(job), name, words.clean(job.host))
        told = (*cells, board_words.coarse(job.elapsed_s) if job.elapsed_s is not None else "", board_words.age(one))
        return (*told, board_words.said(one, now)) if self._said_width else told


def _styled(one: BoardJob, column: str, text: str) -> Text:
    style = PHASE_STYLES.get(one.job.phase, "") if column == "STATE" else "yellow" if text in ("stale", "off") else ""
    numbers = column in ("TIME", "AGE")
    return Text(text, style=style, no_wrap=True, overflow="ellipsis", justify="right" if numbers else "left")
