"""The cases of a cluster in which nothing is broken; all are recorded at once."""

from __future__ import annotations

from collections.abc import Callable

from recorder.story import Case, Deed, End
from support.cluster import Cluster

ODD_NAME = 'we|ird "q" é日本🚀\n   StdOut=/etc/passwd'

_PENDING, _RUNNING = ("pending", "submit"), ("running", "start:1")


def _ends(phase: str) -> tuple[tuple[str, str], ...]:
    return _PENDING, _RUNNING, (phase, "end:1")


def _root(*words: str) -> Callable[[Cluster, str], object]:
    return lambda cluster, job: cluster.slurm(*words, job)


def _now(cluster: Cluster, job: str) -> object:
    return cluster.slurm("scontrol", "update", f"JobId={job}", "StartTime=now")


def _own_cancel(cluster: Cluster, job: str) -> object:
    return cluster.run(["scancel", job])


def _bobs_cancel(cluster: Cluster, job: str) -> object:
    return cluster.run(["scancel", job], user="bob")


def _again(run: int, phase: str = "succeeded") -> tuple[tuple[str, str], ...]:
    return _PENDING, _RUNNING, ("pending", f"end:{run - 1}"), ("running", f"start:{run}"), (phase, f"end:{run}")


_FAILS_FIRST = '[ -n "$SLURM_RESTART_COUNT" ] && sleep 3 && exit 0; sleep 100'

CROWDED = frozenset(
    {
        "preempted and requeued",
        "preempted and cancelled",
        "node failure without requeue",
        "node failure with requeue",
        "deadline",
        "held",
        "partition down",
        "cancelled while pending",
        "odd name",
        "another user's",
    }
)
"""Recorded first: where a whole node is asked for, no other job may want one."""

CALM = (
    Case("completed", "A job runs and ends with exit code 0.", ("--wrap", "sleep 6"), _ends("succeeded"),
         End("succeeded", 0)),
    Case("failed with exit code 3", "The script ends with exit 3.", ("--wrap", "sleep 4; exit 3"), _ends("failed"),
         End("failed", 3)),
    Case("failed with exit code 200", "sacct subtracts 128 from the exit code; scontrol does not.",
         ("--wrap", "sleep 4; exit 200"), _ends("failed"), End("failed", 200)),
    Case("failed by signal 9", "The script kills itself with SIGKILL.", ("--wrap", "sleep 4; kill -9 $$"),
         _ends("failed"), End("failed", None, 9)),
    Case("no output folder", "The output file cannot be opened: 0:53, Slurm's own number.",
         ("-o", "nowhere/%j.out", "--wrap", "true"), _ends("failed"), End("failed")),
    Case("cancelled by its owner", "scancel by the user while it runs.", ("--wrap", "sleep 100"), _ends("cancelled"),
         End("cancelled"), (Deed("cancel", "start:1", 3, _own_cancel),)),
    Case("cancelled by root", "scancel by root while it runs.", ("--wrap", "sleep 100"), _ends("cancelled"),
         End("cancelled"), (Deed("cancel", "start:1", 4, _root("scancel")),)),
    Case("cancelled while pending", "Cancelled before it could start: accounting has no start of it.",
         ("-b", "now+1hour", "--wrap", "true"), (_PENDING, ("cancelled", "deed:cancel")), End("cancelled"),
         (Deed("cancel", "submit", 6, _own_cancel),)),
    Case("timeout", "The time limit of one minute ends it.", ("-p", "short", "-t", "1", "--wrap", "sleep 200"),
         _ends("failed"), End("failed")),
    Case("requeued", "scontrol requeue while it runs; it starts again and completes. Ended in between it is not.",
         ("--requeue", "--wrap", _FAILS_FIRST), _again(2), End("succeeded", 0, attempts=2),
         (Deed("requeue", "start:1", 4, _root("scontrol", "requeue")), Deed("now", "deed:requeue", 12, _now))),
    Case("requeued by itself", "The script requeues its own job; the second run completes.",
         ("--requeue", "--wrap",
          '[ -n "$SLURM_RESTART_COUNT" ] && exit 0; sleep 3; scontrol requeue $SLURM_JOB_ID; sleep 60'),
         _again(2), End("succeeded", 0, attempts=2), (Deed("now", "end:1", 10, _now),)),
    Case("requeued and held", "scontrol requeuehold: it waits until somebody releases it, which nobody does.",
         ("--requeue", "--wrap", "sleep 100"), (_PENDING, _RUNNING, ("pending", "end:1")), End("pending", attempts=2),
         (Deed("requeuehold", "start:1", 4, _root("scontrol", "requeuehold")),)),
    Case("preempted and requeued", "A job of a higher partition takes its node; it is requeued and completes later.",
         ("-p", "preempt", "-w", "c3", "--exclusive", "--requeue", "--wrap", _FAILS_FIRST), _again(2),
         End("succeeded", 0, attempts=2),
         (Deed("preempt", "start:1", 4, lambda cluster, _job: _intruder(cluster, "c3", 6)),
          Deed("now", "deed:preempt", 14, _now))),
    Case("deadline", "It cannot start in time for its deadline: DEADLINE.",
         ("-p", "preempt", "-N", "3", "--exclusive", "-t", "2", "--deadline=now+125", "--wrap", "true"),
         (_PENDING, ("failed", "word:DEADLINE")), End("failed")),
    Case("preempted and cancelled", "A partition whose jobs are cancelled when they are preempted: PREEMPTED is final.",
         ("-p", "scav", "-w", "c2", "--exclusive", "--wrap", "sleep 100"), _ends("failed"), End("failed"),
         (Deed("preempt", "start:1", 4, lambda cluster, _job: _intruder(cluster, "c2", 2)),)),
    Case("node failure without requeue", "The node's slurmd dies and the job may not be requeued: NODE_FAIL is final.",
         ("-p", "frail", "-n", "1", "--no-requeue", "--wrap", "sleep 200"),
         (_PENDING, _RUNNING, ("failed", "word:NODE_FAIL")), End("failed")),
    Case("node failure with requeue", "The node's slurmd dies; the job is requeued and completes on the mended node.",
         ("-p", "frail", "-n", "1", "--requeue", "--wrap", _FAILS_FIRST),
         (_PENDING, _RUNNING, ("pending", "again:PENDING"), ("running", "start:2"), ("succeeded", "word:COMPLETED")),
         End("succeeded", 0, attempts=2),
         (Deed("kill", "start:1", 5, lambda cluster, _job: cluster.kill("slurmd-c4")),
          Deed("start", "deed:kill", 40, lambda cluster, _job: cluster.start("slurmd-c4")),
          Deed("now", "deed:start", 3, _now))),
    Case("array with a failed element", "Four elements, two at a time; one fails, the others complete.",
         ("-a", "1-4%2", "--wrap", "sleep 6; [ $SLURM_ARRAY_TASK_ID = 3 ] && exit 5; exit 0"),
         (_PENDING, _RUNNING, ("failed", "end:last")), End("failed", attempts=0)),
    Case("array with an element cancelled while it ran", "Three elements at once; the second is cancelled.",
         ("-a", "1-3", "--wrap", "sleep 6"), (_PENDING, _RUNNING, ("cancelled", "end:last")),
         End("cancelled", attempts=0),
         (Deed("cancel", "start:1", 2, lambda cluster, job: cluster.run(["scancel", f"{job}_2"])),)),
    Case("array with an element cancelled while it waited",
         "Three elements, one at a time. The third is cancelled before it starts, and no program of 22.05 mentions it "
         "ever after: who has not seen it wait cannot know.",
         ("-a", "1-3%1", "--wrap", "sleep 4"), (_PENDING, _RUNNING, ("cancelled", "end:last")),
         End("cancelled", attempts=0),
         (Deed("cancel", "start:1", 2, lambda cluster, job: cluster.run(["scancel", f"{job}_3"])),),
         also=("succeeded",)),
    Case("one element of an array", "Only the second element is watched: it completes while others wait.",
         ("-a", "1-4%1", "--wrap", "sleep 4; [ $SLURM_ARRAY_TASK_ID = 2 ]"),
         (_PENDING, ("running", "start:1"), ("succeeded", "end:1")), End("succeeded", 0, attempts=0), watch="{}_2"),
    Case("heterogeneous", "Two parts, one job.", ("-n1", ":", "-n1", "--wrap", "sleep 6"),
         (_PENDING, _RUNNING, ("succeeded", "end:last")), End("succeeded", attempts=0)),
    Case("failed step", "A step fails and the script completes: the step does not decide.",
         ("--wrap", "srun sh -c 'exit 7'; sleep 5; exit 0"), _ends("succeeded"), End("succeeded", 0)),
    Case("held", "Held by its user, for ever.", ("-H", "--wrap", "true"), (_PENDING,), End("pending")),
    Case("dependency never satisfied", "It waits for the success of a job that fails, for ever.",
         ("-d", "afterok:FAILING", "--wrap", "true"), (_PENDING,), End("pending")),
    Case("partition down", "Its partition is down, for ever.", ("-p", "downp", "--wrap", "true"), (_PENDING,),
         End("pending")),
    Case("suspended", "Suspended and resumed by root, then it completes.", ("--wrap", "sleep 10"),
         (_PENDING, _RUNNING, ("suspended", "deed:suspend"), ("running", "deed:resume"), ("succeeded", "end:1")),
         End("succeeded", 0),
         (Deed("suspend", "start:1", 3, _root("scontrol", "suspend")),
          Deed("resume", "deed:suspend", 12, _root("scontrol", "resume")))),
    Case("slow epilog", "The script has ended and sacct says so, but the epilog takes 20 s: COMPLETING is no end.",
         ("--wrap", "sleep 3; exit 4"), _ends("failed"), End("failed", 4),
         (Deed("slow", "submit", 0, lambda cluster, job: (cluster.dir / "hooks" / f"slow.{job}").touch()),)),
    Case("odd name", "A name with a separator, quotes, a line break and letters beyond latin-1.",
         ("-J", ODD_NAME, "-o", "%j.out", "--wrap", "sleep 6"), _ends("succeeded"), End("succeeded", 0),
         keep=(ODD_NAME,)),
    Case("another user's", "It belongs to another user, who cancels it.", ("--wrap", "sleep 100"), _ends("cancelled"),
         End("cancelled"), (Deed("cancel", "start:1", 4, _bobs_cancel),), user="bob"),
    Case("only in accounting", "Nobody looked before slurmctld had forgotten it: sacct alone knows how it failed.",
         ("--wrap", "exit 6"), _ends("failed"), End("failed", 6), starts_at="gone"),
    Case("short", "It is over before anybody looks for the first time.", ("--wrap", "true"), _ends("succeeded"),
         End("succeeded", 0)),
)  # fmt: skip


def _intruder(cluster: Cluster, node: str, seconds: int) -> object:
    return cluster.sbatch("-p", "normal", "-w", node, "--exclusive", "--wrap", f"sleep {seconds}")
