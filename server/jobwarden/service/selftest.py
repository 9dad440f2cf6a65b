"""A small plan on the user's own cluster: interrupted, taken up again, followed to its ends, and cleared away."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import DEVNULL

import anyio
from anyio import to_thread

from jobwarden.identity import Caller
from jobwarden.service import stopping
from jobwarden.service.desk import Desk
from jobwarden.service.health import OK, PROBLEM, WARNING
from jobwarden.service.plan_views import PlanView
from jobwarden.service.plans import Plans
from jobwarden.service.views import Check, DoctorView
from jobwarden.sources.submitting import Listed, Submits
from jobwarden.verdict.resolving import SLURM
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.paths import SESSIONS
from jobwarden_registry.phases import Phase

_FOLDER = re.compile(r"/[^\x00-\x1f]*/jobwarden-selftest-[0-9a-f]{8}|/jobwarden-selftest-[0-9a-f]{8}")
_MAKE = 'cd && mkdir -m 700 -- "$1" && cd -- "$1" && pwd -P'
_SCRIPT = '#!/bin/sh\nsleep 1\n: >"ran-$1-$SLURM_JOB_ID"\nexit "${2:-0}"\n'
_JOBS: Mapping[str, Mapping[str, object]] = {
    "a": {},
    "b": {"expect": ["ran-b-*"]},
    "c": {"arguments": ["c", "3"]},
    "d": {"after": ["a"]},
    "e": {"after": {"afternotok": ["c"]}},
}
"""Beside `name`, `script` and `arguments`: c fails on purpose, d waits for a, and e for c's failure."""
_ENDS = {"a": "succeeded", "b": "succeeded", "c": "failed", "d": "succeeded", "e": "succeeded"}
_FAILS_WITH = 3
_FIRST = 2
"""The submitter that is killed may submit no more than so many."""
_STEP_S = 2.0
_CHILD_S = 240.0
_CLEAR_S = 150.0
_LOOKS = 15
"""For the end of what was cancelled: an epilog takes its time."""

Say = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class _Stage:
    """One run of the test.

    Attributes:
        host: Where.
        name: Of everything that belongs to it.
        here: Its folder on this machine, which is its session's project.
        there: Its folder on the host.
        caller: Its session.
        checks: What was found.
    """

    host: str
    name: str
    here: Path
    caller: Caller
    there: str = ""
    checks: list[Check] = field(default_factory=list[Check])

    def found(self, outcome: str, what: str, text: str, mend: str = "") -> None:
        self.checks.append(Check(subject=f"selftest on {self.host}: {what}", outcome=outcome, text=text, mend=mend))

    @property
    def plan(self) -> Path:
        return self.here / "plan.toml"


class SelfTest:
    """Shows on a cluster of the user's that plans work there."""

    def __init__(self, desk: Desk, plans: Plans) -> None:
        self._desk = desk
        self._plans = plans

    async def run(
        self, caller: Caller, host: str, *, options: Mapping[str, str], for_s: float, say: Say | None = None
    ) -> DoctorView:
        """Submit five jobs of a few seconds, kill the submitter, go on, and look at what became of each.

        It has a session, a plan and a folder of its own, there and here, and takes them away again with whatever still
        lives of its jobs; where something went wrong, what it journaled stays.

        Args:
            caller: Who asks.
            host: Where: a name that ssh understands.
            options: What sbatch must be given there, as a plan's `options`: `account`, `partition`.
            for_s: How long the jobs may take, the wait in the queue included.
            say: Is told what happens.

        Raises:
            InvalidIdError: The host's name cannot be one.
        """
        name = f"jobwarden-selftest-{secrets.token_hex(4)}"
        here = self._desk.world.places.runtime / name
        own = replace(caller, session_id=name, project=here, detail=None, borrower=None, claimed=False, process=None)
        stage = _Stage(host, name, here, own)
        await to_thread.run_sync(lambda: here.mkdir(mode=0o700))
        try:
            await self._live(stage, options, for_s, say or _nothing)
        except JobwardenError as error:
            stage.found(PROBLEM, "stopped", f"{error.text} [{error.code}]", error.hint)
        finally:
            with anyio.CancelScope(shield=True):
                await self._clear(stage)
        return DoctorView(checks=tuple(stage.checks))

    async def _live(self, stage: _Stage, options: Mapping[str, str], for_s: float, say: Say) -> None:
        async with self._desk.world.transports.lease(stage.host) as transport:
            limit_s = self._desk.world.config.clocks.ask_timeout_s
            made = await transport.run(["/bin/sh", "-c", _MAKE, "sh", stage.name], timeout_s=limit_s)
        folder = made.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2]
        if made.status != 0 or not _FOLDER.fullmatch(folder):
            said = made.stderr.decode("utf-8", "replace").strip()[-200:]
            stage.found(PROBLEM, "folder", f"no folder could be made in the home there: {said or folder[:200]}")
            return
        stage.there = folder
        await to_thread.run_sync(_write_plan, stage, options)
        await self._desk.session(stage.caller, create=True)
        checked = await self._plans.check(stage.caller, stage.plan)
        if not checked.good:
            stage.found(PROBLEM, "plan", "; ".join(f"{one.where}: {one.text} {one.hint}" for one in checked.problems))
            return
        await say(f"Submitting {len(_JOBS)} jobs of a few seconds in {folder}, and killing the submitter.")
        await self._interrupt(stage)
        await say("Going on with the plan.")
        view = await self._plans.resume(stage.caller, stage.name)
        submitted = f"{len(view.jobs) - view.planned} of {len(view.jobs)} jobs are submitted"
        if view.planned or view.troubles:
            stage.found(PROBLEM, "resumed", "; ".join([submitted, *view.troubles]))
            return
        stage.found(OK, "resumed", submitted)
        await say(f"Waiting for their ends, {for_s:.0f} s at most.")
        view = await self._until_ended(stage, view, for_s)
        await self._judge(stage, view, for_s)

    async def _interrupt(self, stage: _Stage) -> None:
        """Have another process begin to submit, and kill it when the first job is there."""
        words = ["plan", "submit", str(stage.plan), "--session", stage.name, "--at-most", str(_FIRST)]
        argv = [sys.executable, "-m", "jobwarden", *words]
        env = dict(self._desk.world.env)
        async with await anyio.open_process(
            argv, cwd=stage.here, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        ) as child:
            submitted = 0
            with anyio.move_on_after(_CHILD_S):
                while child.returncode is None and submitted < 1:
                    await anyio.sleep(0.02)
                    submitted = await self._submitted(stage)
            killed = child.returncode is None
            if killed:
                child.kill()
            await child.wait()
        submitted = await self._submitted(stage)
        how = (
            "was killed (SIGKILL)"
            if killed
            else f"had ended by itself (exit {child.returncode}, at most {_FIRST} jobs)"
        )
        good = killed or child.returncode == 0
        stage.found(OK if good else PROBLEM, "interrupted", f"the submitter {how}, with {submitted} job(s) known of")

    async def _submitted(self, stage: _Stage) -> int:
        try:
            view = await self._plans.status(stage.caller, stage.name, refresh=False)
        except JobwardenError:  # the plan is not written yet
            return 0
        return sum(bool(one.id) for one in view.jobs)

    async def _until_ended(self, stage: _Stage, view: PlanView, for_s: float) -> PlanView:
        with anyio.move_on_after(for_s):
            while any(one.state not in _ENDED for one in view.jobs):
                await anyio.sleep(_STEP_S)
                view = await self._plans.status(stage.caller, stage.name)
        return view

    async def _judge(self, stage: _Stage, view: PlanView, for_s: float) -> None:
        living = [
            f"{one.name} is {one.status or one.state} {one.text}".strip()
            for one in view.jobs
            if one.state not in _ENDED
        ]
        wrong = [
            f"{one.name} is {one.state}, exit {one.exit_code}"
            for one in view.jobs
            if one.state in _ENDED and not _as_meant(one.name, one.state, one.exit_code)
        ]
        if living:
            text = f"within {for_s:.0f} s these did not end: {'; '.join(living)}"
            stage.found(WARNING if not wrong else PROBLEM, "ends", text, "Try again with a longer --for.")
        if wrong:
            stage.found(PROBLEM, "ends", f"not as they were meant to end: {'; '.join(wrong)}")
        if not living and not wrong:
            stage.found(OK, "ends", "all ended as they were meant to: four succeeded, one failed with exit 3")
        ran = await self._ran(stage)
        often = [f"{name} {ran[name]} times" for name in _JOBS if ran[name] > 1]
        never = [
            name
            for name in _JOBS
            if not ran[name] and name not in {one.name for one in view.jobs if one.state not in _ENDED}
        ]
        said = [*often, *(f"{name} never" for name in never)]
        if said:
            stage.found(PROBLEM, "exactly once", f"not once each: {', '.join(said)}")
        elif not ran:
            stage.found(WARNING, "exactly once", "none has run")
        else:
            stage.found(OK, "exactly once", f"each of the {sum(ran.values())} that ran did so once")
        if not living:
            await self._order(stage)

    async def _ran(self, stage: _Stage) -> Counter[str]:
        """Count the files that the jobs have left, one for each run: they know nothing of jobwarden."""
        async with self._desk.world.transports.lease(stage.host) as transport:
            limit_s = self._desk.world.config.clocks.ask_timeout_s
            done = await transport.run(["ls", "-1", "--", stage.there], timeout_s=limit_s)
        found = re.findall(r"^ran-([a-e])-\d+$", done.stdout.decode("utf-8", "replace"), re.MULTILINE)
        return Counter(found)

    async def _order(self, stage: _Stage) -> None:
        session = await self._desk.session(stage.caller)
        known = await self._desk.known([session]) if session is not None else []
        of = {one.record.name: one.record for one in known}
        for first, then in (("a", "d"), ("c", "e")):
            before, after = of.get(first), of.get(then)
            ended = before.ended_at if before is not None else None
            began = after.started_at if after is not None else None
            if ended is None or began is None:
                stage.found(WARNING, "order", f"when {first} ended and {then} began is not known")
            elif began < ended:
                stage.found(
                    PROBLEM, "order", f"{then} began at {began:%H:%M:%S}, before {first} ended at {ended:%H:%M:%S}"
                )
            else:
                stage.found(OK, "order", f"{then} began after {first} had ended")

    # -- afterwards

    async def _clear(self, stage: _Stage) -> None:
        """Leave nothing: neither jobs, nor folders, nor the session."""
        left: list[str] = []
        with anyio.move_on_after(_CLEAR_S) as scope:
            try:
                left = await self._clear_there(stage)
            except JobwardenError as error:
                left = [f"{stage.there or 'its folder'} on {stage.host}: {error.text}"]
        if scope.cancelled_caught:
            left = [f"{stage.there} on {stage.host}: no answer within {_CLEAR_S:.0f} s"]
        try:
            await self._plans.forget(stage.caller, stage.name)
        except JobwardenError as error:  # it was stopped before there was one
            left += [] if error.code == "job.not_found" else [str(error)]
        good = not left and all(check.outcome == OK for check in stage.checks)
        await to_thread.run_sync(self._clear_here, stage, good)
        journal = self._desk.world.places.state / SESSIONS / stage.name / "events.jsonl"
        if left:
            mend = f"ssh {shlex.quote(stage.host)} rm -r -- {shlex.quote(stage.there)}" if stage.there else ""
            stage.found(PROBLEM, "cleared away", f"not all of it: {'; '.join(left)}", mend)
        else:
            kept = "" if good else f"; its journal stays: {journal}"
            stage.found(OK, "cleared away", f"its jobs, its folder there and its session here are gone{kept}")

    async def _clear_there(self, stage: _Stage) -> list[str]:
        if not stage.there:
            return []
        desk = self._desk
        await stopping.cancel(
            desk, stage.caller, jobs=(), all_jobs=True, reason="the selftest is over", dry_run=False, force=False
        )
        living: Sequence[Listed] = ()
        for _ in range(_LOOKS):
            living = [one for one in await self._listed(stage) if one.alive]
            if not living:
                break
            await anyio.sleep(_STEP_S)
        else:
            return [f"job {one.id} ({one.name}) lives: scancel {one.id}" for one in living]
        assert _FOLDER.fullmatch(stage.there)  # what is removed is what was made
        async with desk.world.transports.lease(stage.host) as transport:
            limit_s = desk.world.config.clocks.ask_timeout_s
            done = await transport.run(["rm", "-r", "-f", "--", stage.there], timeout_s=limit_s)
        said = done.stderr.decode("utf-8", "replace").strip()[-200:]
        return [] if done.status == 0 else [f"{stage.there}: {said}"]

    async def _listed(self, stage: _Stage) -> Sequence[Listed]:
        """Give the jobs in the queue that run in the test's folder, watched or not."""
        rounds = self._desk.world.rounds
        source = self._desk.world.sources.get(SLURM)
        if not isinstance(source, Submits):
            return []
        async with rounds.host(await rounds.slurm_target(stage.host)) as host:
            listing = await source.listing(host, within_s=0.0)
        return [one for one in listing.jobs if one.work_dir == stage.there]

    def _clear_here(self, stage: _Stage, good: bool) -> None:  # noqa: FBT001 -- called in a thread, in one place
        shutil.rmtree(stage.here, ignore_errors=True)
        self._desk.world.sessions.index.remove(stage.name)
        if good:
            shutil.rmtree(self._desk.world.places.state / SESSIONS / stage.name, ignore_errors=True)


_ENDED = frozenset({Phase.SUCCEEDED.value, Phase.FAILED.value, Phase.CANCELLED.value, Phase.LOST.value, "refused"})


def _as_meant(name: str, state: str, exit_code: int | None) -> bool:
    return state == _ENDS[name] and (state != Phase.FAILED.value or exit_code == _FAILS_WITH)


def _write_plan(stage: _Stage, options: Mapping[str, str]) -> None:
    """Write the plan; JSON's strings and arrays are TOML's."""
    lines = [f"name = {json.dumps(stage.name)}", f"host = {json.dumps(stage.host)}", "[defaults]"]
    lines += [f"work_dir = {json.dumps(stage.there)}", "[defaults.options]"]
    lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in {"time": "2", **options}.items()]
    for name, more in _JOBS.items():
        lines += ["[[jobs]]", f"name = {json.dumps(name)}", 'script = "job.sh"']
        lines += [f"{key} = {_toml(value)}" for key, value in {"arguments": [name], **more}.items()]
    (stage.here / "job.sh").write_text(_SCRIPT, encoding="utf-8")
    stage.plan.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {json.dumps(each)}" for key, each in value.items()) + " }"  # pyright: ignore[reportUnknownVariableType] -- a table of ours
    return json.dumps(value)


async def _nothing(text: str) -> None:
    del text
