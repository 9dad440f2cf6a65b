"""What becomes of one task: by its Slurm jobs where Slurm runs it, else by nel's word and its run folder. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Seen, Sighting
from jobwarden.sources.nel.answers import Task
from jobwarden.sources.nel.look import Found
from jobwarden.sources.nel.words import RESUMED, phase_of, word_of
from jobwarden_registry.phases import Phase

_LISTED_LATE = timedelta(seconds=60)
"""A Slurm job adds itself to the chain's list within this after its start, on the slowest file system."""

_NOTED_LATE = timedelta(seconds=15)
"""`nel kill` notes the kill when `docker stop` is done, after the run itself has noted its end."""
_SIGNALLED = 128


@dataclass(frozen=True, slots=True)
class Alive:
    """It lives, or has ended: its phase says.

    Attributes:
        phase: Of the task.
        word: nel's word for that, or the source's own where nel has none.
        job: The Slurm job that this rests on.
        slurm: What Slurm says of it.
        stuck: Why it cannot go on by itself.
    """

    phase: Phase
    word: str
    job: str | None = None
    slurm: Seen | None = None
    stuck: str | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """Asked, and nowhere.

    Attributes:
        where: What was asked.
    """

    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dark:
    """It could not be found out.

    Attributes:
        code: As of `CouldNotAsk`.
        text: Likewise.
    """

    code: str
    text: str


State = Alive | Gone | Dark


def links_of(task: Task, found: Found) -> tuple[str, ...]:
    """Give the Slurm jobs that have been this task's, oldest first; the last is the present one.

    `nel resume` submits a new first one; the list of the old chain is older than that.
    """
    if task.slurm is None:
        return ()
    chain = found.chain or task.chain
    return chain if chain and int(chain[-1]) >= int(task.slurm) else (task.slurm,)


def following_of(task: Task, found: Found) -> str | None:
    """Give the job that waits for the end of the present one, to go on if that was a TIMEOUT or the like."""
    links = links_of(task, found)
    known = found.chain[-1] if found.chain else task.slurm
    return found.following if links and links[-1] == known else None


def judge_task(task: Task, found: Found, slurm: Mapping[str, Sighting], looked_at: datetime) -> State:
    """Say what became of a task.

    Args:
        task: As nel told of it.
        found: What is in its run folder.
        slurm: What Slurm says, by id.
        looked_at: When the run folder was looked at, which was before Slurm was asked.
    """
    if not task.on_slurm:
        return _judge_here(task, found, looked_at)
    last = links_of(task, found)[-1]
    match slurm.get(last):
        case Seen() as seen:
            if not seen.phase.final:
                return _by(last, seen)
            if seen.phase is Phase.FAILED and _word(seen) in RESUMED:
                return _after_the_end(task, found, slurm, (last, seen), looked_at)
            return _by(last, seen)
        case Absent(where=where):
            return Gone(where)
        case other:
            return _dark(last, other)


def _judge_here(task: Task, found: Found, looked_at: datetime) -> State:
    """Judge what nel runs without Slurm. Its map has no ends of its own but those that nel gives (0.2.6)."""
    if not task.status:
        return Dark("nel.not_asked", f"nel has not told of {task.id} yet.")
    phase = phase_of(task.status)
    if phase in {Phase.PENDING, Phase.RUNNING} and task.folder:
        if found.there is False:  # nel says `pending` of it for ever
            return Gone(("nel status", "its run folder"))
        if phase is Phase.RUNNING and _booted_since(found):
            return Gone(("nel status", "the machine's last boot"))
    if phase is Phase.FAILED and _may_be_killed(found, looked_at):
        return Dark(
            "nel.end_behind", "It was ended by a signal just now; whether `nel kill` did that is not noted yet."
        )
    return Alive(phase, task.status)


def _may_be_killed(found: Found, looked_at: datetime) -> bool:
    signalled = found.exit_code is None or found.exit_code > _SIGNALLED
    return signalled and found.ended is not None and abs(looked_at - found.ended) < _NOTED_LATE


def _booted_since(found: Found) -> bool:
    """Whether the machine went down under a local run, of which nel says `running` for ever."""
    return found.booted is not None and found.started is not None and found.booted > found.started


def _after_the_end(
    task: Task, found: Found, slurm: Mapping[str, Sighting], ended: tuple[str, Seen], looked_at: datetime
) -> State:
    """Judge a task whose Slurm job ended so that another goes on. nel says `pending`, whether there is one or not."""
    following = following_of(task, found)
    if following is None:
        if found.there is not True:
            return Dark("nel.chain_unknown", f"Which job goes on after Slurm job {ended[0]} could not be looked up.")
        return _stuck(task, ended, "and submitted none to go on after it")
    match slurm.get(following):
        case Seen() as seen:
            if not seen.phase.final:
                return _by(following, seen)
            if seen.phase is Phase.CANCELLED and seen.started_at is not None:
                return _by(following, seen)  # it went on already, and was cancelled before it could list itself
            if found.quit is not None:
                return _stuck(task, ended, f"and {following}, which was to go on after it, gave up: {found.quit}")
            if seen.phase is not Phase.CANCELLED and _may_be_unlisted(seen, looked_at):
                return Dark("nel.chain_behind", f"Slurm job {following} has just ended; its place is not known yet.")
            return _stuck(task, ended, f"and {following}, which was to go on after it, ended {_word(seen)}")
        case Absent():
            return _stuck(task, ended, f"and {following}, which was to go on after it, is nowhere")
        case other:
            return _dark(following, other)


def _may_be_unlisted(seen: Seen, looked_at: datetime) -> bool:
    """Whether it may have gone on, and listed itself, only after we looked at the list."""
    return seen.ended_at is None or seen.ended_at > looked_at - _LISTED_LATE


def _stuck(task: Task, ended: tuple[str, Seen], why: str) -> Alive:
    job, seen = ended
    invocation = task.id.partition(".")[0]
    stuck = f"will not go on: Slurm job {job} ended {_word(seen)}, {why}. `nel resume {invocation}` goes on with it"
    return Alive(Phase.PENDING, "pending", job, seen.model_copy(update={"expected_start_at": None}), stuck)


def _by(job: str, seen: Seen) -> Alive:
    return Alive(seen.phase, word_of(seen.phase, seen.status), job, seen, seen.stuck)


def _dark(job: str, sighting: CouldNotAsk | DependsOn | None) -> Dark:
    if isinstance(sighting, CouldNotAsk):
        return Dark(sighting.code, f"Slurm job {job}: {sighting.text}")
    return Dark("nel.unresolved", f"Slurm job {job}: nothing is known of it.")


def _word(seen: Seen) -> str:
    return seen.status.split()[0] if seen.status else ""


def worst_first(states: Sequence[Alive]) -> Alive:
    """Give the state that the whole has: of the liveliest task, or, when all have ended, of the worst."""
    order = (
        Phase.RUNNING,
        Phase.SUSPENDED,
        Phase.PENDING,
        Phase.UNKNOWN,
        Phase.LOST,
        Phase.FAILED,
        Phase.CANCELLED,
        Phase.SUCCEEDED,
    )
    return min(states, key=lambda one: order.index(one.phase))
