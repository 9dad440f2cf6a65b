"""A process that works on a session, as a program of its own: `registry_worker.py MODE ROOT SESSION [OPTIONS…]`.

It prints a line for each thing that was acknowledged, after it was, and ends at the first line of input or when its
work is done.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from jobwarden_registry.clock import utc_now
from jobwarden_registry.disk import Steps
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index
from jobwarden_registry.leases import Lease
from jobwarden_registry.locks import Excluder, Surroundings, local_flock
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import Places
from jobwarden_registry.phases import Phase
from jobwarden_registry.processes import this_process
from jobwarden_registry.session import Session


def excludes_nobody(descriptor: int) -> bool:
    """Succeed at once, as flock does over some network file systems."""
    return True


def fails(descriptor: int) -> bool:
    """Fail, as flock does over others."""
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


class DeadlySteps(Steps):
    """Ends the process at once, with nothing tidied up, before the `count`-th change of this name."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._left = count

    def before(self, what: str) -> None:
        if what.startswith(self._name):
            self._left -= 1
            if self._left == 0:
                os._exit(9)  # as SIGKILL does, which the first process of a pid namespace cannot send to itself


EXCLUDERS: dict[str, Excluder] = {"flock": local_flock, "nobody": excludes_nobody, "error": fails}


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def count(session: Session, options: argparse.Namespace) -> None:
    """Add one to a number that all the others add to as well."""
    for _ in range(options.rounds):
        with session.transaction() as change:
            (job,) = change.jobs.values()
            number = int(job.reason or "0") + 1
            change.change(job.uid, job.changed(reason=str(number)), EventKind.UPDATED)
    say("done", options.rounds)


def churn(session: Session, options: argparse.Namespace) -> None:
    """Register, change and finish jobs, and say so, until killed."""
    chance = random.Random(options.seed)
    for number in range(options.rounds):
        job_id = f"{options.seed}-{number}"
        say("try", job_id)
        with session.transaction() as change:
            job, _ = change.register(JobRecord(type="slurm", id=job_id, host="h"))
        say("registered", job_id)
        with session.transaction() as change:
            change.change(job.uid, change.jobs[job.uid].changed(last_status="RUNNING"), EventKind.STATUS_CHANGE)
        say("changed", job_id)
        if chance.random() < 0.7:
            say("ending", job_id)
            with session.transaction() as change:
                change.finish(job.uid, change.jobs[job.uid].changed(phase=Phase.SUCCEEDED))
            say("finished", job_id)
    say("done")


def finish_all(session: Session, options: argparse.Namespace) -> None:
    """End whatever is watched, as a second watcher without a lease would: each job must end once."""
    while True:
        with session.transaction(own=False) as change:
            if not change.jobs:
                break
            uid, job = next(iter(change.jobs.items()))
            change.finish(uid, job.changed(phase=Phase.SUCCEEDED))
        say("finished", job.id)
    say("done")


def watch(session: Session, options: argparse.Namespace) -> None:
    """Act under the lease whenever it can be had: beat, and write a note with the token, until told to end."""
    lease = Lease()
    os.set_blocking(sys.stdin.fileno(), False)
    while sys.stdin.buffer.read(1) is None:
        if lease.token is None:
            token = lease.acquire(session, this_process(), machine_id=os.uname().nodename, stale_s=options.lease_s)
            if token is None:
                session.around.pause(0.05)
                continue
            say("took")
        else:
            lease.beat()
        with session.transaction(lease=lease.token, own=False) as change:
            change.note("acted", extra={"by": options.seed})
        say("acted")
        session.around.pause(0.02)
    lease.release()
    say("released")


MODES: dict[str, Callable[[Session, argparse.Namespace], None]] = {
    "count": count,
    "churn": churn,
    "finish-all": finish_all,
    "watch": watch,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("root", type=Path)
    parser.add_argument("--runtime", default="runtime")
    parser.add_argument("--session", default="s1")
    parser.add_argument("--exclude", choices=EXCLUDERS, default="flock")
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stale-s", type=float, default=10.0)
    parser.add_argument("--lease-s", type=float, default=1.0)
    parser.add_argument("--die-before", default="", help="the change on disk before which the process kills itself")
    parser.add_argument("--die-at", type=int, default=1, help="at which of those changes")
    options = parser.parse_args()
    places = Places(options.root / "state", options.root / options.runtime)
    entry = Index(places).get(options.session)
    assert entry is not None
    session = Session(
        places,
        entry,
        clock=utc_now,
        lock_timeout_s=120.0,
        lock_stale_s=options.stale_s,
        exclude=EXCLUDERS[options.exclude],
        around=Surroundings(steps=DeadlySteps(options.die_before, options.die_at) if options.die_before else Steps()),
    )
    MODES[options.mode](session, options)


if __name__ == "__main__":
    main()
