"""The cases in which a part of the cluster is away; each is recorded alone."""

from __future__ import annotations

from collections.abc import Callable

from recorder.story import Case, Deed, End
from support.cluster import Cluster

_PENDING, _RUNNING = ("pending", "submit"), ("running", "start:1")
_COMPLETES = (_PENDING, _RUNNING, ("succeeded", "end:1"))
_FAILS = (_PENDING, _RUNNING, ("failed", "end:1"))
_AGAIN = (_PENDING, _RUNNING, ("pending", "end:1"), ("running", "start:2"), ("succeeded", "end:2"))
_FAILS_FIRST = '[ -n "$SLURM_RESTART_COUNT" ] && sleep 3 && exit 0; sleep 100'


def _each(verb: str, *daemons: str) -> Callable[[Cluster, str], object]:
    def do(cluster: Cluster, _job: str) -> object:
        return [getattr(cluster, verb)(daemon) for daemon in daemons]

    return do


def _preempt(cluster: Cluster, _job: str) -> object:
    return cluster.sbatch("-p", "normal", "-w", "c3", "--exclusive", "--wrap", "sleep 6")


def _now(cluster: Cluster, job: str) -> object:
    return cluster.slurm("scontrol", "update", f"JobId={job}", "StartTime=now")


def _away(name: str, says: str, *daemons: str, end: tuple[str, ...] = ("succeeded", "")) -> Case:
    phase, words = end
    return Case(
        name,
        says,
        ("--wrap", f"sleep 8{words}"),
        _COMPLETES if phase == "succeeded" else _FAILS,
        End("succeeded", 0) if phase == "succeeded" else End("failed", 3),
        (Deed("stop", "start:1", 2, _each("stop", *daemons)), Deed("start", "deed:stop", 26, _each("start", *daemons))),
    )


FAULTS = (
    _away("slurmdbd down at its end", "Accounting is away while the job fails, and comes back.", "slurmdbd",
          end=("failed", "; exit 3")),
    _away("slurmctld down at its end", "The controller is away while the script ends: sacct goes on saying RUNNING.",
          "slurmctld"),
    _away("both down at its end", "Controller and accounting are away while the script ends.", "slurmctld", "slurmdbd"),
    Case("slurmctld hangs", "The controller accepts and says nothing for a while.", ("--wrap", "sleep 8"), _COMPLETES,
         End("succeeded", 0),
         (Deed("hang", "start:1", 2, _each("hang", "slurmctld")),
          Deed("resume", "deed:hang", 26, _each("resume", "slurmctld")))),
    Case("preempted and then slurmctld down",
         "It waits again for its turn, sacct has only the PREEMPTED row, and the controller is away.",
         ("-p", "preempt", "-w", "c3", "--exclusive", "--requeue", "--wrap", _FAILS_FIRST), _AGAIN,
         End("succeeded", 0, attempts=2),
         (Deed("preempt", "start:1", 3, _preempt), Deed("stop", "end:1", 0, _each("stop", "slurmctld")),
          Deed("start", "deed:stop", 24, _each("start", "slurmctld")), Deed("now", "deed:start", 12, _now))),
    Case("ended before slurmctld went down", "It has failed, sacct knows, and then the controller is away.",
         ("--wrap", "sleep 3; exit 9"), _FAILS, End("failed", 9),
         (Deed("stop", "end:1", 4, _each("stop", "slurmctld")),
          Deed("start", "deed:stop", 24, _each("start", "slurmctld")))),
    Case("no sacct", "There is no accounting program; squeue remembers the end for a while, and forgets it.",
         ("--wrap", "sleep 6; exit 3"), _FAILS, End("failed", 3, attempts=0),
         (Deed("hide", "submit", 0, lambda cluster, _job: cluster.hide("sacct")),), forgotten=True),
)  # fmt: skip
