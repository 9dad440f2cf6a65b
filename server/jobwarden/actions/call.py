"""What a rule asks for, and the check of it when it is written: what cannot be is refused then, not when it fires."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.grants import Grants, line
from jobwarden.actions.modifications import check_modifications
from jobwarden.actions.substitution import Value, check_names, names_in
from jobwarden.config.granting import NotifyConfig, is_mail

LINE_CHARS = 500
TEXT_CHARS = 2000
TIMES_MOST = 100
BACKOFF_MOST = 10
WAIT_MOST_S = 86400
"""Between a failure and the restart, however it has grown."""
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class ActionCall:
    """One action as it is written in a rule.

    Attributes:
        name: cancel_job, resubmit, notify (notify_email and notify_slack are forms of it), run_command, store_metric,
            log_event or pause; or restart, which is written as `restart=[...]` of a rule.
        arguments: By name; `${loss}` in a text is filled in when the rule fires, as data.
    """

    name: str
    arguments: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that a rule fired.

    Attributes:
        id: Stable: job uid, rule name, sequence number.
        rule: Its name.
        job_uid: Whose log it was.
        at: When.
        captures: What the pattern captured; a group that took no part is missing.
        line: What matched, cut at `LINE_CHARS`; data of strangers.
        stream: stdout or stderr.
        manual: A person or agent triggered it.
        run: The id of the run whose line, state or time it was; empty: the run that is there.
        runs: How many runs the job had had then, that one included.
        times: Which of the rule's own firings it is; 0: by hand, or not known.
        by: Who asks for it, where it is no rule's.
        free: See `Deed.free`.
        quiet: See `Deed.quiet`.
    """

    id: str
    rule: str
    job_uid: str
    at: datetime
    captures: Mapping[str, str]
    line: str
    stream: str
    manual: bool = False
    run: str = ""
    runs: int = 0
    times: int = 0
    by: str = ""
    free: bool = False
    quiet: bool = False

    @property
    def how(self) -> str:
        """What is said beside the rule's name: fired by hand, or which time it is."""
        return " (by hand)" if self.manual else f" (time {self.times})" if self.times > 1 else ""


_Check = Callable[["ActionCall", Grants], Mapping[str, Value]]


def check_call(call: ActionCall, grants: Grants, captures: Collection[str]) -> ActionCall:
    """Check an action when its rule is written.

    Args:
        call: As written.
        grants: What the user allows.
        captures: The names that the pattern captures.

    Returns:
        The same with its arguments under their own names; what `carry_out` takes.

    Raises:
        InvalidRuleError: It cannot be, or is not allowed; the hint says what to write, or which line of the user's
            configuration would allow it.
    """
    if call.name not in _CHECKS:
        written = ", ".join(name for name in _CHECKS if name != "restart")
        raise InvalidRuleError(f"There is no action {call.name[:60]!r}.", hint=f"There is: {written}.")
    check_names(dict(call.arguments), captures)
    return replace(call, arguments=_CHECKS[call.name](call, grants))


def _cancel(call: ActionCall, grants: Grants) -> Mapping[str, Value]:
    given = _known(call, {"reason": str})
    if not grants.cancel:
        raise InvalidRuleError("No rule may cancel a job.", hint=line("grants", "cancel = true"))
    return given


def _submission(given: dict[str, Value], grants: Grants) -> None:
    """Check what resubmit and restart have in common."""
    given["modifications"] = check_modifications(given.get("modifications", {}))
    times = given.setdefault("times", 1)
    if not isinstance(times, int) or not 1 <= times <= TIMES_MOST:
        raise InvalidRuleError(f"times is a number from 1 to {TIMES_MOST}.", hint="Write times=2.")
    if grants.resubmissions < 1:
        raise InvalidRuleError("No rule or agent may submit a job.", hint=line("grants", "resubmissions = 5"))


def _restart(call: ActionCall, grants: Grants) -> Mapping[str, Value]:
    numbers = (int, float)
    given = dict(
        _known(
            call, {"modifications": dict, "times": int, "wait_s": numbers, "backoff": numbers, "wait_most_s": numbers}
        )
    )
    _submission(given, grants)
    if not given.get("wait_s"):
        return {"times": given["times"], "modifications": given["modifications"]}
    backoff = given.setdefault("backoff", 1)
    assert isinstance(backoff, int | float)  # `_known` looked
    if not 1 <= backoff <= BACKOFF_MOST:
        raise InvalidRuleError(f"backoff is a number from 1 to {BACKOFF_MOST}.", hint="Write backoff=2.")
    return {"wait_most_s": WAIT_MOST_S, **given}


def _resubmit(call: ActionCall, grants: Grants) -> Mapping[str, Value]:
    given = dict(_known(call, {"modifications": dict, "cancel_original": bool, "times": int, "reason": str}))
    _submission(given, grants)
    if given.setdefault("cancel_original", True) and not grants.cancel:
        raise InvalidRuleError(
            "No rule may cancel a job, so none may replace one that lives.",
            hint=f"With cancel_original=false an ended job alone is resubmitted. {line('grants', 'cancel = true')}",
        )
    return given


def _notify(call: ActionCall, grants: Grants) -> Mapping[str, Value]:
    usual = {"notify_email": "email", "notify_slack": "slack"}.get(call.name, "")
    given = dict(_known(call, {"target": str, "to": str, "channel": str, "subject": str, "message": str}))
    target = given.pop("target", "") or usual
    if target:
        given["target"] = target
    if not target and ("to" in given or "channel" in given):
        raise InvalidRuleError(f"{call.name} without a target tells the agent alone.", hint="Write target=NAME, too.")
    if not target:
        return given
    if target not in grants.notify:
        hint = line(f"notify.{target if _PLAIN.fullmatch(str(target)) else 'NAME'}", 'env = "JOBWARDEN_URL"')
        raise InvalidRuleError(f"Nobody is configured as {str(target)[:60]!r}.", hint=hint)
    for whom in ("to", "channel"):
        if named := given.get(whom, ""):
            _check_recipient(str(named), str(target), grants.notify[str(target)])
    return given


def _check_recipient(named: str, target: str, configured: NotifyConfig) -> None:
    if configured.url and not is_mail(configured.url):
        hint = "Configure one more [notify.NAME] whose url has it, and write target=NAME."
        raise InvalidRuleError(f"Whom [notify.{target}] tells stands in its url alone.", hint=hint)
    if names_in(named) or named not in configured.to:
        hint = (
            line(f"notify.{target}", f"to = [{json.dumps(named)}]")
            if not names_in(named)
            else "Write the recipient itself."
        )
        raise InvalidRuleError(f"No rule may tell {named[:80]!r}.", hint=hint)


def _run(call: ActionCall, grants: Grants) -> Mapping[str, Value]:
    name = call.arguments.get("command", call.arguments.get("name"))
    if not isinstance(name, str) or not name:
        raise InvalidRuleError("run_command needs the name of a command.", hint='Write run_command(command="NAME").')
    if name not in grants.commands:
        raise InvalidRuleError(
            f"No command is configured as {name[:80]!r}. A rule runs no shell, only what the configuration names.",
            hint=_command_line(name),
        )
    given = {key: value for key, value in call.arguments.items() if key not in ("command", "name")}
    fills = grants.commands[name].fills
    if given.keys() != fills:
        wanted = ", ".join(sorted(fills)) or "no further argument"
        raise InvalidRuleError(f"{name} takes {wanted}; given is {', '.join(sorted(given)) or 'none'}.")
    for key, value in given.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise InvalidRuleError(f"{key} of {name} is a text or a number.")
    return {"command": name, **given}


def _command_line(written: str) -> str:
    """Say what would allow a command like the one that was written, its last program with one argument to fill."""
    last = re.split(r"[|;&]+", written)[-1].split()
    program = last[0].rpartition("/")[2] if last else ""
    name = program if _PLAIN.fullmatch(program) else "NAME"
    program = program if _PLAIN.fullmatch(program) else "PROGRAM"
    allow = line(f"commands.{name}", f'argv = ["{program}", "--", "{{message}}"]')
    return f'Write run_command(command="{name}", message="..."). {allow}'


def _metric(call: ActionCall, _grants: Grants) -> Mapping[str, Value]:
    given = _known(call, {"name": str, "value": (str, int, float)})
    name = given.get("name", "")
    if names_in(name) or not _METRIC.fullmatch(str(name)):
        raise InvalidRuleError("A metric has a fixed name.", hint='Write store_metric(name="loss", value="${loss}").')
    value = given.get("value")
    if value is None or (isinstance(value, str) and not names_in(value) and not _is_number(value)):
        raise InvalidRuleError(f"The value of {name} is no number.", hint='Write value="${loss}".')
    return given


def _log(call: ActionCall, _grants: Grants) -> Mapping[str, Value]:
    given = dict(_known(call, {"message": str, "level": str}))
    level = str(given.setdefault("level", "info")).lower()
    if level not in LEVELS:
        raise InvalidRuleError(f"There is no level {level[:40]!r}.", hint=f"There is: {', '.join(LEVELS)}.")
    return {**given, "level": level}


def _pause(call: ActionCall, _grants: Grants) -> Mapping[str, Value]:
    return _known(call, {"reason": str})


_CHECKS: Mapping[str, _Check] = {
    "cancel_job": _cancel,
    "resubmit": _resubmit,
    "restart": _restart,
    "notify": _notify,
    "notify_email": _notify,
    "notify_slack": _notify,
    "run_command": _run,
    "store_metric": _metric,
    "log_event": _log,
    "pause": _pause,
}
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,63}")


def _known(call: ActionCall, kinds: Mapping[str, type | tuple[type, ...]]) -> Mapping[str, Value]:
    for name, value in call.arguments.items():
        if name not in kinds:
            raise InvalidRuleError(f"{call.name} has no argument {name[:60]!r}.", hint=f"It has: {', '.join(kinds)}.")
        kind = kinds[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidRuleError(f"{name} of {call.name} cannot be {str(value)[:60]!r}.")
        if isinstance(value, str) and len(value) > TEXT_CHARS:
            raise InvalidRuleError(f"{name} of {call.name} has more than {TEXT_CHARS} characters.")
    return call.arguments


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
