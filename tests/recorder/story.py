"""What a case does, and what is true meanwhile: known from our own deeds and the nodes' stamps, not from a verdict.

Each node stamps the time in its prolog and, as its last word, in its epilog: a run lives between these two. What the
script did (submitted, cancelled, held) is timed before it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jobwarden.sources.slurm.recording import Look, Row
from support.cluster import Cluster

ENDED = frozenset({"succeeded", "failed", "cancelled"})
LAG_S = 10.0
"""How long one live phase may be told after another has begun: accounting is some seconds behind."""
LATE_S = 60.0
"""How long a job may be told alive after its end, or after the end could be seen again."""
FORGOTTEN_S = 600.0
"""The same where no answer can tell of the end."""
_EARLY_S = 3.0
"""slurmctld says RUNNING before the node's prolog stamps it."""
_TERMINAL = (
    "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY",
)  # fmt: skip


@dataclass(frozen=True)
class Deed:
    """Something done during a case.

    Attributes:
        name: `deed:NAME` is its mark.
        after: The mark that it waits for.
        delay_s: How long after that.
        do: What is done; it is given the cluster and the case's first id.
    """

    name: str
    after: str
    delay_s: float
    do: Callable[[Cluster, str], object]


@dataclass(frozen=True)
class End:
    """How it ended, for good.

    Attributes:
        phase: As a verdict should say it at last.
        exit_code: The program's own; None where it has none.
        signal: What ended the program itself.
        attempts: How many runs accounting has; 0: it is not known.
    """

    phase: str
    exit_code: int | None = None
    signal: int | None = None
    attempts: int = 1


@dataclass(frozen=True)
class Case:
    """One recording to be made.

    Attributes:
        name: Also the file's, with dashes for blanks.
        says: One sentence about it.
        sbatch: The words after `sbatch`.
        story: The true phases, each with the mark at which it begins.
        end: How it ends.
        deeds: What is done meanwhile.
        watch: The id watched, with `{}` for the one that sbatch gave.
        user: Who submits.
        forgotten: Whether no answer can tell of the end.
        starts_at: The mark at which the recording begins, where that is later than the submission.
        keep: Names that stay as they are, for they are what the case is about.
        also: What is as right as the end itself.
    """

    name: str
    says: str
    sbatch: tuple[str, ...]
    story: tuple[tuple[str, str], ...]
    end: End
    deeds: tuple[Deed, ...] = ()
    watch: str = "{}"
    user: str = "alice"
    forgotten: bool = False
    starts_at: str = "submit"
    keep: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass
class Played:
    """A case as it happened.

    Attributes:
        case: What was planned.
        id: What sbatch gave.
        done: Name of a deed to when it was about to be done; `submit` to when sbatch had answered.
        stamps: Raw id to the prologs' and epilogs' times, as (what, when).
        looks: All that was asked meanwhile, about all jobs.
    """

    case: Case
    id: str
    done: dict[str, float] = field(default_factory=dict[str, float])
    stamps: dict[str, list[tuple[str, float]]] = field(default_factory=dict[str, list[tuple[str, float]]])
    looks: list[Look] = field(default_factory=list[Look])

    @property
    def watched(self) -> str:
        """The id that is watched."""
        return self.case.watch.format(self.id)

    def queue_rows(self, look: Look) -> list[Row]:
        """What squeue shows of it."""
        return [row for row in look.squeue.rows if _about(row["id"], self.id, self.watched)]

    def account_rows(self, look: Look) -> list[Row]:
        """What sacct shows of it."""
        return [row for row in look.sacct.rows if _about(row["JobID"], self.id, self.watched)]

    def when(self, mark: str) -> float | None:
        """When something happened; None: not yet.

        `submit`, `deed:NAME`, `start:N` and `end:N` (the Nth of any run), `end:last` (of all elements and deeds),
        `word:WORD` (squeue's), `again:WORD` (after the first start), `gone` (from squeue, when it answered).
        """
        kind, _, detail = mark.partition(":")
        if kind == "submit":
            return self.done.get("submit")
        if kind == "deed":
            return self.done.get(detail)
        if kind in ("start", "end"):
            return self._stamp(kind, detail)
        started = self._stamp("start", "1") or float("inf")
        for look in self.looks:
            rows = self.queue_rows(look)
            if kind == "again" and look.began < started + 2:
                continue
            if kind in ("word", "again") and any(row["state"] == detail for row in rows):
                return look.began
            if kind == "gone" and not rows and look.squeue.failure is None and self._stamp("end", "1"):
                return look.began
        return None

    def _stamp(self, kind: str, detail: str) -> float | None:
        raws = {row["raw"] for look in self.looks for row in self.queue_rows(look)} | {self.id}
        found = sorted(at for raw in raws for what, at in self.stamps.get(raw, ()) if what == kind)
        if detail == "last":
            # A part of a heterogeneous job in which nothing is launched has an epilog and no prolog (22.05.8).
            starts = [at for raw in raws for what, at in self.stamps.get(raw, ()) if what == "start"]
            alive = bool(self.looks) and any(row["state"] not in _TERMINAL for row in self.queue_rows(self.looks[-1]))
            return found[-1] if found and len(found) >= len(starts) and not alive else None
        return found[int(detail) - 1] if len(found) >= int(detail) else None

    def phases(self) -> list[tuple[str, float]]:
        """The true phases with their beginnings, as far as it has come."""
        reached = [(phase, self.when(mark)) for phase, mark in self.case.story]
        return [(phase, at) for phase, at in reached if at is not None]

    def finished(self) -> bool:
        """Whether the story has been told to its end."""
        return len(self.phases()) == len(self.case.story)


def _about(shown: str, job: str, watched: str) -> bool:
    base = shown.split("_")[0].split("+")[0]
    if base != job:
        return False
    return watched == job or "[" in shown or shown == watched


def rights(played: Played, looks: Sequence[tuple[float, float, Look]]) -> list[frozenset[str]]:
    """Say for each look what was right to say of the job.

    Args:
        played: The case.
        looks: When each was begun and done, and what it showed.
    """
    phases = played.phases()
    every: list[frozenset[str]] = []
    seen_at = 0.0  # when the job could be seen last, before a time in which it could not
    before: frozenset[str] = frozenset()
    for began, done, look in looks:
        hidden = is_hidden(played, look, done)
        if not hidden:
            seen_at = began if not every or "unknown" in every[-1] else seen_at
        words = {phase for phase, at in phases if phase in ENDED and at <= done}
        words |= _alive(phases, began, seen_at, hidden=hidden, forgotten=played.case.forgotten)
        if hidden:
            words |= {"unknown"} | (before - ENDED if not played.case.forgotten else set())
            if played.case.forgotten and any(phase in ENDED for phase in words):
                words.add("lost")
        words |= set(played.case.also) if words & ENDED else set()
        before = frozenset(words)
        every.append(before)
    return every


def _alive(
    phases: Sequence[tuple[str, float]], began: float, seen_at: float, *, hidden: bool, forgotten: bool
) -> set[str]:
    words: set[str] = set()
    for at, (phase, begins) in enumerate(phases):
        if phase in ENDED:
            continue
        ends = phases[at + 1][1] if at + 1 < len(phases) else float("inf")
        last = at + 1 < len(phases) and phases[at + 1][0] in ENDED
        late_s = FORGOTTEN_S if forgotten else LATE_S
        limit = max(ends, 0.0 if hidden else seen_at) + late_s if last else ends + LAG_S
        if begins - _EARLY_S <= began <= limit:
            words.add(phase)
    return words


def is_hidden(played: Played, look: Look, done: float) -> bool:
    """Whether no program shows where the job stands: not in squeue's answer, and no true end in sacct's."""
    if played.queue_rows(look):
        return False
    ended = any(phase in ENDED and at <= done for phase, at in played.phases())
    rows = played.account_rows(look)
    return not (ended and rows and all(row["State"].partition(" ")[0] in (*_TERMINAL, "REQUEUED") for row in rows))
