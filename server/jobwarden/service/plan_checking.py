"""Everything that can be wrong with a plan, said at once, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from anyio import to_thread

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.identity import Caller
from jobwarden.plans.errors import PlanError
from jobwarden.plans.places import SCRIPT_BYTES, find_folders, read_job_script
from jobwarden.plans.reading import Checks, Problem, read_most, read_plan_file
from jobwarden.plans.session_file import is_session_file
from jobwarden.plans.spec import JobSpec, PlanSpec
from jobwarden.rules.building import read_rules
from jobwarden.rules.writing import write_rule
from jobwarden.service.desk import Desk
from jobwarden.service.expecting import read_expectation
from jobwarden.service.plan_pausing import Override
from jobwarden.service.plan_records import make_rulebook
from jobwarden.service.plan_views import PlanCheckView, ProblemView
from jobwarden.service.readying import read_readiness
from jobwarden.service.ruling import limits_in
from jobwarden.sources.plugins import guarded
from jobwarden.sources.submitting import Submits
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord

_SAID_MOST = 30
"""Problems in one error's text."""


def submitting_types(desk: Desk) -> list[str]:
    """Give the kinds of jobs that can be submitted here."""
    usable = desk.world.sources.usable
    return [name for name, source in usable.items() if isinstance(source, Submits)]


async def read_good(desk: Desk, caller: Caller, file: Path) -> PlanSpec:
    """Read a plan of which nothing is wrong that can be seen from here.

    Raises:
        PlanError: The text lists what is.
    """
    spec, problems, _ = await _read(desk, caller, file)
    if problems:
        more = f" and {len(problems) - _SAID_MOST} more" if len(problems) > _SAID_MOST else ""
        said = "; ".join(one.line() for one in problems[:_SAID_MOST])
        raise PlanError(
            f"{file.name} is not right, and nothing was done: {said}{more}",
            hint="jobwarden plan check FILE says all of it.",
        )
    return spec


async def check_plan(desk: Desk, caller: Caller, file: Path, *, ask_hosts: bool) -> PlanCheckView:
    """See `Plans.check`."""
    spec, problems, notes = await _read(desk, caller, file)
    if ask_hosts:
        for host in dict.fromkeys((one.type, one.host) for one in spec.jobs):
            found, silent = await _look_there(desk, [one for one in spec.jobs if (one.type, one.host) == host])
            problems += found
            notes += silent
    return PlanCheckView(
        name=spec.name,
        source=spec.source,
        jobs=tuple(one.name for one in spec.in_order()),
        problems=tuple(ProblemView(where=one.where, text=one.text, hint=one.hint) for one in problems),
        notes=tuple(notes),
    )


async def overrides_of(desk: Desk, caller: Caller, given: Mapping[str, Sequence[str]]) -> Override:
    """Read what is said for one call instead of what the plan says: `none` for nothing.

    Raises:
        PlanError: There is no such setting.
        InvalidRuleError, InvalidIdError: One cannot be.
    """
    known = ("rules", "restart", "expect", "ready")
    for key in given:
        if key not in known:
            raise PlanError(f"{key[:40]!r} cannot be set.", hint=f"There is: {', '.join(known)}.")
    limits, check = await limits_in(desk, caller.project)
    texts = {key: [one for one in values if one != "none"] for key, values in given.items()}
    rules = None
    if "rules" in given or "restart" in given:
        written = [*texts.get("rules", []), *texts.get("restart", [])]
        rules = tuple(write_rule(one) for one in read_rules(written, limits=limits, check=check))
    for one in texts.get("expect", []):
        read_expectation(one)
    ready = texts.get("ready", [])
    if ready:
        read_readiness(ready[-1])
    return Override(
        rules=rules,
        expect=tuple(texts["expect"]) if "expect" in given else None,
        ready=(ready[-1] if ready else "") if "ready" in given else None,
    )


async def _read(desk: Desk, caller: Caller, file: Path) -> tuple[PlanSpec, list[Problem], list[str]]:
    if is_session_file(file):
        raise PlanError(f"{file.name} is a session file: what it lists was submitted.", hint="jobwarden plan watch it.")
    limits, check = await limits_in(desk, caller.project)
    checks: Checks = {
        "rules": lambda text: read_rules([text], limits=limits, check=check),
        "expect": read_expectation,
        "ready": read_readiness,
    }
    read = partial(read_plan_file, file, checks=checks, types=submitting_types(desk))
    spec, problems = await to_thread.run_sync(read)
    notes: list[str] = []
    for job in spec.jobs:
        script = await to_thread.run_sync(_text_here, job)
        try:
            notes += make_rulebook(job, script, limits, check).notes
        except InvalidRuleError as error:
            problems.append(Problem(f"job {job.name}: rules", error.text, error.hint))
    return spec, problems, notes


def _text_here(job: JobSpec) -> str:
    try:
        data = read_most(Path(job.script), SCRIPT_BYTES) if job.script else b""
    except OSError:  # said already
        return ""
    return data.decode("utf-8", "replace")


async def _look_there(desk: Desk, jobs: Sequence[JobSpec]) -> tuple[list[Problem], list[str]]:
    """Look on a host for the folders and scripts that are named there."""
    first = jobs[0]
    problems: list[Problem] = []
    try:
        rounds = desk.world.rounds
        site = await desk.world.transports.resolve(first.host)
        target = await rounds.target(JobRecord(type=first.type, id="0", host=first.host, site=site.key))
        async with rounds.host(target) as host:
            with guarded(first.type):
                folders = await find_folders(host, [one.work_dir for one in jobs])
            for job in jobs:
                if folders.get(job.work_dir) is None:
                    where = f"job {job.name}: work_dir"
                    problems.append(
                        Problem(where, f"{job.work_dir or '~'} is not there on {job.host}.", "Make it first.")
                    )
            for job in (one for one in jobs if one.script_on_host):
                try:
                    await read_job_script(job, host.transport)
                except PlanError as error:
                    problems.append(Problem(f"job {job.name}: script_on_host", error.text, error.hint))
    except JobwardenError as error:
        return problems, [f"{first.host} could not be asked, so what is there was not looked at: {error}"]
    return problems, []
