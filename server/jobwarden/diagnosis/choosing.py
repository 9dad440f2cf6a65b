"""Which of all that may be a failure was the first cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobwarden.diagnosis import exits
from jobwarden.diagnosis.events import Event, Scene
from jobwarden.diagnosis.form import Weight
from jobwarden.diagnosis.health import Sort
from jobwarden.diagnosis.model import Category, Outcome

_BY_SCHEDULER = {
    Category.OUT_OF_MEMORY: 5,
    Category.NODE_FAILURE: 4,
    Category.PREEMPTED: 3,
    Category.TIME_LIMIT: 2,
    Category.CANCELLED: 1,
}
"""What a scheduler does itself; of several, the higher says more."""
_SAID_BY_SCHEDULER = frozenset(
    {"slurm-oom-kill", "time-limit", "deadline", "node-failure", "preempted", "requeued", "job-cancelled"}
)
_TRIED_AGAIN = frozenset(
    {Category.NETWORK, Category.NAME_RESOLUTION, Category.TLS, Category.AUTHENTICATION, Category.PORT_IN_USE}
)
_TRIES_LINES = 25
_LAST_WORDS = frozenset(
    {
        "launcher-child",
        "rank-signal",
        "killed",
        "segmentation-fault",
        "bus-error",
        "aborted",
        "mpi-abort",
        "step-cancelled",
        "make-error",
    }
)
_GOING_ON = (Sort.PROGRESS, Sort.SUCCESS, Sort.ORDINARY, Sort.DONE)
_NEAR = 6
_FEW = 3
_SOME_PROGRESS = 2
_GAP = 15
_UNCAUGHT_GAP = 40
_MUCH_PROGRESS = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """The first cause.

    Attributes:
        event: In a log; None where only the facts of the end tell.
        fact: Of the end.
        sure: From 0 to 3.
        others: What else was seen, most telling first.
    """

    event: Event | None
    fact: exits.Fact | None
    sure: int
    others: tuple[Event, ...] = ()


def choose(scenes: Sequence[Scene], outcome: Outcome) -> Choice | None:
    """Give the first cause; None where nothing shows a failure, or none of what is seen explains it."""
    ended_badly = exits.failed(outcome)
    if ended_badly is False:
        return None
    for scene in scenes:
        known = ended_badly is True or _ends_badly(scene)
        for event in scene.events:
            if event.traceback is not None and not any(scene.course.after(event.end - 1, sort) for sort in _GOING_ON):
                event.uncaught, event.handled, event.soft = True, False, False  # whatever a logger said before it
            event.recovered = _went_on(scene, event, known=known)
    live = [event for scene in scenes for event in scene.events if not event.recovered]
    scheduler = _scheduler(live, outcome)
    if scheduler is not None and not _overruled(scheduler, live, scenes):
        return scheduler
    chosen = _first_cause(scenes, live)
    if ended_badly is None and all(event.indented for event in live):
        return None
    if chosen is not None:
        chosen = _behind(scenes, chosen)
        return _weighed(chosen, live, outcome, known=ended_badly is True)
    if ended_badly is not True:
        return None
    fact = exits.said_by_exit(outcome)
    late = _late(scenes)
    if late is not None and (fact is None or late.category is fact.category):
        return Choice(late, None, 0)
    return Choice(None, fact, 1 if fact.category is Category.NATIVE_CRASH else 0) if fact else None


def _ends_badly(scene: Scene) -> bool:
    """Whether a launcher, a shell or a scheduler says at a log's end that something failed."""
    course = scene.course
    if any(_is_fatal(scene, event) and not _went_on(scene, event, known=False) for event in scene.events):
        return True
    return any(
        (event.signature.name in _LAST_WORDS or event.signature.name in _SAID_BY_SCHEDULER)
        and not (event.soft or event.handled)
        and course.after(event.end - 1, Sort.PROGRESS)
        + course.after(event.end - 1, Sort.ORDINARY)
        + course.after(event.end - 1, Sort.SUCCESS)
        <= 1
        for event in scene.events
    )


def _is_fatal(scene: Scene, event: Event) -> bool:
    return event.signature.name.startswith("wording-") and "fatal" in scene.text.lines[event.at][:80].lower()


def _went_on(scene: Scene, event: Event, *, known: bool) -> bool:
    """Whether the program went on after it."""
    course = scene.course
    rank = event.rank if scene.text.ranked else None
    last = event.end - 1
    progress, success = course.after(last, Sort.PROGRESS, rank), course.after(last, Sort.SUCCESS, rank)
    ordinary, done = course.after(last, Sort.ORDINARY, rank), course.after(last, Sort.DONE, rank)
    if event.uncaught and not event.handled:
        if event.traceback is not None and event.rank and not scene.text.ranked:
            return progress > 10 * _MUCH_PROGRESS  # PyTorch names the rank only in an exception that ends it
        if known:
            return (
                progress >= _MUCH_PROGRESS
                or (success > 0 and ordinary + progress > _NEAR)
                or ordinary > 5 * _UNCAUGHT_GAP
            )
        ends_well = max(course.last(Sort.PROGRESS), course.last(Sort.SUCCESS)) > course.last(Sort.ORDINARY)
        if progress >= _SOME_PROGRESS or success > 0 or (progress > 0 and ends_well):
            return True
        return (done > 0 and ordinary + progress > 1) or ordinary > _GAP
    if event.signature.name.startswith("wording-") and not known and not event.handled and not event.soft:
        plain = scene.text.lines[event.at].lstrip("- >*").lower().startswith("error")
        most = _NEAR if _is_fatal(scene, event) else 2 if plain else 0
        return progress + success > 0 or ordinary + done > most
    if event.handled or event.soft:
        return progress + success + ordinary + done > 0
    if known:
        return progress > _MUCH_PROGRESS or (success > 0 and ordinary + progress > 0) or ordinary > 4 * _GAP
    if event.weight is Weight.ROOT:
        return progress > 0 or success > 0 or done > 0 or ordinary > _GAP
    few = 1 if scene.text.level(event.at) == "error" else _FEW  # a logger would say more of an end
    return progress > 0 or success > 0 or done > 0 or ordinary > few


def _scheduler(live: Sequence[Event], outcome: Outcome) -> Choice | None:
    """Give what the scheduler says, in the log or of the end."""
    fact = exits.said_by_scheduler(outcome)
    said = [event for event in live if event.signature.name in _SAID_BY_SCHEDULER]
    event = max(said, key=lambda one: (_BY_SCHEDULER.get(one.category, 0), -one.at), default=None)
    if fact is None and event is None:
        return None
    if fact is not None and (
        event is None or _BY_SCHEDULER.get(event.category, 0) < _BY_SCHEDULER.get(fact.category, 0)
    ):
        same = next((one for one in live if one.category is fact.category and one.weight >= Weight.CASCADE), None)
        return Choice(same, fact, 3, _others(same, live))
    return Choice(event, fact, 3, _others(event, live))


def _overruled(scheduler: Choice, live: Sequence[Event], scenes: Sequence[Scene]) -> bool:
    """Whether a rank died before the scheduler ended the others, which waited for it."""
    category = scheduler.fact.category if scheduler.event is None and scheduler.fact else None
    if scheduler.event is not None:
        category = scheduler.event.category
    if scheduler.fact is not None and scheduler.fact.category is Category.MISSING:
        return any(event.uncaught for event in live)
    if category not in {Category.TIME_LIMIT, Category.CANCELLED}:
        return False
    several = len(scenes) > 1 or any(
        event.rank or event.category is Category.DISTRIBUTED or "rank" in event.found for event in live
    )
    return several and any(
        event.uncaught and event.weight >= Weight.LIKELY and event.signature.name not in _SAID_BY_SCHEDULER
        for event in live
    )


def priority(event: Event) -> int:
    """Give how well something explains an end."""
    if event.handled or event.soft:
        return 2
    if event.signature.name.startswith("wording-"):
        return 4 if event.category is Category.UNKNOWN else 6
    if event.weight is Weight.ROOT or (event.weight is Weight.LIKELY and event.uncaught):
        return 30
    if event.weight is Weight.LIKELY:
        return 20
    if event.weight is Weight.FACT:
        return 16 if event.category is Category.OUT_OF_MEMORY else 8
    if event.category is Category.OUT_OF_MEMORY or (event.category is Category.NATIVE_CRASH and event.kind != "abort"):
        return 17
    return 14 if event.uncaught else 12


def _first_cause(scenes: Sequence[Scene], live: Sequence[Event]) -> Event | None:
    live = [event for event in live if priority(event) > 2]
    if not live:
        return None
    best = max(priority(event) for event in live)
    top = [event for event in live if priority(event) == best]
    if best == 30:
        return _earliest_root(scenes, top)
    return _earliest(scenes, _last_run(scenes, top))


def _behind(scenes: Sequence[Scene], chosen: Event) -> Event:
    """Give the failed tries right before a program gave up, where its last words do not say why."""
    if not (chosen.signature.name.startswith("wording-") or chosen.signature.name == "no-distribution"):
        return chosen
    scene = scenes[chosen.log]
    tries = [
        event
        for event in scene.events
        if (event.soft or event.handled)
        and event.weight >= Weight.CASCADE
        and event.category in _TRIED_AGAIN
        and chosen.start - _TRIES_LINES <= event.at < chosen.start
        and not scene.course.between(event.at, chosen.start, Sort.PROGRESS)
    ]
    return max(tries, key=lambda event: event.at, default=chosen)


def _earliest_root(scenes: Sequence[Scene], top: list[Event]) -> Event:
    ends = [event for event in top if event.uncaught]
    if not ends:
        return _earliest(scenes, _last_run(scenes, top))
    first = _earliest(scenes, ends)
    course = scenes[first.log].course
    before = [
        event
        for event in top
        if event.log == first.log
        and event.at < first.start
        and course.between(event.at, first.start, Sort.ORDINARY) + course.between(event.at, first.start, Sort.PROGRESS)
        <= _NEAR
    ]
    return min(before, key=lambda event: event.start, default=first)


def _last_run(scenes: Sequence[Scene], events: list[Event]) -> list[Event]:
    """Leave out what stands far before the last of its kind in the same log: the program went on after it."""
    kept: list[Event] = []
    for log, scene in enumerate(scenes):
        run: list[Event] = []
        for event in sorted((one for one in events if one.log == log), key=lambda one: -one.at):
            if run and scene.course.between(event.at, run[-1].start, Sort.ORDINARY) > _GAP:
                break
            run.append(event)
        kept.extend(run)
    return kept


def _earliest(scenes: Sequence[Scene], events: Sequence[Event]) -> Event:
    """Give the first, by the clock where logs differ and both tell the time."""
    firsts: dict[int, Event] = {}
    for event in events:
        if event.log not in firsts or event.start < firsts[event.log].start:
            firsts[event.log] = event
    if len(firsts) == 1:
        return next(iter(firsts.values()))
    timed = [(moment, event) for event in firsts.values() if (moment := scenes[event.log].text.moment(event.at))]
    if timed and len(timed) == len(firsts):
        return min(timed, key=lambda pair: pair[0])[1]
    between = {Category.NETWORK, Category.DISTRIBUTED}  # what one rank says of another that was gone
    return min(firsts.values(), key=lambda event: (event.category in between, -event.weight, event.log))


def _weighed(event: Event, live: Sequence[Event], outcome: Outcome, *, known: bool) -> Choice:
    level = priority(event)
    if event.signature.name.startswith("wording-"):
        sure = 0
    elif level >= 30:
        sure = 3 if known or event.uncaught or event.weight is Weight.ROOT else 2
    elif level >= 20:
        sure = 2
    else:
        sure = 2 if event.weight is Weight.CASCADE else 1
    fact = exits.said_by_exit(outcome)
    return Choice(event, fact if fact and fact.category is event.category else None, sure, _others(event, live))


def _others(chosen: Event | None, live: Sequence[Event]) -> tuple[Event, ...]:
    seen: set[tuple[str, str]] = set() if chosen is None else {(chosen.signature.name, chosen.rank)}
    rest: list[Event] = []
    for event in sorted(live, key=lambda one: (-priority(one), one.log, one.at)):
        key = (event.signature.name, event.rank)
        if event is not chosen and key not in seen:
            seen.add(key)
            rest.append(event)
    return tuple(rest[:4])


def _late(scenes: Sequence[Scene]) -> Event | None:
    """Give what failed last although something was written after it; for want of anything better."""
    found: list[Event] = []
    for scene in scenes:
        for event in scene.events:
            after = scene.course.after(event.end - 1, Sort.PROGRESS) + scene.course.after(event.end - 1, Sort.ORDINARY)
            if event.weight >= Weight.CASCADE and after < 2 * _GAP and not event.soft:
                found.append(event)
    return max(found, key=lambda event: (event.uncaught, event.weight, event.at), default=None)
