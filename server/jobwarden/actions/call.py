"""What a rule does, as it is written in the rule, and one time that a rule fired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Value = str | int | float | bool | list["Value"] | dict[str, "Value"]
"""An argument; `${loss}` in a text of it is filled in later, as data."""


@dataclass(frozen=True, slots=True)
class ActionCall:
    """One action, as written.

    Attributes:
        name: cancel_job, resubmit, notify (notify_email and notify_slack are forms of it), run_command, store_metric,
            log_event, pause.
        arguments: By name.
    """

    name: str
    arguments: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that a rule fired.

    Attributes:
        id: Stable: the job's uid, the rule's name, a number that counts up.
        rule: Its name.
        job_uid: Whose.
        at: When.
        captures: By name and by number.
        line: What made it fire, cut at 500 characters: data.
        stream: Where that line stood; empty for what is no line.
        manual: Whether somebody fired it by hand.
    """

    id: str
    rule: str
    job_uid: str
    at: datetime
    captures: Mapping[str, str]
    line: str
    stream: str
    manual: bool = False
