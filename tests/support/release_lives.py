"""The core cases of a job's life, short enough to be lived on every release of Slurm (see support.casebook)."""

from __future__ import annotations

import pwd
from dataclasses import dataclass
from functools import partial

from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook

ODD_NAME = 'we|ird "q" é日本🚀\n   StdOut=/etc/passwd'
PATTERN = "logs/x=%x,j=%8j,u=%u,p=%%.out"
ARRAY_LOG = "logs/%A_%a.out"
TWICE = '[ -n "$SLURM_RESTART_COUNT" ] || sleep 300; sleep 1; exit {code}'
SOON = "StartTime=now+2seconds"
ELEMENTS = "sleep 6; [ $SLURM_ARRAY_TASK_ID = 3 ] && exit 5; exit 0"
SLOW_EPILOG = '#!/bin/sh\n[ -e "$(dirname "$0")/slow-$SLURM_JOB_ID" ] && sleep 12\nexit 0\n'


@dataclass(frozen=True)
class End:
    """What must be said of an end: by a session that watched and, where it differs, by one that came late."""

    phase: Phase
    status: str
    exit_code: int | None = None
    signal: int | None = None
    late_exit_code: int | None = None
    runs: tuple[str, ...] = ()
    """The words of all runs, where there was more than one."""

    @property
    def word(self) -> str:
        """The source's word, with alice's number in it."""
        return self.status.format(alice=pwd.getpwnam("alice").pw_uid)


ENDS = {
    "completed": End(Phase.SUCCEEDED, "COMPLETED", 0),
    "exit 3": End(Phase.FAILED, "FAILED", 3),
    "exit 200": End(Phase.FAILED, "FAILED", 200, late_exit_code=72),
    "signal 9": End(Phase.FAILED, "FAILED", None, 9),
    "cancelled by its user": End(Phase.CANCELLED, "CANCELLED by {alice}"),
    "cancelled by root": End(Phase.CANCELLED, "CANCELLED by 0"),
    "cancelled while waiting": End(Phase.CANCELLED, "CANCELLED by {alice}"),
    "timeout": End(Phase.FAILED, "TIMEOUT"),
    "node fail": End(Phase.FAILED, "NODE_FAIL"),
    "preempted": End(Phase.FAILED, "PREEMPTED"),
    "array": End(Phase.FAILED, "COMPLETED 3, FAILED 1"),
    "element": End(Phase.FAILED, "FAILED", 5),
    "het": End(Phase.SUCCEEDED, "COMPLETED 2"),
    "suspended": End(Phase.SUCCEEDED, "COMPLETED", 0),
    "slow epilog": End(Phase.FAILED, "FAILED", 6),
    "odd name": End(Phase.SUCCEEDED, "COMPLETED", 0),
    "preempted, again": End(Phase.SUCCEEDED, "COMPLETED", 0, runs=("PREEMPTED", "COMPLETED")),
    "node fail, again": End(Phase.FAILED, "FAILED", 7, runs=("NODE_FAIL", "FAILED")),
    "requeued": End(Phase.FAILED, "FAILED", 4, runs=("REQUEUED", "FAILED")),
    "requeued and held": End(Phase.SUCCEEDED, "COMPLETED", 0, runs=("REQUEUED", "COMPLETED")),
}
LATE = (
    *("completed", "exit 3", "exit 200", "signal 9", "cancelled by its user", "cancelled by root"),
    *("cancelled while waiting", "timeout", "node fail", "preempted", "array", "element", "het", "requeued"),
)
"""Those that a session hears of only when slurmctld has forgotten them."""


async def by_themselves(book: Casebook) -> None:
    """Jobs that nobody does anything to."""
    (book.cluster.home() / "logs").mkdir(exist_ok=True)
    (book.cluster.home() / "logs").chmod(0o777)
    scripts = {"completed": "sleep 2", "exit 3": "sleep 1; exit 3", "exit 200": "exit 200", "signal 9": "kill -9 $$"}
    cases = [await book.submit(label, "--wrap", script) for label, script in scripts.items()]
    odd = await book.submit("odd name", "-J", ODD_NAME, "-o", "logs/%j.out", "--wrap", "sleep 2")
    pattern = await book.submit("pattern", "-J", "a%j", "-o", PATTERN, "--wrap", "sleep 2")
    folder = await book.submit("no folder", "-o", "/nowhere/%j.out", "--wrap", "true")
    step = await book.submit("failed step", "--wrap", "srun sh -c 'exit 7'; sleep 2; exit 0")
    bobs = await book.submit("bob's", "--wrap", "sleep 2", user="bob")
    for case in (odd, pattern, folder, bobs):
        await book.until_ended(case)
    for case in (*cases, step):
        await book.again_when_forgotten(case)


async def cancelled(book: Casebook) -> None:
    """By its user, by root, and before it ran."""
    user = await book.submit("cancelled by its user", "--wrap", "sleep 100")
    root = await book.submit("cancelled by root", "--wrap", "sleep 100")
    waiting = await book.submit("cancelled while waiting", "-H", "--wrap", "true")
    for case in (user, root):
        await book.until_shown(case, "RUNNING")
    await book.do(lambda: book.cluster.run(["scancel", user.job, waiting.job]))
    await book.slurm("scancel", root.job)
    for case in (user, root, waiting):
        await book.again_when_forgotten(case)


async def timeout(book: Casebook) -> None:
    """Its time is up when slurmctld looks next, which is every 30 seconds."""
    case = await book.submit("timeout", "-t", "5", "--wrap", "sleep 600")
    await book.until_shown(case, "RUNNING")
    await book.slurm("scontrol", "update", f"JobId={case.job}", "EndTime=now+2seconds")
    await book.again_when_forgotten(case)


async def many(book: Casebook) -> None:
    """An array, one element of it by itself, a wide array that never runs, and a heterogeneous job."""
    het = await book.submit("het", "-n1", ":", "-n1", "--wrap", "sleep 8")
    wide = await book.submit("wide", "-H", "-a", "1-1000:7%5", "--wrap", "true")
    array = await book.submit("array", "-a", "1-4%2", "-o", ARRAY_LOG, "--wrap", ELEMENTS)
    element = await book.register("element", f"{array.job}_3")
    far = await book.register("far element", f"{wide.job}_995")
    await book.until(wide, lambda case: case.words)
    await book.do(lambda: book.cluster.run(["scancel", wide.job]))
    for case in (wide, far):
        await book.until_ended(case)
    for case in (het, array, element):
        await book.again_when_forgotten(case)
    await book.again_when_forgotten(far)


async def suspended(book: Casebook) -> None:
    """Stopped for a while by an administrator."""
    case = await book.submit("suspended", "--wrap", "until [ -e enough ]; do sleep 0.3; done")
    await book.until_shown(case, "RUNNING")
    await book.slurm("scontrol", "suspend", case.job)
    await book.until_phase(case, Phase.SUSPENDED)
    await book.slurm("scontrol", "resume", case.job)
    await book.until_shown(case, "RUNNING")
    (book.cluster.home() / "enough").touch()
    await book.until_ended(case)


async def slow_epilog(book: Casebook) -> None:
    """Over in its script, and not over: the node's epilog takes its time."""
    hooks = book.cluster.dir / "hooks"
    (hooks / "epilog.sh").write_text(SLOW_EPILOG, encoding="utf-8")
    case = await book.submit("slow epilog", "-H", "--wrap", "sleep 1; exit 6")
    (hooks / f"slow-{case.job}").touch()
    await book.slurm("scontrol", "release", case.job)
    await book.until_ended(case)


async def waiting(book: Casebook) -> None:
    """Jobs that wait for something that does not come."""
    held = await book.submit("held", "-H", "--wrap", "true")
    down = await book.submit("partition down", "-p", "downp", "--wrap", "true")
    failed = await book.sbatch("--wrap", "exit 1")
    never = await book.submit("never", "-d", f"afterok:{failed}", "--wrap", "true")
    await book.until(never, lambda case: _reason(case) == "DependencyNeverSatisfied")
    for case in (held, down):
        await book.until(case, _reason)
    await book.slurm("scancel", held.job, down.job, never.job)
    for case in (held, down, never):
        await book.until_ended(case)


def _reason(case: Case) -> str | None:
    return case.looks[-1].reason if case.looks else None


# -- more than one run


async def _begin(book: Casebook, label: str, *words: str, code: int = 0) -> Case:
    case = await book.submit(label, "--requeue", *words, "--wrap", TWICE.format(code=code))
    await book.until_shown(case, "RUNNING")
    return case


async def _go_on(book: Casebook, case: Case) -> None:
    """Start the second run when accounting knows that there will be one: it is told every five seconds."""
    await book.until(case, lambda case: len(case.record.attempts) == 2)
    await book.until_phase(case, Phase.PENDING)
    await book.do(lambda: book.cluster.wait_until_accounted(case.job, {"PENDING"}))
    await book.slurm("scontrol", "update", f"JobId={case.job}", SOON)
    await book.until_ended(case)


async def requeued(book: Casebook) -> None:
    """By its user."""
    case = await _begin(book, "requeued", code=4)
    await book.do(lambda: book.cluster.run(["scontrol", "requeue", case.job]))
    await _go_on(book, case)
    await book.again_when_forgotten(case)


async def requeued_and_held(book: Casebook) -> None:
    """By an administrator, until released."""
    case = await _begin(book, "requeued and held")
    await book.slurm("scontrol", "requeuehold", case.job)
    await book.until(case, lambda case: len(case.record.attempts) == 2)
    await book.until_phase(case, Phase.PENDING)
    await book.slurm("scontrol", "release", case.job)
    await _go_on(book, case)


async def preempted(book: Casebook) -> None:
    """Once for good, once to run again."""
    final = await book.submit("preempted", "-p", "scav", "-w", "c3", "--exclusive", "--wrap", "sleep 100")
    again = await _begin(book, "preempted, again", "-p", "preempt", "-w", "c2", "--exclusive")
    await book.until_shown(final, "RUNNING")
    await book.sbatch("-N2", "-w", "c2,c3", "--exclusive", "--wrap", "sleep 4")
    await _go_on(book, again)
    await book.again_when_forgotten(final)


async def node_fail(book: Casebook) -> None:
    """First a node that is set down and comes back, with a job that may run again; then one whose slurmd dies."""
    again = await _begin(book, "node fail, again", "-p", "frail", code=7)
    await book.slurm("scontrol", "update", "nodename=c4", "state=down", "reason=test")
    await _go_on(book, again)
    final = await book.submit("node fail", "-p", "frail", "--no-requeue", "--wrap", "sleep 300")
    await book.until_shown(final, "RUNNING")
    await book.do(partial(book.cluster.kill, "slurmd-c4"))
    await book.again_when_forgotten(final)


LIVES = (
    *(by_themselves, cancelled, timeout, many, suspended, slow_epilog, waiting),
    *(requeued, requeued_and_held, preempted, node_fail),
)
