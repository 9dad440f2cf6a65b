"""How growing logs are printed: on a terminal, in a pipe or a file, and for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.cells import cell_len

from jobwarden.cli.words import clean, duration, remark, state, title
from jobwarden.logs.colours import Line
from jobwarden.service.told import Began, Ended, Noted, Told, Wrote
from jobwarden.service.views import JobView
from jobwarden_registry.clock import Clock

_PREFIX_COLOURS = (36, 33, 32, 35, 34, 31)
_LIVE_ROWS = 8
_QUIET_S = 2.0
_OPEN_EVERY_S = 10.0
"""In a pipe the state of an unfinished line is shown when it has not changed for `_QUIET_S`, else only so often."""


class Printer(Protocol):
    """Prints what is told; its times are those of `anyio.current_time`."""

    def take(self, told: Told, now: float) -> None:
        """Print it.

        Raises:
            BrokenPipeError: Nobody reads it any more.
        """
        ...

    def tick(self, now: float) -> None:
        """Print what has waited long enough."""
        ...

    def close(self) -> None:
        """Leave the terminal at the beginning of a line."""
        ...


def choose_printer(env: Mapping[str, str], clock: Clock, *, colour: str, as_json: bool) -> Printer:
    """Choose by what stdout and stderr are.

    Args:
        env: `NO_COLOR` and `TERM` are asked.
        clock: The present.
        colour: `auto`: on a terminal; `always`; `never`.
        as_json: One JSON object a line.
    """
    out, err = sys.stdout, sys.stderr
    if (reconfigure := getattr(out, "reconfigure", None)) is not None:  # what is no stream of the system's has none
        reconfigure(errors="replace")
    if as_json:
        return _JsonPrinter(out)
    plain = env.get("TERM", "") == "dumb"
    wanted = colour == "auto" and not plain and not env.get("NO_COLOR")
    style = _Style(
        coloured=colour == "always" or (wanted and out.isatty()),
        dim=colour == "always" or (wanted and err.isatty()),
    )
    kind = TerminalPrinter if out.isatty() and not plain else PipePrinter
    return kind(out, err, style, clock)


@dataclass(frozen=True, slots=True)
class _Style:
    """Whether stdout is written in colours, and stderr dimly."""

    coloured: bool
    dim: bool


class _TextPrinter:
    """What a terminal and a pipe have in common."""

    def __init__(self, out: TextIO, err: TextIO, style: _Style, clock: Clock) -> None:
        self._out = out
        self._err = err
        self._style = style
        self._clock = clock
        self._names: list[str] = []
        self._prefixes: list[str] = []
        self._pending: dict[int, tuple[Line, ...]] = {}

    def take(self, told: Told, now: float) -> None:
        """See `Printer.take`."""
        match told:
            case Began():
                self._begin(told.jobs)
            case Wrote():
                self._write(told, now)
            case Noted():
                self._say(f"{self._names[told.job]}: {clean(told.text)}", dim=self._style.dim)
            case Ended():
                self._say(_end_line(told, self._clock), dim=False)
        self._out.flush()

    def tick(self, now: float) -> None:
        """See `Printer.tick`."""

    def close(self) -> None:
        """See `Printer.close`."""

    def _begin(self, jobs: Sequence[JobView]) -> None:
        titles = [title(job) for job in jobs]
        self._names = [
            name if titles.count(name) == 1 else clean(job.id) for name, job in zip(titles, jobs, strict=True)
        ]
        for number, name in enumerate(self._names):
            colour = _PREFIX_COLOURS[number % len(_PREFIX_COLOURS)]
            prefix = f"\x1b[{colour}m{name}|\x1b[0m " if self._style.coloured else f"{name}| "
            self._prefixes.append(prefix if len(jobs) > 1 else "")

    def _write(self, wrote: Wrote, now: float) -> None:
        raise NotImplementedError

    def _say(self, text: str, *, dim: bool) -> None:
        self._out.flush()
        self._err.write(f"\x1b[2m{text}\x1b[0m\n" if dim else f"{text}\n")
        self._err.flush()

    def _shown(self, line: Line) -> str:
        return line.coloured if self._style.coloured else line.text


class TerminalPrinter(_TextPrinter):
    """Lines below one another, and below them the rows that still change, redrawn in place. See `Printer`."""

    _drawn = 0

    def close(self) -> None:
        """See `Printer.close`."""
        if self._drawn:
            self._out.write("\n")
            self._out.flush()

    def _write(self, wrote: Wrote, now: float) -> None:  # noqa: ARG002 -- as a pipe needs it
        self._pending[wrote.job] = wrote.pending
        lines = [f"{self._prefixes[wrote.job]}{self._shown(line)}\n" for line in wrote.lines]
        self._out.write(self._erased() + "".join(lines) + self._live())

    def _say(self, text: str, *, dim: bool) -> None:
        self._out.write(self._erased())
        super()._say(text, dim=dim)
        self._out.write(self._live())

    def _erased(self) -> str:
        rows, self._drawn = self._drawn, 0
        if not rows:
            return ""
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J"

    def _live(self) -> str:
        columns, height = self._size()
        rows = [(number, line) for number, lines in sorted(self._pending.items()) for line in lines]
        rows = rows[-min(_LIVE_ROWS, max(1, height - 1)) :]
        self._drawn = len(rows)
        return "\n".join(self._row(number, line, columns - 1) for number, line in rows)

    def _row(self, number: int, line: Line, columns: int) -> str:
        room = columns - (cell_len(f"{self._names[number]}| ") if self._prefixes[number] else 0)
        line = Line(tuple((style, text.replace("\t", "    ")) for style, text in line.part(0, max(1, room)).cells))
        while line.cells and cell_len(line.text) > max(1, room):
            line = line.part(0, len(line.text) - 1)
        return f"{self._prefixes[number]}{self._shown(line)}"

    def _size(self) -> tuple[int, int]:
        try:
            columns, height = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            columns, height = 0, 0
        return columns or 80, height or 24  # a terminal need not know its size


class PipePrinter(_TextPrinter):
    """Lines below one another; one that stays unfinished is shown as it stands, now and then. See `Printer`."""

    def __init__(self, out: TextIO, err: TextIO, style: _Style, clock: Clock) -> None:
        super().__init__(out, err, style, clock)
        self._open: tuple[int, str] | None = None
        self._changed_at: dict[int, float] = {}
        self._waits_since: dict[int, float] = {}
        self._was_shown: set[int] = set()

    def tick(self, now: float) -> None:
        """See `Printer.tick`."""
        for number, lines in self._pending.items():
            if len(lines) != 1 or self._open == (number, lines[0].text):
                continue  # of several rows each is shown when it has settled
            quiet = now - self._changed_at[number] >= _QUIET_S and number not in self._was_shown
            if quiet or now - self._waits_since[number] >= _OPEN_EVERY_S:
                self._out.write(self._begun(number, lines[0]))
                self._open = (number, lines[0].text)
                self._waits_since[number] = now
                self._was_shown.add(number)
        self._out.flush()

    def close(self) -> None:
        """See `Printer.close`."""
        self._close_line()
        self._out.flush()

    def _write(self, wrote: Wrote, now: float) -> None:
        for line in wrote.lines:
            self._out.write(self._begun(wrote.job, line) + "\n")
            self._open = None
            self._waits_since.pop(wrote.job, None)
            self._was_shown.discard(wrote.job)
        self._pending[wrote.job] = wrote.pending
        self._changed_at[wrote.job] = now
        self._waits_since.setdefault(wrote.job, now)

    def _begun(self, number: int, line: Line) -> str:
        """Write a line, or what is still to come of the one that stands there unfinished."""
        if self._open is not None and self._open[0] == number and line.text.startswith(self._open[1]):
            return self._shown(line.part(len(self._open[1]), len(line.text)))
        self._close_line()
        return f"{self._prefixes[number]}{self._shown(line)}"

    def _close_line(self) -> None:
        if self._open is not None:
            self._out.write("\n")
            self._open = None


class _JsonPrinter:
    """One object a line. See `Printer`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._jobs: tuple[JobView, ...] = ()

    def take(self, told: Told, now: float) -> None:  # noqa: ARG002 -- as a pipe needs it
        """See `Printer.take`."""
        match told:
            case Began():
                self._jobs = told.jobs
            case Wrote():
                for line in told.lines:
                    self._print(told.job, "line", line.text)
            case Noted():
                self._print(told.job, "note", told.text)
            case Ended():
                self._print(told.job, "ended", json.loads(told.view.model_dump_json()))
        self._out.flush()

    def tick(self, now: float) -> None:
        """See `Printer.tick`."""

    def close(self) -> None:
        """See `Printer.close`."""

    def _print(self, number: int, kind: str, said: object) -> None:
        job = self._jobs[number]
        self._out.write(json.dumps({"job": job.id, "host": job.host, kind: said}, ensure_ascii=False) + "\n")


def _end_line(ended: Ended, clock: Clock) -> str:
    job = ended.view
    who = title(job) if title(job) == clean(job.id) else f"{title(job)} ({clean(job.id)})"
    after = f" after {duration(job.elapsed_s)}" if job.elapsed_s is not None else ""
    more = [remark(job, clock()), "its log could not be read to the end" if ended.unread else ""]
    if not job.phase.closed:
        more.append("it is not watched any more")
    return "; ".join([f"{who} on {clean(job.host)}: {state(job)}{after}", *filter(None, more)])
