"""The records of planned jobs: with the rules of plan and script, and the attempts that went before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.identity import Caller
from jobwarden.plans.deciding import Standing
from jobwarden.plans.spec import JobSpec
from jobwarden.plans.state import FILE, PlanState, Run
from jobwarden.rules.building import Check, RuleLimits, build_all, read_rule
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.syntax import Written, read_script, read_text
from jobwarden.rules.writing import write_rule
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.service.registering import Registration, recorded
from jobwarden.service.ruling import limits_and_check
from jobwarden.sources.slurm.log_paths import LogNames, expand_log_pattern
from jobwarden_registry.errors import JobNotFoundError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

PLAN_TAG = "plan="
_EARLIER_S = 600.0


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What rules a planned job gets.

    Attributes:
        rules: The texts, as a record keeps them.
        notes: What of its script was not taken, and why.
    """

    rules: tuple[str, ...]
    notes: tuple[str, ...] = ()


async def rules_of(desk: Desk, session: Session, spec: JobSpec, script: bytes) -> Rulebook:
    """Read the rules of a job: the plan's own, which must be good, and those in its script that are.

    Raises:
        InvalidRuleError: One of the plan's cannot be, or is not allowed.
    """
    limits, check = await limits_and_check(desk, session)
    return make_rulebook(spec, script.decode("utf-8", "replace"), limits, check)


def make_rulebook(spec: JobSpec, script: str, limits: RuleLimits, check: Check) -> Rulebook:
    """As `rules_of`."""
    written = [one for text in spec.rules for one in read_text(text)]
    rules = build_all(written, limits=limits, check=check)
    found, wrong = read_script(script, most_rules=limits.rules + 1)
    notes = [f"In the script of {spec.name} a rule cannot be read: {error}" for error in wrong]
    for one in found:
        try:
            rules += _one_more(one, rules, limits, check)
        except InvalidRuleError as error:
            notes.append(f"In the script of {spec.name} a rule is not taken: {error}")
    return Rulebook(tuple(write_rule(rule) for rule in rules), tuple(notes))


def _one_more(written: Written, rules: Sequence[Rule], limits: RuleLimits, check: Check) -> list[Rule]:
    return build_all([written], taken=[rule.name for rule in rules], limits=limits, check=check)


async def record_of(
    desk: Desk, caller: Caller, plan: PlanState, spec: JobSpec, run: Run, rules: Sequence[str]
) -> JobRecord:
    """Make the record under which a run is watched.

    Args:
        desk: Whose world.
        caller: Whose session.
        plan: What it belongs to.
        spec: The job.
        run: With its id.
        rules: From `rules_of`.
    """
    asked = Registration(
        spec.type,
        [run.id],
        spec.host,
        description=spec.description or f"of the plan {plan.spec.name}",
        name=spec.name,
        tags=(*spec.tags, f"{PLAN_TAG}{plan.spec.name}"),
        log_path=_log_path(spec, run.id),
        expect=spec.expect,
        ready=spec.ready or None,
    )
    (made,) = await recorded(desk, caller, asked)
    return made.changed(rules=tuple(rules), restarts=may_restart(rules))


def may_restart(rules: Sequence[str]) -> bool:
    """Whether one of these rules, as a record keeps them, starts a job again that has failed."""
    return any(read_rule(one).kind is Kind.RESTART for one in rules)


def chain(before: JobRecord, made: JobRecord) -> JobRecord:
    """Make a record one more attempt of the job that `before` is of."""
    runs = before.attempts or (Attempt(id=before.id, submitted_at=before.submitted_at, phase=before.phase),)
    return made.changed(
        id=before.id,
        resubmitted_as=made.id,
        attempts=(*runs, Attempt(id=made.id)),
        job_name=before.job_name,
        name=before.name or made.name,
        tags=tuple(dict.fromkeys((*before.tags, *made.tags))),
    )


def take(
    transaction: Transaction, alone: JobRecord, chained: JobRecord, before: JobRecord | None, text: str
) -> tuple[JobRecord, bool]:
    """Watch a run: as an attempt of the job before it, unless it is watched by itself already.

    Args:
        transaction: Of the session.
        alone: The run as a job of its own.
        chained: The same as the next attempt of `before`.
        before: How that job stood.
        text: For the journal.

    Returns:
        The record as it is watched, and whether it is new.
    """
    itself = any(alone.id in ids_of(one) and one.type == alone.type for one in transaction.jobs.values())
    if before is None or itself:
        return transaction.register(alone, text=text)
    current = transaction.jobs.get(before.uid)
    if current is None or current.phase.closed:
        return transaction.register(chained, text=text)
    cleared = {"absence": None, "log": None, "elements": None, "observed_at": None}
    moved = current.changed(resubmitted_as=alone.id, attempts=chained.attempts, **cleared)
    said = f"{alone.id}, with its name, was submitted after it: the same job goes on."
    return transaction.change(before.uid, moved, EventKind.ATTEMPT, text=said), False


def _log_path(spec: JobSpec, job_id: str) -> str | None:
    """Fill in a log's name as it stands in a session file; None where it cannot be told."""
    base, _, element = job_id.partition("_")
    if not spec.log or not base.isdigit():
        return None
    number = int(element) if element.isdigit() else None
    names = LogNames(int(base), spec.known_as, "", array=int(base), element=number)
    path = expand_log_pattern(spec.log, names)
    return path if path is not None and path.startswith("/") else None


@dataclass(slots=True)
class Shelf:
    """The records of one session, to be found by any id that they have had.

    Attributes:
        found: By type, place and id; a live one before an ended one, a later end before an earlier.
    """

    found: dict[tuple[str, str, str], Known] = field(default_factory=dict[tuple[str, str, str], Known])

    @classmethod
    def of(cls, known: Sequence[Known]) -> Shelf:
        """Take in what `Desk.known` gives: the ended ones first, oldest first."""
        shelf = cls()
        for one in known:
            for job_id in ids_of(one.record):
                for place in {one.record.site or "", one.record.host} - {""}:
                    shelf.found[one.record.type, place, job_id] = one
        return shelf

    def standing(self, spec: JobSpec, site: str, run: Run) -> Standing:
        """Say how a run of a planned job stands."""
        one = self.found.get((spec.type, site, run.id)) or self.found.get((spec.type, spec.host, run.id))
        if one is None or _is_another(one, run):
            return Standing()
        return Standing(one.record, live=one.live)


def _is_another(one: Known, run: Run) -> bool:
    """Whether a record is of a job that had ended long before this run was submitted: schedulers give ids again."""
    ended = one.record.ended_at
    if one.live or ended is None or run.how in (FILE, "adopted"):
        return False
    return (run.at - ended).total_seconds() > _EARLIER_S


def ids_of(record: JobRecord) -> frozenset[str]:
    """Give every id that a job has had."""
    ids = {record.id, *(one.id for one in record.attempts)}
    return frozenset(ids if record.resubmitted_as is None else {*ids, record.resubmitted_as})


def is_over(standing: Standing) -> bool:
    """Whether a job has ended, and its end was told."""
    return standing.record is not None and standing.record.phase.closed and not standing.live


async def watched_there(
    desk: Desk, session: Session, spec: JobSpec, site: str, plans: Mapping[str, PlanState], mine: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Say which ids are watched on a job's host: by other sessions, and by this one apart from this plan.

    Raises:
        RegistryError: A session cannot be read: whether it watches one of them is not known.
    """
    elsewhere: dict[str, str] = {}
    here: dict[str, str] = {}
    planned = {job: name for name, state in plans.items() for job in state.ids()}
    for other in await desk.world.sessions.known():
        for record in await desk.world.sessions.call(other, Session.load):
            if record.type != spec.type or (record.site or record.host) not in (site, spec.host):
                continue
            ids = ids_of(record)
            if other.entry.session_id != session.entry.session_id:
                elsewhere |= dict.fromkeys(ids, other.entry.session_id)
                continue
            owner = next((planned[one] for one in ids if one in planned), "")
            here |= {one: owner for one in ids if owner != mine}
    return {one: who for one, who in elsewhere.items() if one not in here}, here


def chosen_names(spec: Sequence[JobSpec], names: Sequence[str], tags: Sequence[str]) -> list[str] | None:
    """Give the jobs that are meant; None: all.

    Raises:
        JobNotFoundError: Nothing fits: whoever asked has written something else than was meant.
    """
    if not names and not tags:
        return None
    found = [
        one.name
        for one in spec
        if (not names or any(fnmatchcase(one.name, each) for each in names)) and set(tags) <= set(one.tags)
    ]
    if not found:
        known = ", ".join(one.name for one in list(spec)[:20])
        raise JobNotFoundError("No job of the plan is meant.", hint=f"It has: {known}.")
    return found
