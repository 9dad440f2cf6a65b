"""What is to be done about one planned job, out of what is known of it: pure, one decision at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from jobwarden.plans.spec import After, JobSpec, Needs
from jobwarden.plans.state import FILE, INTENDED, UNSURE, PlanState, Run
from jobwarden.sources.submitting import Listed, Listing
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase


class Do(Enum):
    """What is to be done."""

    NOTHING = auto()
    FOUND = auto()
    """Its submission, whose answer was lost, is there: note its id."""
    NEVER = auto()
    """Its submission never arrived: note that, and decide anew."""
    UNSURE = auto()
    """Nobody can say whether it arrived: note that."""
    WAIT = auto()
    """Its submission may still be on its way."""
    WATCH = auto()
    """It was submitted, and nobody watches it."""
    ADOPT = auto()
    """It is in the queue by another's hand: take it for ours."""
    SUBMIT = auto()
    BLOCKED = auto()
    """It cannot be submitted now; the text says why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one job.

    Attributes:
        do: What.
        text: Why, or what stands against it; for people.
        job: What was found, or is adopted.
        after: To be submitted with: name in the plan to id, of those that must end first.
        words: The same for the scheduler: `afterok:12`.
        again: It is one more attempt of a job that has ended.
    """

    do: Do
    text: str = ""
    job: Listed | None = None
    after: Mapping[str, str] = field(default_factory=dict[str, str])
    words: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a planned job stands.

    Attributes:
        record: Of its latest attempt; None: nobody watches it.
        live: Whether it is watched now, and its end not told.
    """

    record: JobRecord | None = None
    live: bool = False

    @property
    def phase(self) -> Phase | None:
        """The phase, where there is a record."""
        return None if self.record is None else self.record.phase

    @property
    def ended(self) -> bool:
        """Whether its end is known for certain."""
        return self.record is not None and self.record.phase.final


@dataclass(frozen=True, slots=True)
class Known:
    """All that a decision rests on.

    Attributes:
        state: The plan.
        standings: By name in the plan.
        listing: What the job's host has just told.
        folders: The names of the folder in which the job runs.
        watched: Ids that another session watches there, with that session.
        others: Ids there that this session watches apart from the plan's own, with the plan that they are of, or "".
        now: The present.
        limit_s: So long a submission may be on its way.
        retry: What is submitted again: phases, or `unsure`.
        chosen: The jobs to which `retry` applies; None: all.
    """

    state: PlanState
    standings: Mapping[str, Standing]
    listing: Listing
    folders: Collection[str]
    watched: Mapping[str, str]
    others: Mapping[str, str]
    now: datetime
    limit_s: float
    retry: Collection[str] = ()
    chosen: Collection[str] | None = None

    def of(self, name: str) -> Standing:
        """Give how a job stands."""
        return self.standings.get(name, Standing())

    def wants(self, name: str, what: str) -> bool:
        """Whether this is to be submitted again."""
        return what in self.retry and (self.chosen is None or name in self.chosen)


def decide(spec: JobSpec, known: Known) -> Decision:
    """Say what is to be done about a job now."""
    latest = known.state.latest(spec.name)
    if latest is not None and latest.step in (INTENDED, UNSURE):
        decision = _open(spec, latest, known)
        if decision is not None:
            return decision
        return _new(spec, known, again=known.state.real(spec.name) is not None)
    run = known.state.real(spec.name)
    if run is None:
        return _new(spec, known, again=False)
    standing = known.of(spec.name)
    if standing.record is None:
        return Decision(Do.WATCH, job=known.listing.of_id(run.id))
    phase = standing.record.phase
    if phase.closed and phase is not Phase.SUCCEEDED and known.wants(spec.name, phase.value):
        return _new(spec, known, again=True)
    if _is_gone(run, standing, known):
        twin = _twin(spec, known, after=current_id(standing.record, run))
        if twin is not None and twin.do is Do.ADOPT:
            return twin
    return Decision(Do.NOTHING)


def _is_gone(run: Run, standing: Standing, known: Known) -> bool:
    """Whether a job has ended without success, or is nowhere: what has its name and lives may be its resubmission."""
    if standing.phase in _UNDONE:
        return True
    listed = known.listing.of_id(run.id)
    return run.how == FILE and standing.phase is Phase.UNKNOWN and (listed is None or not listed.queued)


def _open(spec: JobSpec, run: Run, known: Known) -> Decision | None:
    """Look for a submission of which no end is known; None: it is to be submitted anew."""
    found = known.listing.of_token(run.token)
    if found is not None:
        return Decision(Do.FOUND, f"found as {found.id}", job=found)
    if run.step == UNSURE and not known.listing.accounted:
        text = "Whether it was submitted is not known: look yourself; --retry unsure submits it."
        return None if known.wants(spec.name, UNSURE) else Decision(Do.BLOCKED, text)
    age_s = (known.now - run.at).total_seconds()
    if age_s <= known.limit_s:
        return Decision(Do.WAIT, f"Its submission was begun {max(0.0, age_s):.0f} s ago, and may be on its way.")
    if known.listing.trouble:
        return Decision(Do.BLOCKED, f"Whether it was submitted is not known: {known.listing.trouble}")
    if not known.listing.accounted:
        return Decision(Do.UNSURE, "It is not in the queue, and without accounting nobody knows whether it was.")
    return Decision(Do.NEVER, "Its submission never arrived.")


def _new(spec: JobSpec, known: Known, *, again: bool) -> Decision:
    if (living := _own_living(spec, known)) is not None:
        text = f"{living} is in the queue and lives, so it is not submitted again; --include-ended watches it anew."
        return Decision(Do.BLOCKED, text)
    if spec.dropped:
        return Decision(Do.BLOCKED, "The plan's file has it no more, so it is not submitted.")
    twin = _twin(spec, known)
    if twin is not None:
        return twin
    if known.state.suspended is not None:
        return Decision(Do.BLOCKED, f"The plan is suspended: {known.state.suspended}")
    if not spec.can_be_submitted:
        return Decision(Do.BLOCKED, "Nobody said which script it is.")
    after: dict[str, str] = {}
    words: list[str] = []
    for each in spec.after:
        text = dependency(each, known)
        if text.startswith(_BY_ID):
            after[each.job] = text.removeprefix(_BY_ID)
            words.append(f"{each.needs}:{after[each.job]}")
        elif text:
            return Decision(Do.BLOCKED, text)
    return Decision(Do.SUBMIT, after=after, words=tuple(words), again=again)


def _own_living(spec: JobSpec, known: Known) -> str | None:
    """Give an id that the job has had and under which it lives: Slurm or a person has requeued it since its end."""
    record = known.of(spec.name).record
    ids = {run.id for run in known.state.of(spec.name)}
    if record is not None:
        ids |= {record.id, record.resubmitted_as or "", *(one.id for one in record.attempts)}
    bases = {one.partition("_")[0] for one in ids}
    return next((one.id for one in known.listing.jobs if one.alive and one.id in bases), None)


_BY_ID = "id:"
_UNDONE = (Phase.FAILED, Phase.CANCELLED, Phase.LOST)


def dependency(after: After, known: Known) -> str:
    """Say how it stands with one that another waits for.

    A scheduler takes a dependency on a job that it has forgotten for fulfilled, whatever came of that job; so it is
    given none that is not known to live, or to be remembered.

    Returns:
        Empty: there is nothing to wait for. `id:12`: the scheduler can wait for that. Else why it must not begin.
    """
    run = known.state.real(after.job)
    if run is None:
        return f"It waits for {after.job}, which is not submitted."
    record = known.of(after.job).record
    job_id = current_id(record, run)
    if record is not None and record.phase.final:
        good = after.needs is Needs.ANY or (after.needs is Needs.OK) == (record.phase is Phase.SUCCEEDED)
        word = record.last_status or record.phase.value
        return "" if good else f"It waits for {after.job} ({after.needs}), which ended as {word}."
    if record is not None and record.held is not None:
        return f"It waits for {after.job}, which failed; whether it is started again is being decided."
    listed = known.listing.of_id(job_id)
    if listed is not None and listed.queued:
        return _BY_ID + job_id
    if run.id == job_id and abs((known.now - run.at).total_seconds()) < _JUST_S and run.how != FILE:
        return _BY_ID + job_id
    return f"It waits for {after.job} ({job_id}), of which nobody knows now how it stands."


_JUST_S = 3.0
"""So soon after its submission no scheduler has forgotten a job (MinJobAge is 5 s at least where we have seen it)."""


def current_id(record: JobRecord | None, run: Run) -> str:
    """Give the id under which a job lives now."""
    return run.id if record is None else record.resubmitted_as or record.id


def _twin(spec: JobSpec, known: Known, *, after: str = "") -> Decision | None:
    """Look for a living job that is this one already, by hand or by another; with `after`: submitted after that one."""
    mine = known.state.ids()
    tokens = known.state.tokens()
    living = [
        one
        for one in known.listing.living(spec.known_as, tuple(known.folders))
        if one.id not in mine
        and tokens.get(one.token, spec.name) == spec.name
        and not known.others.get(one.id)
        and _number(one.id) > _number(after)
    ]
    elsewhere = [one for one in living if one.id in known.watched]
    if elsewhere:
        (first, *_) = elsewhere
        text = f"{first.id} has its name and folder and lives; session {known.watched[first.id]} watches it."
        return Decision(Do.BLOCKED, text)
    if len(living) > 1:
        listed = ", ".join(one.id for one in living[:5])
        return Decision(Do.BLOCKED, f"Several living jobs have its name and folder: {listed}. Which is it?")
    if living:
        return Decision(Do.ADOPT, f"{living[0].id} has its name and folder and lives: taken for it.", job=living[0])
    return None


def _number(job_id: str) -> int:
    head = job_id.partition("_")[0]
    return int(head) if head.isdigit() else 0


def is_pending(standing: Standing) -> bool:
    """Whether a job waits in the queue, as it was last seen."""
    held = standing.record is not None and standing.record.held is not None  # its run is over, not the job
    return standing.live and not held and standing.phase in (Phase.PENDING, Phase.UNKNOWN)


def stale_dependencies(spec: JobSpec, known: Known) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """Say what a waiting job should wait for, where it waits for a run that is dead and was replaced since.

    Returns:
        What it should wait for, as in `Decision`; None: it waits for the right ones, or cannot be told now.
    """
    run = known.state.real(spec.name)
    if run is None or not is_pending(known.of(spec.name)) or not run.after:
        return None
    wanted: dict[str, str] = {}
    words: list[str] = []
    for each in spec.after:
        if each.job not in run.after:
            continue
        other = known.state.real(each.job)
        if other is None:
            return None
        if current_id(known.of(each.job).record, other) == run.after[each.job]:
            wanted[each.job] = run.after[each.job]
            words.append(f"{each.needs}:{run.after[each.job]}")
            continue
        text = dependency(each, known)
        if text and not text.startswith(_BY_ID):
            return None
        if text:
            wanted[each.job] = text.removeprefix(_BY_ID)
            words.append(f"{each.needs}:{wanted[each.job]}")
    return None if wanted == dict(run.after) else (wanted, tuple(words))
