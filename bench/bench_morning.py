"""The same morning of four jobs, followed by a polling agent and by jobwarden: turns, bytes, remote commands, mistakes.

Two jobs succeed, one fails, one is requeued; a real Slurm over real ssh. Both follow the SAME jobs at the same time,
each through an sshd of its own, so that what each asks is counted on the far side. Neither is a model: both are
policies written down in tests/support/morning.py, and a turn is a call of the model that the policy would have made.

It is a time-lapse: every period is a tenth, of jobs, polls and jobwarden's clocks alike. Slurm's own times are not (its
accounting is up to 5 s behind, ssh takes what it takes), so that "late" is more than a tenth. Needs root on Debian, or
JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import anyio

from stage import a_cluster, a_home
from support.agent import Agent, agent
from support.cluster import Cluster
from support.household import Household
from support.morning import POLL_ENDS, Context, Polling, Told, Waiting, ask_state, look_closer, read_state

from jobwarden.mcp_server.app import INSTRUCTIONS  # isort: skip -- stage sets the path

LAPSE = 10.0
POLL_S = 30.0
"""The shell functions' own text names no period; the helper beside them, which waits for a job, looks every 30 s."""
WAIT_S = 1500.0
"""What Claude Code's limits let one call wait."""
MONITOR_S = 1800.0
"""After so long Claude Code ends a background monitor, which then is started again."""
SKILL_BYTES = 6271
"""The polling skill, as it was published."""
OURS, THEIRS = "cluster-b", "cluster-a"
CLOCKS: Mapping[str, float] = {
    "poll_s": 60, "floor_s": 15, "quick_window_s": 120, "quick_budget_window_s": 600, "grace_s": 120,
    "lost_after_s": 300, "backoff_first_s": 30, "backoff_most_s": 300, "scan_s": 10, "beat_s": 20, "lease_s": 180,
    "linger_s": 30,
}  # fmt: skip
QUICK_S = (5, 10, 20)
ROOT = Path(__file__).resolve().parents[1]
ROW = "{:<20} {:>5} {:>5} {:>10} {:>7} {:>4} {:>5} {:>15} {:>12} {:>6}"
CAUSE = "KeyError: 'labels'"
FAILS = """#!/bin/bash
python3 -u - <<'END'
import time
for step in range(300):
    print(f"step {step:4d}/300  loss {2.3 - step / 400:.4f}  lr 3.0e-05  12.4 samples/s", flush=True)
    time.sleep(SECONDS / 300)
def load(batch):
    return batch["labels"]
load({"input_ids": [1, 2]})
END
"""
TWICE = '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || sleep 3000; sleep %g'


@dataclass
class Morning:
    """The jobs of one morning, and when what happens to them.

    Attributes:
        cluster: Where they run.
        preempted: Whether the fourth is requeued because another job takes its place; else an administrator does it.
        jobs: Ids by name.
        taken_for_ended_s: For how long accounting said of the fourth a word that polling takes for an end.
    """

    cluster: Cluster
    preempted: bool
    jobs: dict[str, str] = field(default_factory=dict[str, str])
    taken_for_ended_s: float = 0.0

    def begin(self) -> None:
        """Submit all four."""
        submit = partial(self.cluster.sbatch, "--mem=50")
        failing = FAILS.replace("SECONDS", f"{480 / LAPSE}")
        where = ("-p", "preempt", "-w", "c3", "--exclusive") if self.preempted else ("-w", "c3")
        self.jobs["prepare"] = submit("-J", "prepare", "-w", "c1", "--wrap", f"echo ready; sleep {240 / LAPSE}")
        self.jobs["train"] = submit("-J", "train", "-w", "c1", script=failing)
        self.jobs["evaluate"] = submit("-J", "evaluate", "-w", "c1", "--wrap", f"sleep {960 / LAPSE}; echo 67.1")
        self.jobs["export"] = submit("-J", "export", "--requeue", *where, "--wrap", TWICE % (600 / LAPSE))

    async def happen(self) -> None:
        """Requeue the fourth after six minutes; it waits for two, which is Slurm's own pause, then runs again."""
        job, slurm = self.jobs["export"], self.cluster.slurm
        await anyio.sleep(360 / LAPSE)
        if self.preempted:
            words = ("-w", "c3", "--exclusive", "--output=/dev/null", "--wrap", f"sleep {60 / LAPSE}")
            await anyio.to_thread.run_sync(partial(self.cluster.sbatch, *words, user="bob"))
        else:
            await anyio.to_thread.run_sync(slurm, "scontrol", "requeue", job)
        with anyio.move_on_after(120 / LAPSE):
            await anyio.to_thread.run_sync(self._watch_accounting, abandon_on_cancel=True)
            await anyio.sleep_forever()
        await anyio.to_thread.run_sync(slurm, "scontrol", "update", f"JobId={job}", "StartTime=now")

    def _watch_accounting(self) -> None:
        """See for how long a poll would have met a word that it takes for an end."""
        words = ("sacct", "-X", "-n", "-P", "-o", "State", "-j", self.jobs["export"])
        seen: list[float] = []
        while (state := read_state(self.cluster.slurm(*words).stdout)) != "PENDING":
            if state in POLL_ENDS:
                seen.append(time.monotonic())
            time.sleep(0.1)
        self.taken_for_ended_s = seen[-1] - seen[0] if seen else 0.0

    def truth(self) -> dict[str, list[tuple[str, float]]]:
        """Give each job's runs as accounting has them: state and end, half a second added as ends are whole seconds."""
        words = ("sacct", "-D", "-X", "-n", "-P", "-o", "JobID,State,End", "-j", ",".join(self.jobs.values()))
        runs: dict[str, list[tuple[str, float]]] = {}
        for line in self.cluster.run(["env", "SLURM_TIME_FORMAT=%s", *words]).stdout.split("\n"):
            if line:
                job, state, end = line.split("|")
                runs.setdefault(job, []).append((state, float(end) + 0.5))
        return runs


# -- the two who follow


async def poll(cluster: Cluster, jobs: Mapping[str, str], asking: Context, monitored: Context) -> None:
    """Follow by shell functions. Asked by the agent itself at each poll, or by a monitor that tells it what changed."""
    entries = [{"type": "slurm", "id": job, "host": THEIRS, "description": name} for name, job in jobs.items()]
    for context in (asking, monitored):
        context.call(json.dumps(entries), "")
    monitored.call("./check-jobs --loop", "")
    policy = Polling(dict.fromkeys(jobs.values(), ""))
    began = time.time()
    while policy.last:
        await anyio.sleep(POLL_S / LAPSE)
        lines: list[str] = []
        changes: list[Told] = []
        for job in list(policy.last):
            answer = await _remotely(cluster, ask_state(job))
            lines.append(f"{job} {answer.strip()}")
            told = policy.hear(job, answer, time.time())
            changes += [told] if told else []
        asking.call(f"sleep {POLL_S:g}; ./check-jobs", "\n".join(lines))
        if changes:
            monitored.notice("\n".join(f"{told.job}: {' -> '.join(told.words)}" for told in changes))
        for told in changes:
            await _look_closer(cluster, told, (asking, monitored))
    monitored.calls += int((time.time() - began) * LAPSE / MONITOR_S)


async def _look_closer(cluster: Cluster, told: Told, contexts: Sequence[Context]) -> None:
    command = look_closer(told.job, told.words[-1])
    answer = await _remotely(cluster, command) if told.ended else ""
    for context in contexts:
        context.told.append(told)
        if told.ended:
            context.call(f"ssh {THEIRS} {command!r}", answer)


async def _remotely(cluster: Cluster, command: str) -> str:
    run = partial(cluster.run, ["sh", "-c", command], host=THEIRS)
    return (await anyio.to_thread.run_sync(run)).stdout


async def wait(home: Household, jobs: Mapping[str, str], wait_s: float, context: Context) -> None:
    """Follow by jobwarden's tools."""
    policy = Waiting(set(jobs.values()))

    async def call(reader: Agent, tool: str, **arguments: object) -> list[str]:
        answer = await reader.call(tool, **arguments)
        context.call(json.dumps({"tool": tool, **arguments}), answer)
        told, failed = policy.hear(answer, time.time())
        context.told += told
        return failed

    async with agent(home) as reader:
        failed = await call(reader, "register_job", type="slurm", id=list(jobs.values()), host=OURS)
        while policy.alive or failed:
            if failed:
                failed = [*await call(reader, "diagnose_job", job=failed[0]), *failed[1:]]
            else:
                failed = await call(reader, "wait_for_change", timeout_s=wait_s / LAPSE)


# -- what the far side counts


@contextmanager
def counted(cluster: Cluster) -> Generator[Callable[[str], Counter[str]]]:
    """Count what comes through each sshd: remote commands ("ssh"), and Slurm's programs, by name."""
    with tempfile.TemporaryDirectory(prefix="jwb-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o777)
        log = Path(folder) / "log"
        log.touch()
        log.chmod(0o666)
        note = f'echo "${{SSH_CONNECTION##* }} %s" >> {log}'
        by_sshd = 'read -r jw_parent < /proc/$PPID/comm; [ "$jw_parent" != sshd ] || '
        stack.enter_context(cluster.login(by_sshd + note % "ssh"))
        for program in ("squeue", "sacct", "scontrol"):
            script = f'[ -z "$SSH_CONNECTION" ] || {note % program}\nexec /usr/bin/{program} "$@"'
            stack.enter_context(cluster.replaced(program, script))

        def count(host: str) -> Counter[str]:
            port = str(cluster.ports[host.removeprefix("cluster-")])
            lines = [line.split() for line in log.read_text(encoding="utf-8").split("\n") if line]
            return Counter(name for at, name in lines if at == port)

        yield count


# -- what came of it


def mistakes(context: Context, morning: Morning, truth: Mapping[str, Sequence[tuple[str, float]]]) -> list[str]:
    """Say what the agent was told wrongly, or not at all."""
    said: list[str] = []
    for name, job in morning.jobs.items():
        word, end = truth[job][-1]
        ends = [told for told in context.told if told.job == job and told.ended]
        early = [told for told in ends if told.at < end - 1.5]
        if early:
            soon_min = (end - early[0].at) * LAPSE / 60
            said.append(f"{name} called ended ({early[0].words[-1]}) {soon_min:.0f} min too soon")
        if not any(told.words and told.words[-1].split()[0] == word for told in ends):
            said.append(f"the end of {name} ({word}) never told")
    if not any(told.again or "REQUEUED" in told.words for told in context.told if told.job == morning.jobs["export"]):
        said.append("the requeue never told")
    if not any(CAUSE in text for text in context.texts):
        said.append("the failure's cause never told")
    return said


def lateness(context: Context, truth: Mapping[str, Sequence[tuple[str, float]]]) -> list[float]:
    """Give how long after each true end it was told, in real seconds."""
    late: list[float] = []
    for job, runs in truth.items():
        word, end = runs[-1]
        right = [told.at - end for told in context.told if told.job == job and told.ended and told.words[-1] == word]
        late += right[:1] if right and right[0] > -1.5 else []
    return late


def overhead() -> int:
    """Give the bytes that jobwarden's client and skill put before a model, all tools loaded."""
    tools = json.loads((ROOT / "tests" / "protocol" / "tools_list.json").read_text(encoding="utf-8"))
    seen = [[tool["name"], tool["description"], tool["inputSchema"]] for tool in tools]
    size = len(json.dumps(seen, separators=(",", ":"), ensure_ascii=False).encode()) + len(INSTRUCTIONS.encode())
    return size + len((ROOT / "skills" / "job-monitor" / "SKILL.md").read_bytes())


async def follow(morning: Morning, home: Household, wait_s: float) -> dict[str, Context]:
    """Have the morning followed by both."""
    contexts = {name: Context() for name in ("polling agent", "the same, monitored", "jobwarden")}
    asking, monitored, waiting = contexts.values()
    await anyio.to_thread.run_sync(morning.begin)
    with anyio.fail_after(900):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(morning.happen)
            tasks.start_soon(poll, morning.cluster, morning.jobs, asking, monitored)
            tasks.start_soon(wait, home, morning.jobs, wait_s, waiting)
    return contexts


def say(contexts: Mapping[str, Context], counts: Mapping[str, Counter[str]], morning: Morning) -> None:
    """Print the table, and what each got wrong."""
    truth = morning.truth()
    head = ("", "turns", "calls", "bytes read", "written", "ssh", "sacct", "squeue+scontrol", "late: median", "most")
    print(ROW.format(*head))
    for name, context in contexts.items():
        far = counts[name]
        late = sorted(lateness(context, truth)) or [float("nan")]
        cells = (context.turns, context.calls, context.read, context.written, far["ssh"], far["sacct"])
        asked = far["squeue"] + far["scontrol"]
        print(ROW.format(name, *cells, asked, f"{median(late):.1f} s", f"{late[-1]:.1f} s"))
    ours = contexts["jobwarden"]
    for name, context in list(contexts.items())[:2]:
        remote = counts[name]["ssh"] / counts["jobwarden"]["ssh"]
        turns, read = context.turns / ours.turns, context.read / ours.read
        print(f"{name} / jobwarden: turns {turns:.1f} x, bytes read {read:.1f} x, remote commands {remote:.1f} x")
    for name, context in contexts.items():
        print(f"wrong, {name}: {'; '.join(mistakes(context, morning, truth)) or 'nothing'}")
    if window := morning.taken_for_ended_s:
        met, here = (min(1.0, window / period) for period in (POLL_S, POLL_S / LAPSE))
        print(
            f"accounting said of the fourth for {window:.1f} s, which are Slurm's own, what polling takes for an end:"
            f" polls every {POLL_S:g} s meet that in {met:.0%} of such cases, in this time-lapse in {here:.0%}"
        )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--wait", type=float, default=WAIT_S, help="seconds of the morning that one call may wait")
    options.add_argument("--show", action="store_true", help="print what was read of jobwarden")
    given = options.parse_args()
    clocks: dict[str, float | str] = {name: seconds / LAPSE for name, seconds in CLOCKS.items()}
    clocks["quick_s"] = str([seconds / LAPSE for seconds in QUICK_S])
    print(f"time-lapse: a tenth of all periods; polls every {POLL_S:g} s, jobwarden's 60 s, its waits {given.wait:g} s")
    print(f"read beforehand, in bytes: the polling skill {SKILL_BYTES}; instructions, tools and skill {overhead()}")
    with a_cluster() as cluster:
        for preempted in (False, True):
            morning = Morning(cluster, preempted)
            with a_home(cluster, clocks) as home, counted(cluster) as count:
                contexts = anyio.run(follow, morning, home, given.wait)
                theirs, ours = count(THEIRS), count(OURS)
            cluster.run(["sh", "-c", "rm -f slurm-*.out"])
            how = "preempted by another job" if preempted else "requeued by an administrator"
            print(f"\nthe fourth job is {how}")
            names = list(contexts)
            say(contexts, {names[0]: theirs, names[1]: theirs, names[2]: ours}, morning)
            if given.show:
                print("\n---\n".join(contexts["jobwarden"].texts), file=sys.stderr)


if __name__ == "__main__":
    main()
