"""Doing something to living jobs beside ending them: the same way as a cancel (`actions.cancel`), audited as well."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from jobwarden.actions.cancel import CancelReport, Doomed, Order, Request, carry_request
from jobwarden.actions.modifications import TIME, seconds_of
from jobwarden.sources.base import CancelOutcome, Host, Source, Wanted
from jobwarden.sources.controls import Change, Control, Controls
from jobwarden.verdict.rounds import Rounds
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord

SIGNALS = ("USR1", "USR2", "HUP", "INT", "QUIT", "TERM", "KILL", "STOP", "CONT", "ALRM", "URG", "WINCH")
_ENDING = ("KILL", "TERM", "INT", "QUIT", "HUP")
"""Who sends one of these means the end: that tells who did."""
_SIGNAL = re.compile(rf"(?P<batch>B:)?(?:SIG)?(?P<name>{'|'.join(SIGNALS)})")
_ELEMENTS = re.compile(r"\d{1,7}(?:-\d{1,7}(?::\d{1,7})?)?(?:,\d{1,7}(?:-\d{1,7}(?::\d{1,7})?)?){0,99}")


def read_change(action: Control, value: str, elements: str = "") -> Change:
    """Read what is wanted as a person or agent writes it.

    Args:
        action: Which.
        value: Of a signal: `USR1`, `SIGUSR1`, `B:USR1`; of a time limit: sbatch's forms; of a requeue: `hold`.
        elements: Of an array: `3`, `1-4,7`.

    Raises:
        InvalidIdError: That cannot be one; the hint says what can.
    """
    value = value.strip()
    if elements and _ELEMENTS.fullmatch(elements) is None:
        raise InvalidIdError(f"{elements[:60]!r} are no elements of an array.", hint="Write 12345_7 or 12345_[1-4,7].")
    if action is Control.SIGNAL:
        found = _SIGNAL.fullmatch(value.upper())
        if found is None:
            hint = f"One of {', '.join(SIGNALS)}; B:USR1 is for the batch script alone."
            raise InvalidIdError(f"{value[:40]!r} is no signal that can be sent.", hint=hint)
        return Change(action, (found["batch"] or "") + found["name"], elements)
    if action is Control.TIME_LIMIT:
        good = re.fullmatch(TIME, value, re.ASCII) is not None and seconds_of(value) > 0
        if not good:
            raise InvalidIdError(f"{value[:40]!r} is no time limit.", hint="Write minutes, 4:00:00 or 1-12:00:00.")
        return Change(action, str(math.ceil(seconds_of(value) / 60)), elements)
    if value and (action is not Control.REQUEUE or value != "hold"):
        known = " It takes hold, or nothing." if action is Control.REQUEUE else ""
        raise InvalidIdError(f"{action.value} takes no value {value[:40]!r}.{known}", hint="Leave the value out.")
    return Change(action, value, elements)


async def request_control(
    rounds: Rounds, doomed: Sequence[Doomed], order: Order, change: Change, *, lease: str | None = None
) -> list[CancelReport]:
    """Ask each job's source for this; see `carry_request`. A report's `seen` says whether it has shown since."""

    async def ask(source: Source, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        assert isinstance(source, Controls)  # `_why_not` looked
        return await source.control(host, wanted, change)

    def cannot(source: Source, record: JobRecord) -> str | None:
        return _why_not(source, record, change)

    ends = change.action is Control.SIGNAL and change.value.removeprefix("B:") in _ENDING
    verb = " ".join(filter(None, (change.action.value, change.value, change.elements)))
    request = Request(
        verb,
        ask,
        cannot,
        EventKind.CONTROL,
        ends=ends and not change.elements,
        extra={"action": change.action.value, "value": change.value, "elements": change.elements},
    )
    return await carry_request(rounds, doomed, order, request, lease=lease)


def _why_not(source: Source, record: JobRecord, change: Change) -> str | None:
    if not isinstance(source, Controls):
        return f"{record.type} jobs can only be looked at and cancelled."
    if change.action not in source.controls:
        return source.cannot.get(change.action, f"{change.action.value} cannot be done to {record.type} jobs.")
    if change.elements and record.type != "slurm":
        return f"{record.type} jobs have no elements."
    return None
