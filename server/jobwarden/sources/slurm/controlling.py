"""Changing living jobs: what is run for each action, and what is seen of it afterwards.

Facts of Slurm 22.05.8, each tried as an ordinary user: scontrol takes a hold of a running job and does nothing until
that is requeued; a requeue counts at once; `top` is refused unless SchedulerParameters has `enable_user_top`; a higher
time limit, `suspend` and `resume` are refused to all but operators; `scancel -s` reaches the steps that srun began and
not the batch script, which `--batch` does, and its children too with `--full`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobwarden.sources.base import CancelOutcome
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.commands import slurm_argv
from jobwarden.sources.slurm.ids import RowId, SlurmId, parse_row_id
from jobwarden.sources.slurm.reading import MAYBE
from jobwarden_registry.phases import Phase

_FIELDS = (("JobArrayID", 300), ("State", 24), ("Reason", 80), ("TimeLimit", 24), ("PriorityLong", 24), ("Nice", 24),
           ("RestartCnt", 12), ("TimeUsed", 24))  # fmt: skip
FORMAT = ",".join(f"{name}:{width}" for name, width in _FIELDS)

_CONTROL = r"""
format=$1 ids=$2 action=$3 value=$4 each=$5; shift 5
look() { ask "$1" squeue -h -a $each -t all -j "$ids" -O "$format"; }
look before
ask steps squeue -h -s -j "$ids" -o %i
for id in "$@"; do
  case $action in
  look) ;;
  hold) ask "deed.$id" scontrol uhold "$id" ;;
  time_limit) ask "deed.$id" scontrol update "JobId=$id" "TimeLimit=$value" ;;
  signal) ask "deed.$id" scancel -s "$value" "$id" ;;
  signal_batch) ask "deed.$id" scancel --batch -s "$value" "$id" ;;
  signal_full) ask "deed.$id" scancel --full -s "$value" "$id" ;;
  *) ask "deed.$id" scontrol "$action" "$id" ;;
  esac
done
if [ "$action" != look ]; then look after; fi
jw_done
"""

_HELD = ("JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "job requeued in held state", "job_requeued_in_held_state")
_WHOLE = ("STOP", "CONT", "KILL")
"""Signals that must reach all of a job or nothing of it."""

_DENIED: Mapping[Control, str] = {
    Control.RELEASE: "Only an operator of the cluster can release what an operator holds, or what Slurm calls so: a "
    "job that you held when what it waits for failed. Ask one, or cancel it and submit it again.",
    Control.SUSPEND: "Suspending needs an operator of the cluster. Instead: signal STOP has its processes stand still "
    "(it keeps its nodes, and its time runs on); requeue with value hold gives them up.",
    Control.RESUME: "Resuming needs an operator of the cluster. What was stopped by signal STOP goes on with signal "
    "CONT.",
    Control.TOP: "This cluster lets no user reorder jobs (enable_user_top): hold the others until this one has begun.",
    Control.TIME_LIMIT: "A user may only lower it. A higher limit needs an operator of the cluster: ask one, or have "
    "the job save its state and resubmit it with time=...",
}
_NO_STEPS = (
    "srun has begun no step of it, so that nothing would get {0}. B:{0} sends it to the batch script's shell; one that "
    "has no trap for it ends by it, and the job with it."
)
_NEVER = "DependencyNeverSatisfied"
_NEVER_HELD = (
    "It cannot begin as it is: what it waits for did not end as it demands. Slurm would soon call your hold an "
    "operator's, whom alone it lets release it (22.05)."
)
_PENDING = "It waits already; there is no run to end. Hold it, or release it."


@dataclass(frozen=True, slots=True)
class Look:
    """What squeue says of a job, an element or a range of elements.

    Attributes:
        id: Of which.
        state: In Slurm's words.
        reason: Likewise.
        time_limit: Likewise.
        priority: 0 for one that is held.
        nice: What was taken off its priority.
        restarts: How often it was requeued.
        used: How long it has run.
    """

    id: RowId
    state: str
    reason: str
    time_limit: str
    priority: str
    nice: str
    restarts: str
    used: str

    @property
    def standing(self) -> tuple[str, ...]:
        """What a change changes, and time alone does not."""
        return (str(self.id), self.state, self.reason, self.time_limit, self.priority, self.restarts)

    @property
    def held(self) -> bool:
        """Whether it waits to be released, and every element that this row stands for."""
        return self.state == "PENDING" and all(reason in _HELD for reason in self.reason.split(","))

    @property
    def partly_held(self) -> bool:
        """Whether one of these does."""
        return self.state == "PENDING" and any(reason in _HELD for reason in self.reason.split(","))

    def told(self) -> str:
        """Say it in one line."""
        why = f" ({self.reason})" if self.reason not in ("", "None") else ""
        again = f", requeued {self.restarts} times" if self.restarts not in ("", "0") else ""
        return f"{self.state}{why}, time limit {self.time_limit}, priority {self.priority}, nice {self.nice}{again}"


def looks_first(change: Change) -> bool:
    """Whether what is there must be known before it is done."""
    return change.action in (Control.TIME_LIMIT, Control.SIGNAL)


def control_argv(
    nonce: str, *, ids: Sequence[str], base: Sequence[int], change: Change | None, cluster: str, limit_s: float
) -> list[str]:
    """Look at jobs, do this to each of them, and look again: parts `before`, `steps`, `deed.ID`, `after`.

    Args:
        nonce: Fresh.
        ids: As Slurm is given them.
        base: The jobs that these are of or are parts of.
        change: None only looks.
        cluster: Which.
        limit_s: For each command.
    """
    listed = list(base) * 2 if len(base) == 1 else list(base)  # see `commands.by_id_argv`
    action, value = ("look", "") if change is None else _said(change)
    # squeue puts waiting elements of an array into one row, with the reasons of all of them.
    each = "-r" if any("_" in one for one in ids) else "-a"
    words = (FORMAT, ",".join(str(one) for one in listed), action, value, each, *ids)
    return slurm_argv(_CONTROL, nonce, *words, cluster=cluster, limit_s=limit_s)


def _said(change: Change) -> tuple[str, str]:
    if change.action is Control.REQUEUE:
        return ("requeuehold" if change.value == "hold" else "requeue"), ""
    if change.action is not Control.SIGNAL:
        return change.action.value, change.value
    name = change.value.removeprefix("B:")
    if name in _WHOLE:
        return ("signal" if name == "KILL" else "signal_full"), name
    return ("signal_batch" if name != change.value else "signal"), name


def given_id(job: SlurmId, change: Change) -> str:
    """Write the id as scontrol and scancel take it."""
    if not change.elements:
        return str(job)
    return f"{job.base}_{change.elements}" if change.elements.isdigit() else f"{job.base}_[{change.elements}]"


def read_looks(part: Part) -> tuple[Look, ...]:
    """Read squeue's rows of fixed widths.

    Raises:
        UnreadableAnswerError: They cannot be read, or squeue failed.
    """
    if part.status:
        raise UnreadableAnswerError(f"squeue exited {part.status}: {part.stderr[:500]}")
    looks: list[Look] = []
    for line in part.stdout.decode("utf-8", "replace").splitlines():
        if not line.strip():
            continue
        cells: list[str] = []
        at = 0
        for _, width in _FIELDS:
            cells.append(line[at : at + width].strip())
            at += width
        try:
            looks.append(Look(parse_row_id(cells[0]), *cells[1:]))
        except ValueError as error:
            raise UnreadableAnswerError(f"A row of squeue cannot be read: {line[:300]!r}") from error
    return tuple(dict.fromkeys(looks))


def not_now(change: Change, rows: Sequence[Row], looks: Sequence[Look], *, has_steps: bool) -> str:
    """Say why this cannot be done to a job as it stands, or nothing: what Slurm takes in silence and does not do.

    Args:
        change: What is wanted.
        rows: The living rows of the job, or of the elements that are meant.
        looks: The same as `read_looks` gives them, where `looks_first` says that they are needed.
        has_steps: Whether srun has begun steps of it that are there still.
    """
    if change.action is Control.HOLD and not any(row.state.phase is Phase.PENDING for row in rows if row.alive):
        return (
            "It runs already, and a hold stops only what waits. Instead: suspend, signal STOP, or requeue with value "
            "hold."
        )
    waiting = [row for row in rows if row.alive and not _runs(row)]
    if change.action is Control.HOLD and waiting and all(row.reason == _NEVER for row in waiting):
        return _NEVER_HELD
    if change.action is Control.TIME_LIMIT:
        return _wrong_limit(change, looks)
    if change.action is Control.SIGNAL and change.value != "KILL" and not any(_runs(row) for row in rows):
        return "It waits: nothing of it runs that could get a signal."
    if change.action is Control.SIGNAL and change.value not in _WHOLE and not has_steps:
        return "" if change.value.startswith("B:") else _NO_STEPS.format(change.value)
    return ""


def _runs(row: Row) -> bool:
    return row.alive and row.state.phase is not Phase.PENDING


def _wrong_limit(change: Change, looks: Sequence[Look]) -> str:
    wanted_s = 60.0 * int(change.value)
    if any(seconds(look.time_limit) < wanted_s for look in looks):
        return f"It has {looks[0].time_limit}, which is less. {_DENIED[Control.TIME_LIMIT]}"
    used_s = max((seconds(look.used) for look in looks if look.state != "PENDING"), default=0.0)
    if wanted_s <= used_s + 60:
        return f"It has run for {used_s / 60:.0f} min: that limit would end it at once. If that is meant, cancel it."
    return ""


def seconds(text: str) -> float:
    """Read squeue's times: `1-02:03:04`, `2:03:04`, `3:04`; infinite for `UNLIMITED` and what is no time."""
    days, dash, clock = text.rpartition("-")
    try:
        parts = [int(one) for one in clock.split(":")]
        total = sum(number * 60**power for power, number in enumerate(reversed(parts)))
        return float(total + (int(days) * 86400 if dash else 0))
    except ValueError:
        return math.inf


def read_refusal(part: Part, change: Change) -> CancelOutcome | None:
    """Read what scontrol or scancel said of one id; None where it took it."""
    said = " ".join((part.stderr or part.stdout.decode("utf-8", "replace")).split())[:500]
    if not part.status and "error" not in said.lower():
        return None
    failed = part.status in (124, 137) or bool(MAYBE.search(said))
    text = f"Slurm: {said or f'exit status {part.status}'}."
    if "denied" in said.lower() or "disabled" in said.lower():
        text = f"{text} {_DENIED.get(change.action, 'Ask an operator of the cluster.')}"
    elif "pending execution" in said.lower() and change.action is Control.REQUEUE:
        text = f"{text} {_PENDING}"
    return CancelOutcome(accepted=False, text=text, failed=failed)


def is_seen(change: Change, before: Sequence[Look], after: Sequence[Look]) -> bool | None:
    """Whether the change shows in a look; None where none could show it."""
    match change.action:
        case Control.HOLD:
            waiting = [look for look in after if look.state == "PENDING"]
            return bool(waiting) and all(look.held for look in waiting)
        case Control.RELEASE:
            return bool(after) and not any(look.partly_held for look in after)
        case Control.SUSPEND:
            return any(look.state == "SUSPENDED" for look in after)
        case Control.RESUME:
            return bool(after) and not any(look.state == "SUSPENDED" for look in after)
        case Control.REQUEUE:  # squeue shows waiting elements in one row, whose count is that of one of them
            waits = all(look.state == "PENDING" for look in after)
            ran = any(look.state != "PENDING" for look in before)
            return _restarts(after) > _restarts(before) or (bool(after) and waits and ran)
        case Control.TOP:
            return None
        case Control.TIME_LIMIT:
            return bool(after) and all(seconds(look.time_limit) == 60.0 * int(change.value) for look in after)
        case Control.SIGNAL:
            return _is_signalled(change.value, after)


def _is_signalled(name: str, after: Sequence[Look]) -> bool | None:
    if name == "STOP":
        return any(look.state == "STOPPED" for look in after)
    if name == "CONT":
        return bool(after) and not any(look.state == "STOPPED" for look in after)
    if name == "KILL":
        return not any(look.state in ("PENDING", "RUNNING", "SUSPENDED", "STOPPED") for look in after)
    return None


def _restarts(looks: Sequence[Look]) -> int:
    return sum(int(look.restarts) for look in looks if look.restarts.isdigit())


def elements_of(job: SlurmId, change: Change) -> frozenset[int] | None:
    """Give the elements that are meant; None for all of the job.

    Raises:
        ValueError: They cannot be elements of this job.
    """
    if not change.elements:
        return None
    if not job.whole:
        raise ValueError(change.elements)
    return frozenset(parse_row_id(f"{job.base}_[{change.elements}]").keys)


def concerns(row: RowId, job: SlurmId, elements: frozenset[int] | None) -> bool:
    """Whether a row speaks for the job, or for some of those of its elements; perhaps for others too."""
    return row.covers(job) and (elements is None or not elements.isdisjoint(row.keys))


def steps_of(part: Part | None, job: SlurmId) -> bool:
    """Whether srun has begun steps of the job that are there still."""
    if part is None:
        return False
    for line in part.stdout.decode("utf-8", "replace").splitlines():
        base, _, step = line.strip().partition(".")
        if step.isdigit() and (base == str(job) or base.partition("_")[0] == str(job.base)):
            return True
    return False
