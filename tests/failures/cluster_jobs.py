"""Run the cases of the family slurm as jobs of a real test cluster, with what is done to them.

Deeds: `cancel USER` (alice, root), `timeout`, `preempt` (by a job of another partition), `down` (its node is set down),
`kill NODE` (the node's slurmd and the job's processes die). A deed is done once the job has written a line.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from cluster.errors import ClusterError
from cluster.processes import wait_until
from failures.case import Case
from support.cluster import Cluster, temporary_cluster

FIELDS = "State,ExitCode,Reason,NodeList,ElapsedRaw,TimelimitRaw,ReqMem"
STEPD = re.compile(rb"slurmstepd-c\d:")  # on a machine that is one node alone, it is just slurmstepd
ENDS = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED"}
UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "": 1}


@dataclass(frozen=True)
class Ran:
    """What a job left: its logs by the part of the name that is theirs, and the facts of its end."""

    files: dict[str, bytes]
    facts: dict[str, Any]


@contextmanager
def a_cluster() -> Generator[Cluster]:
    """Have a cluster, with cgroups where the machine has them free."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(temporary_cluster(flavor="cgroup"))
        except ClusterError:
            made = stack.enter_context(temporary_cluster())
        yield made


def run_all(cases: Sequence[Case]) -> dict[str, Ran]:
    """Run them one after the other; none when there are none, or no cluster can be had."""
    if not cases:
        return {}
    ran: dict[str, Ran] = {}
    with a_cluster() as cluster:
        for case in cases:
            try:
                ran[case.key] = run(cluster, case)
            except (AssertionError, ClusterError) as why:
                print(f"{case.key}: {why}")
            cluster.mend()
    return ran


def run(cluster: Cluster, case: Case) -> Ran:
    """Run one job to its end."""
    home = cluster.home()
    job = cluster.sbatch("-J", "train", *case.sbatch.replace("{home}", str(home)).split(), script=case.job)
    cluster.wait_for(job, {"RUNNING", "COMPLETED", "FAILED", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL"}, timeout_s=60)
    if case.deed:
        written = home / f"slurm-{job}.out"
        assert wait_until(lambda: written.exists() and written.stat().st_size > 0, timeout_s=30, pause_s=0.1)
        do(cluster, case.deed, job)
    cluster.wait_until_accounted(job, ENDS, timeout_s=120)
    part = {"": f"slurm-{job}.out", "out": f"out-{job}", "err": f"err-{job}"}
    files = {key: (home / name).read_bytes() for key, name in part.items() if (home / name).exists()}
    for log in sorted(home.glob(f"task-{job}-*.log")):
        files[log.name.replace(f"-{job}", "")] = log.read_bytes()
    swaps = {str(home).encode(): b"/home/alice", str(cluster.dir).encode(): b"/var/lib/cluster"}
    for old, new in swaps.items():
        files = {key: data.replace(old, new) for key, data in files.items()}
    files = {key: STEPD.sub(rb"slurmstepd:", data) for key, data in files.items()}
    return Ran(files, facts_of(cluster, job, case.deed))


def do(cluster: Cluster, deed: str, job: str) -> None:
    """Do to a running job what its case says."""
    match deed.split():
        case ["cancel", "root"]:
            cluster.slurm("scancel", job)
        case ["cancel", user]:
            cluster.run(["scancel", job], user=user)
        case ["timeout"]:
            cluster.slurm("scontrol", "update", f"JobId={job}", "EndTime=now+2seconds")
        case ["preempt"]:
            cluster.sbatch("-w", "c3", "--exclusive", "--wrap", "sleep 5")
        case ["down", node]:
            cluster.slurm("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=hardware")
            cluster.wait_for(job, {"NODE_FAIL"})
            cluster.slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
        case ["kill", node]:
            cluster.kill(f"slurmd-{node}")
            cluster.wait_for(job, {"NODE_FAIL"}, timeout_s=120)
        case _:
            raise AssertionError(f"no such deed: {deed}")


def facts_of(cluster: Cluster, job: str, deed: str) -> dict[str, Any]:
    """Give the end as sacct has it, in the words of Outcome."""
    told = cluster.sacct("-X", "-n", "-P", "-j", job, "-o", FIELDS).strip().split("\n")[-1].split("|")
    state, exit_, reason, nodes, elapsed, limit, memory = told
    code, signal = (int(part) for part in exit_.split(":"))
    facts: dict[str, Any] = {
        "state": state.split()[0],
        "exit_code": code if not signal else None,
        "signal": signal if 0 < signal < 32 else None,
        "slurm_exit": exit_,
        "reason": "" if reason == "None" else reason,
        "nodes": nodes,
        "elapsed_s": float(elapsed),
    }
    if limit.isdigit() and deed != "timeout":  # then its time was up before that limit
        facts["time_limit_s"] = float(limit) * 60
    if asked := size_of(memory):
        facts["memory_limit_bytes"] = asked
    used = [size_of(one) for one in cluster.sacct("-n", "-P", "-j", job, "-o", "MaxRSS").split()]
    if any(used):
        facts["max_rss_bytes"] = max(used)
    if " by " in state:
        facts["cancelled_by"] = deed.split()[-1]
    return facts


def size_of(text: str) -> int:
    """Read a size as sacct writes it."""
    found = re.fullmatch(r"([\d.]+)([KMG]?)\w?", text)
    return int(float(found[1]) * UNITS[found[2]]) if found else 0
