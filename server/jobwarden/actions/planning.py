"""From a call and a firing to a deed: everything that can refuse it without asking anybody."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from pydantic import JsonValue

from jobwarden.actions.call import ActionCall, Firing, check_call
from jobwarden.actions.deeds import DONE, FAILED, INTENDED, KEPT, REFUSED, SUBMITS, Deed, Known
from jobwarden.actions.errors import ActionError
from jobwarden.actions.grants import Grants
from jobwarden.actions.halting import Halt
from jobwarden.actions.modifications import words_of
from jobwarden.actions.relative import is_relative
from jobwarden.actions.substitution import Value, harmless, names_in, substituted
from jobwarden.logs.secrets import mask
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord

RESTART = "restart"
MESSAGES = ("notify", "notify_email", "notify_slack")
_OF_ONE_RUN = ("cancel_job", *SUBMITS)
_OUTSIDE_MOST = 120
_KEPT_MOST = 1200
_NEWS_MOST = 60
"""Deeds of one session in an hour."""
_LINE_CHARS = 120
_SHOWN = ("subject", "message", "reason")
"""What stands in a plan's text already."""


class OtherRunError(JobwardenError):
    """What made the rule fire was about a run that is not the job's any more."""

    code: str = "action.other_run"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be noted of one call.

    Attributes:
        deed: Its `step` is an end already where nothing is left to be done, or it may not be done.
        text: For people, one line.
        told: Whether that is news.
    """

    deed: Deed
    text: str
    told: bool


def plan(
    call: ActionCall,
    place: int,
    *,
    record: JobRecord,
    firing: Firing,
    grants: Grants,
    known: Known,
    now: datetime,
    halt: Halt | None = None,
) -> Plan:
    """Fill in a call and check it once more: what was allowed when it was written may not be allowed now.

    Args:
        call: As written.
        place: In its rule, from 0.
        record: Whose log it was.
        firing: What made it fire.
        grants: As they stand now.
        known: The session's deeds, for the limits.
        now: The present.
        halt: While it holds only what is done by being noted may be done.
    """
    deed = Deed(
        id=f"{firing.id}#{place}",
        action=call.name,
        rule=firing.rule,
        firing=firing.id,
        uid=record.uid,
        run=firing.run or run_of(record),
        runs=firing.runs or runs_of(record),
        about={"type": record.type, "host": record.host, "job_id": record.id, "name": record.name},
        by=firing.by,
        free=firing.free,
        quiet=firing.quiet,
        lineage=f"{record.type}:{record.site or record.host}:{_first(record)}",
        at=now,
    )
    about = f"{deed.who}: {call.name}"
    try:
        _of_the_run_that_is_there(call, record, firing)
        arguments = _arguments(call, record, firing, grants)
        deed = deed.model_copy(update={"arguments": arguments, "target": _target(call, arguments)})
        _within_limits(deed, grants, known, now)
        if call.name == RESTART:
            deed = _timed(deed, firing, known, now)
            # What becomes of it is told: the new attempt, or the end.
            return Plan(deed, f"{deed.who}: {restart_said(deed, 'is to be restarted')}", told=False)
    except ActionError as error:
        text = f"{about}{_because(call, firing)}: {error}"
        return Plan(deed.model_copy(update={"step": FAILED}), text, told=record.held is None and not firing.quiet)
    except JobwardenError as error:
        text = f"{about}{_because(call, firing)}: refused: {error}"
        return Plan(deed.model_copy(update={"step": REFUSED}), text, told=record.held is None and not firing.quiet)
    said = _said_of(call, arguments, firing)
    ends = call.name in (*KEPT, "pause") or (call.name in MESSAGES and not deed.target)
    if halt is not None and not ends:
        return Plan(deed.model_copy(update={"step": REFUSED}), f"{about}: refused: {halt.said()}", told=False)
    told = ends and call.name not in KEPT
    text = f"{deed.who}{firing.how}: {said}"
    return Plan(deed.model_copy(update={"step": DONE if ends else INTENDED}), text, told)


def dry_text(one: Plan) -> str:
    """Say what would be done, with what: for who tries a rule."""
    given = {
        key: value for key, value in one.deed.arguments.items() if key not in _SHOWN and value not in ("", None, {})
    }
    if one.deed.step != INTENDED or not given:
        return one.text
    return f"{one.text}; with {', '.join(f'{key}={_short(value)}' for key, value in given.items())}"


def _short(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def tells_agent(call: ActionCall) -> bool:
    """Whether an action is a message to the agent, which then says that its rule has fired, and for what."""
    return call.name in MESSAGES and not call.arguments.get("target")


def run_of(record: JobRecord) -> str:
    """Give the id under which a job lives now."""
    return record.resubmitted_as or record.id


def runs_of(record: JobRecord) -> int:
    """Say how many runs a job has had; one that is not seen yet is its first."""
    return max(1, len(record.attempts))


def values_of(record: JobRecord, firing: Firing) -> dict[str, str]:
    """Give what each name stands for: data, on one line, and nothing in it that looks like a secret."""
    captured = {name: mask(harmless(value)) for name, value in firing.captures.items()}
    return {**captured, "JOB_ID": firing.run or run_of(record), "HOSTNAME": record.host}


def _arguments(call: ActionCall, record: JobRecord, firing: Firing, grants: Grants) -> dict[str, JsonValue]:
    # A capture that took no part this time is known to the rule all the same: it has no value.
    written = names_in(dict(call.arguments))
    checked = check_call(call, grants, written)
    known = values_of(record, firing)
    filled = {key: substituted(value, known) for key, value in checked.arguments.items()}
    if call.name in SUBMITS:
        _check_filled(checked, cast("Mapping[str, Value]", filled["modifications"]))
    if call.name == "store_metric":
        filled["value"] = _number(filled["value"])
    return cast("dict[str, JsonValue]", filled)


def _check_filled(call: ActionCall, filled: Mapping[str, Value]) -> None:
    """Check values that came from a log: they are values of their own, and say nothing of what rests on others."""
    modifications = cast("Mapping[str, Value]", call.arguments["modifications"])
    own = {name: value for name, value in filled.items() if not is_relative(name, modifications[name])}
    words_of(own)


def _timed(deed: Deed, firing: Firing, known: Known, now: datetime) -> Deed:
    """Say which restart it is, and when it may begin."""
    before = len(_mine(deed, known))
    wait_s, backoff, most_s = (
        _number(cast("Value", deed.arguments.get(name, 0))) for name in ("wait_s", "backoff", "wait_most_s")
    )
    wait_s = min(wait_s * min(backoff, 10.0) ** min(before, 100), most_s)
    due = now + timedelta(seconds=wait_s) if wait_s > 0 else None
    return deed.model_copy(update={"due": due, "ended": harmless(firing.line), "number": before + 1})


def restart_said(deed: Deed, what: str) -> str:
    """Say in a line what becomes of a run that has failed."""
    return f"{deed.ended}, {what} (restart {deed.number} of {deed.arguments['times']})"


def _of_the_run_that_is_there(call: ActionCall, record: JobRecord, firing: Firing) -> None:
    """Refuse what would end or replace a run for what another one wrote."""
    if call.name not in _OF_ONE_RUN or not firing.run:
        return
    run, runs = run_of(record), runs_of(record)
    if (firing.run, firing.runs or runs) != (run, runs):
        raise OtherRunError(
            f"It was about {firing.run}, run {firing.runs}; a later run is not meant: {run}, run {runs}."
        )


def _number(value: Value) -> float:
    try:
        number = float(cast("str", value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ActionError(f"{str(value)[:40]!r} is no number, so nothing was stored.")
    return number


def _target(call: ActionCall, arguments: Mapping[str, JsonValue]) -> str:
    return str(arguments.get("target", "")) if call.name in MESSAGES else ""


def _within_limits(deed: Deed, grants: Grants, known: Known, now: datetime) -> None:
    if deed.action in KEPT:
        _at_most(known.lately(KEPT, now), _KEPT_MOST)
    elif deed.action in MESSAGES and not deed.target:
        _at_most(known.lately(MESSAGES, now, target=""), _NEWS_MOST)
    elif deed.action in MESSAGES:
        _at_most(known.lately(MESSAGES, now, target=deed.target), grants.notify[deed.target].per_hour)
    elif deed.action == "run_command":
        _at_most(known.lately(("run_command",), now), _OUTSIDE_MOST)
    elif deed.action in SUBMITS:
        _within_budget(deed, grants, known)


def _at_most(done: int, most: int) -> None:
    if done >= most:
        raise ActionError(f"It did so {done} times within the hour, which is the limit; not done.", code="action.limit")


def _within_budget(deed: Deed, grants: Grants, known: Known) -> None:
    if deed.free:
        return
    done = [one for one, _ in known.submissions() if not one.free]
    mine = len(_mine(deed, known))
    times = deed.arguments["times"]
    assert isinstance(times, int)  # `check_call` looked
    if mine >= times:
        again = "restarted" if deed.action == RESTART else "resubmitted"
        raise ActionError(f"It was {again} {mine} times by this rule, which allows {times}.", code="action.limit")
    if len(done) >= grants.resubmissions:
        raise ActionError(
            f"The rules of this session have submitted {len(done)} jobs, and {grants.resubmissions} are allowed.",
            code="action.budget",
        )


def _mine(deed: Deed, known: Known) -> list[Deed]:
    """Give what this rule has submitted of this job, whatever id it had then."""
    done = (one for one, _ in known.submissions() if not one.free)
    return [one for one in done if (one.rule, one.lineage) == (deed.rule, deed.lineage)]


def _first(record: JobRecord) -> str:
    return record.attempts[0].id if record.attempts else record.id


def _because(call: ActionCall, firing: Firing) -> str:
    """Say which line it was; all of it where nothing else tells the agent."""
    most = None if tells_agent(call) else _LINE_CHARS
    return f" (on {harmless(mask(firing.line))[:most]!r})" if firing.line and call.name != RESTART else ""


def _said_of(call: ActionCall, arguments: Mapping[str, JsonValue], firing: Firing) -> str:
    if call.name == "store_metric":
        return f"{arguments['name']} = {arguments['value']:g}"
    parts = [str(arguments.get(one) or "") for one in ("subject", "message", "reason")]
    message, because = ": ".join(filter(None, parts)), _because(call, firing)
    if call.name == "log_event":
        return f"{arguments['level']}: {message or 'noted'}{because}"
    if call.name in MESSAGES:
        return f"{message or 'fired'}{because}"
    return f"{call.name}{': ' + message if message else ''}{because}"
