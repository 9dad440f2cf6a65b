"""Rules of watched jobs: watch_log, `rules=` of a registration, and the rules that stand in job scripts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from anyio import to_thread

from jobwarden.actions.call import ActionCall, check_call
from jobwarden.actions.grants import Grants, granted_in
from jobwarden.identity import Caller
from jobwarden.rules.building import Check, RuleLimits, build_all, read_rule, read_rules
from jobwarden.rules.engine import fired_as
from jobwarden.rules.looking import fired_event
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.restarts import check_job
from jobwarden.rules.state import Held, JobRules
from jobwarden.rules.store import Change, Tell, change_rules, load_rules
from jobwarden.rules.syntax import Written, read_text
from jobwarden.rules.writing import write_rule
from jobwarden.service.desk import Desk
from jobwarden.service.halted import halted_notes
from jobwarden.service.names import Known
from jobwarden.service.reading import find
from jobwarden.service.trying_rules import try_rules
from jobwarden.service.views import HitsView, RulesView, RuleView
from jobwarden.watcher.presence import ring
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import InvalidIdError, JobwardenError, LockTimeoutError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

ACTIONS = ("add", "list", "pause", "resume", "remove", "test", "trigger")
_TRIES = 5
_BY_HAND = "fired by hand"


async def watch_log(desk: Desk, caller: Caller, job: str, *, action: str, rule: str | None) -> RulesView:
    """See `Service.watch_log`."""
    if action not in ACTIONS:
        raise InvalidIdError(f"There is no {action[:40]!r}.", hint=f"There is: {', '.join(ACTIONS)}.")
    if action in ("add", "pause", "resume", "remove", "trigger") and not rule:
        what = 'Give it as: pattern="..." action=...' if action == "add" else "Give its name; action=list shows them."
        raise InvalidIdError("Which rule?", hint=what)
    one = await find(desk, caller, job)
    notes: list[str] = []
    hits = None
    if action == "test":
        hits = await try_rules(desk, one, await _chosen(desk, one, rule))
    elif action != "list":
        _check_mine(one, caller)
        notes = await _change(desk, one, action, rule or "")
        notes += [trouble] if (trouble := await desk.ensure_watcher()) else []
        notes += await halted_notes(desk, [one.session])
        ring(desk.world.places, "rules")
        one = await find(desk, caller, job)
    return await _view(desk, caller, one, notes, hits)


async def limits_and_check(desk: Desk, session: Session) -> tuple[RuleLimits, Check]:
    """Give what a session's rules may be.

    Raises:
        ConfigError: The project's file cannot be used.
    """
    return await limits_in(desk, session.entry.project)


async def limits_in(desk: Desk, project: Path) -> tuple[RuleLimits, Check]:
    """As `limits_and_check`, of a project's."""
    config = desk.world.config
    grants = await to_thread.run_sync(granted_in, desk.world.env, project)
    limits = RuleLimits(rules=config.limits.rules_per_job, pattern_chars=config.limits.pattern_chars)
    return limits, partial(_checked, grants=grants)


async def add_rules(
    desk: Desk, one: Known, written: Sequence[Written], *, from_start: bool, source: str = ""
) -> list[Rule]:
    """Add rules to a job; those that it has already, word for word, are left as they are.

    Args:
        desk: Whose world.
        one: The job.
        written: What was read.
        from_start: A job's first rules look at its log from the beginning, and not from now on.
        source: Where they come from, for the journal.

    Raises:
        InvalidRuleError: One of them cannot be; none was added.
    """
    limits, check = await limits_and_check(desk, one.session)

    def work(session: Session) -> list[Rule]:
        for _ in range(_TRIES):
            record = next((each for each in session.load() if each.uid == one.record.uid), one.record)
            state = load_rules(session).get(record.uid)
            had = [read_rule(text) for text in record.rules]
            fresh = [each for each in written if not _is_there(each, had, check)]
            rules = build_all(fresh, taken=[rule.name for rule in had], limits=limits, check=check)
            if not rules:
                return []
            check_restarts(rules, record.type, record.id)
            after = state or _first(session, record, from_start=from_start)
            edit = partial(_put, uid=record.uid, rules=(*record.rules, *map(write_rule, rules)), source=source)
            # With the rule itself, lest the watcher looks at it before it is known where to begin.
            told = [Tell(EventKind.ACTION, f"rules added: {', '.join(rule.name for rule in rules)}{source}")]
            if change_rules(session, Change(record, after.version, after, told), own=True, edit=edit):
                return rules
        raise _busy()

    return await desk.world.sessions.call(one.session, work)


def check_restarts(rules: Sequence[Rule], job_type: str, job_id: str) -> None:
    """Refuse what is to start a job again that nobody here may start.

    Raises:
        InvalidRuleError: Which, and why.
    """
    if any(rule.kind is Kind.RESTART for rule in rules):
        check_job(job_type, job_id)


async def add_at_registration(
    desk: Desk, session: Session, taken: Sequence[tuple[JobRecord, bool]], texts: Sequence[str]
) -> list[str]:
    """Give each of these jobs the rules that its registration names; answers what is to be said.

    Raises:
        InvalidRuleError: As `add_rules`; they were checked before the registration.
    """
    notes: list[str] = []
    written = [one for text in texts for one in read_text(text)]
    for record, created in taken if written else ():
        added = await add_rules(desk, Known(record, session, live=True), written, from_start=created)
        if not created and added:
            names = ", ".join(rule.name for rule in added)
            notes.append(f"{record.id} was watched already; new rules of it, from now on: {names}.")
    return notes


async def move_rules(desk: Desk, target: Session, before: JobRecord, after: JobRecord, state: JobRules | None) -> None:
    """Give a job that came from another session the rules that it had there, which go on where they were."""

    def write(session: Session) -> None:
        known = load_rules(session).get(after.uid, JobRules())
        # Numbers of events are those of one journal.
        moved = {"version": known.version, "seen_seq": session.journal.last_seq()}
        fresh = (state or JobRules()).model_copy(update=moved)
        told = [Tell(EventKind.ACTION, f"rules: {len(before.rules)} came along")]
        edit = partial(_put, uid=after.uid, rules=before.rules, source="")
        if not change_rules(session, Change(after, known.version, fresh, told), own=True, edit=edit):
            raise _busy()

    await desk.world.sessions.call(target, write)


async def _change(desk: Desk, one: Known, action: str, text: str) -> list[str]:
    if not one.live:
        raise InvalidIdError("It has ended; its rules have seen their last line.", hint="action=test still works.")
    if action == "add":
        added = await add_rules(desk, one, read_text(text), from_start=False)
        names = ", ".join(rule.name for rule in added)
        return [f"Added: {names}. It looks at what is written from now on." if added else "It has that rule already."]
    await desk.world.sessions.call(one.session, partial(_manage, uid=one.record.uid, action=action, name=text))
    return [
        {"pause": "Paused.", "resume": "It goes on, from now on.", "remove": "Removed.", "trigger": _TRIGGERED}[action]
    ]


_TRIGGERED = "Fired by hand; the watcher does its actions now, and tells what came of them."


def _manage(session: Session, *, uid: str, action: str, name: str) -> None:
    for _ in range(_TRIES):
        record = next((each for each in session.load() if each.uid == uid), None)
        if record is None:
            raise InvalidIdError("It has just ended.")
        rules = {read_rule(text).name: text for text in record.rules}
        if name not in rules:
            raise InvalidIdError(f"The job has no rule {name[:60]!r}.", hint=f"It has: {', '.join(rules) or 'none'}.")
        state = load_rules(session).get(uid, JobRules())
        edit = None
        if action == "remove":
            left = tuple(text for known, text in rules.items() if known != name)
            edit = partial(_put, uid=uid, rules=left, source="")
            states = {known: each for known, each in state.rules.items() if known != name}
            after = state.model_copy(update={"rules": states})
            change = Change(record, state.version, after, [Tell(EventKind.ACTION, f"rule {name}: removed")])
        else:
            change = _managed(record, state, action, name, rules[name])
        if change_rules(session, change, own=True, edit=edit):
            return
    raise _busy()


def _managed(record: JobRecord, state: JobRules, action: str, name: str, text: str) -> Change:
    one = state.of(name)
    if action == "trigger":
        after = state.model_copy(update={"sequence": state.sequence + 1})
        fired = fired_as(name, after, record.uid, utc_now(), Held(line=_BY_HAND))
        after = after.model_copy(update={"pending": (*after.pending, fired)})
        return Change(record, state.version, after, [fired_event(fired, read_rule(text))])
    if action == "pause":
        after = state.with_rule(name, one.model_copy(update={"paused": True}))
    else:
        fresh = {"paused": False, "disabled": None, "failures": 0, "since": None}
        after = state.with_rule(name, one.model_copy(update=fresh))
    return Change(record, state.version, after, [Tell(EventKind.ACTION, f"rule {name}: {action}")])


def _put(transaction: Transaction, *, uid: str, rules: tuple[str, ...], source: str) -> None:
    record = transaction.jobs.get(uid)
    if record is None:
        raise InvalidIdError("It has just ended.")
    text = f"rules: {len(record.rules)} -> {len(rules)}{source}"
    restarts = any(read_rule(one).kind is Kind.RESTART for one in rules)
    transaction.change(uid, record.changed(rules=rules, restarts=restarts), EventKind.UPDATED, text=text)


def _first(session: Session, record: JobRecord, *, from_start: bool) -> JobRules:
    if from_start:
        return JobRules()
    word = f"{record.phase.value} {record.last_status}"
    return JobRules(begin="end", seen_seq=session.journal.last_seq(), word=word)


def _is_there(written: Written, had: Sequence[Rule], check: Check) -> bool:
    """Whether a job has this rule already, under whatever name where none was given."""
    for rule in had:
        named = {**written.fields, "name": rule.name}
        if written.fields.get("name", rule.name) != rule.name:
            continue
        try:
            [same] = build_all([Written(named, written.actions)], limits=RuleLimits(1, 1_000_000, 1000), check=check)
        except JobwardenError:
            return False
        if same == rule:
            return True
    return False


def _checked(call: ActionCall, captures: Collection[str], *, grants: Grants) -> ActionCall:
    return check_call(call, grants, captures)


def _check_mine(one: Known, caller: Caller) -> None:
    owner = one.session.entry.session_id
    if not caller.owns(owner):
        raise InvalidIdError(f"Session {owner} watches this job; only it changes its rules.")


def _busy() -> LockTimeoutError:
    return LockTimeoutError("The rules of this job were changed by somebody else all the time.", hint="Try again.")


async def _chosen(desk: Desk, one: Known, text: str | None) -> list[Rule]:
    """Give the rules to try: one that is written here, one by its name, or all that the job has."""
    had = [read_rule(each) for each in one.record.rules]
    if not text:
        if not had:
            raise InvalidIdError("This job has no rules.", hint='Give one to try: pattern="loss: ([0-9.]+)"')
        return had
    named = [rule for rule in had if rule.name == text]
    if named:
        return named
    # What it may do matters only when it is added.
    limits, _ = await limits_and_check(desk, one.session)
    return read_rules([text], limits=limits)


async def _view(
    desk: Desk, caller: Caller, one: Known, notes: Sequence[str], hits: tuple[HitsView, ...] | None
) -> RulesView:
    state = (await desk.world.sessions.call(one.session, load_rules)).get(one.record.uid, JobRules())
    rules = [_rule_view(read_rule(text), text, state) for text in one.record.rules]
    async with desk.news.telling(await desk.session(caller), caller) as told:
        return RulesView(
            job=await desk.view(one, caller), rules=tuple(rules), tried=hits, notes=tuple(notes), news=told
        )


def _rule_view(rule: Rule, text: str, state: JobRules) -> RuleView:
    one = state.of(rule.name)
    return RuleView(
        name=rule.name,
        kind=rule.kind.value,
        text=text,
        actions=tuple(call.name for call in rule.actions),
        matches=one.matches,
        fired=one.fired,
        last_fired_at=one.last_fired_at,
        paused=one.paused,
        disabled=one.disabled,
    )
