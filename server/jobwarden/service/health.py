"""What is configured, which hosts answer, which programs are found, what would go wrong, and what mends it: doctor."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from anyio import to_thread

from jobwarden.actions.halting import halt_of
from jobwarden.config.reading import load_project
from jobwarden.identity import Caller
from jobwarden.installing.clients import NAMES
from jobwarden.installing.looking import look
from jobwarden.service.desk import Desk
from jobwarden.service.finding import PROGRAMS, Found, find_slurm
from jobwarden.service.views import Check, DoctorView, WatcherView
from jobwarden.verdict.world import config_path
from jobwarden.watcher.presence import log_path, read_info
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.paths import active_jobs_path
from jobwarden_registry.session import Session

OK, WARNING, PROBLEM = "ok", "warning", "problem"


async def doctor(desk: Desk, caller: Caller, *, hosts: Sequence[str]) -> DoctorView:
    """See `Service.doctor`."""
    checks = [*_configuration(desk), *_folders(desk, caller), *_plugins(desk), _watcher(desk), _lingering(desk)]
    checks += await to_thread.run_sync(_clients, desk, caller)
    checks += [*await _project(caller), *await _sessions(desk), *await _halts(desk)]
    for host in hosts or await all_hosts(desk):
        checks += await _host(desk, host)
    return DoctorView(checks=tuple(checks))


def watcher_view(desk: Desk) -> WatcherView:
    """See `Service.watcher`."""
    info = read_info(desk.world.places)
    return WatcherView(
        running=info is not None,
        pid=None if info is None else info.pid,
        version=None if info is None else info.version,
        started_at=None if info is None else info.started_at,
        log_path=str(log_path(desk.world.places)),
    )


def _configuration(desk: Desk) -> list[Check]:
    path = config_path(desk.world.env)
    if path.exists():
        return [Check(subject="configuration", outcome=OK, text=str(path))]
    return [Check(subject="configuration", outcome=OK, text=f"all defaults; {path} does not exist")]


def _folders(desk: Desk, caller: Caller) -> list[Check]:
    places = desk.world.places
    checks = [_writable("state folder", places.state), _writable("runtime folder", places.runtime)]
    active = active_jobs_path(caller.project, caller.session_id)
    checks.append(_writable("project", next(folder for folder in active.parents if folder.exists())))
    checks.append(
        Check(subject="caller", outcome=OK, text=f"{caller.agent} session {caller.session_id} in {caller.project}")
    )
    return checks


def _writable(subject: str, folder: Path) -> Check:
    if os.access(folder, os.W_OK | os.X_OK):
        return Check(subject=subject, outcome=OK, text=str(folder))
    return Check(subject=subject, outcome=PROBLEM, text=f"{folder} cannot be written", mend=f"chmod u+rwx '{folder}'")


def _plugins(desk: Desk) -> list[Check]:
    sources = desk.world.sources
    checks = [Check(subject="sources", outcome=OK, text=", ".join(sorted(sources.usable)))]
    for name, why in sorted(sources.broken.items()):
        checks.append(
            Check(
                subject=f"source {name}",
                outcome=PROBLEM,
                text=f"cannot be used: {why}",
                mend="Reinstall or remove the package that brings it.",
            )
        )
    return checks


def _watcher(desk: Desk) -> Check:
    view = watcher_view(desk)
    if view.running:
        return Check(subject="watcher", outcome=OK, text=f"runs as pid {view.pid}; its log: {view.log_path}")
    return Check(subject="watcher", outcome=OK, text="does not run; it starts with the first job that is registered")


def _lingering(desk: Desk) -> Check:
    """Whether a logout may end the watcher: systemd-logind's KillUserProcesses, unless the user lingers."""
    user = desk.world.env.get("USER") or desk.world.env.get("LOGNAME") or ""
    if not Path("/run/systemd/system").exists():
        return Check(subject="logout", outcome=OK, text="no systemd here: the watcher outlives the login")
    if (Path("/var/lib/systemd/linger") / user).exists():
        return Check(subject="logout", outcome=OK, text=f"{user} lingers: the watcher outlives the login")
    return Check(
        subject="logout",
        outcome=WARNING,
        text="this machine may end your processes when you log out, the watcher among them",
        mend=f"loginctl enable-linger; or, in crontab -e: * * * * * {_program()} watch --once --all",
    )


def _program() -> str:
    """Name our program as cron finds it: it has another PATH."""
    program = Path(sys.argv[0])
    return shlex.quote(str(program.absolute())) if program.name == "jobwarden" else "jobwarden"


def _clients(desk: Desk, caller: Caller) -> list[Check]:
    return [
        Check(subject=NAMES[one.client], outcome=one.outcome, text=one.text, mend=one.mend)
        for one in look(desk.world.env, caller.project)
    ]


async def _project(caller: Caller) -> list[Check]:
    try:
        await to_thread.run_sync(load_project, caller.project)
    except JobwardenError as error:
        return [Check(subject="project's configuration", outcome=PROBLEM, text=error.text, mend=error.hint)]
    return []


async def _sessions(desk: Desk) -> list[Check]:
    """Those that cannot be read: their jobs are not watched."""
    checks: list[Check] = []
    for session in await desk.world.sessions.known():
        try:
            await desk.world.sessions.call(session, Session.load)
        except JobwardenError as error:
            subject = f"session {session.entry.session_id}"
            checks.append(Check(subject=subject, outcome=PROBLEM, text=error.text, mend=error.hint))
    return checks


async def _halts(desk: Desk) -> list[Check]:
    """Those sessions whose rules do nothing, since somebody has stopped everything."""
    checks: list[Check] = []
    for session in await desk.world.sessions.known():
        with suppress(JobwardenError):  # `_sessions` says so
            halt = await desk.world.sessions.call(session, halt_of)
            if halt is not None:
                checks.append(
                    Check(
                        subject=f"rules of {session.entry.session_id}",
                        outcome=WARNING,
                        text=f"{halt.said()}, since {halt.at:%Y-%m-%d %H:%M}Z: they tell, and do nothing else",
                        mend="jobwarden stop-all --lift",
                    )
                )
    return checks


async def all_hosts(desk: Desk) -> list[str]:
    """Give the configured hosts, and those of all jobs that are watched."""
    found = list(desk.world.config.hosts)
    for session in await desk.world.sessions.known():
        with suppress(JobwardenError):  # `_sessions` says so
            found += [record.host for record in await desk.world.sessions.call(session, Session.load)]
    return list(dict.fromkeys(found))


async def _host(desk: Desk, host: str) -> list[Check]:
    subject = f"host {host}"
    try:
        site = await desk.world.transports.resolve(host)
        await desk.world.transports.retry_logins(host)
        async with desk.world.transports.lease(host) as transport:
            await transport.run(["true"], timeout_s=desk.world.config.clocks.connect_timeout_s)
            found = await find_slurm(transport)
    except JobwardenError as error:
        return [Check(subject=subject, outcome=PROBLEM, text=f"{error.text} [{error.code}]", mend=error.hint)]
    return [Check(subject=subject, outcome=OK, text=f"answers as {site.key}"), *_slurm(desk, host, found)]


def _slurm(desk: Desk, host: str, found: Found) -> list[Check]:
    subject, missing = f"slurm on {host}", found.missing
    if not missing:
        checks = [Check(subject=subject, outcome=OK, text=found.paths["squeue"])]
    elif host == "localhost" and len(missing) == len(PROGRAMS) and not found.prelude:
        return [Check(subject=subject, outcome=OK, text="not installed; local processes can be watched")]
    else:
        checks = [_not_found(desk, host, found)]
    settings = desk.world.config.host(host)
    if found.clusters and settings.cluster not in found.clusters.split(","):
        text = f"your login files there set SLURM_CLUSTERS={found.clusters}: sbatch may submit to another cluster"
        text += f" than jobwarden asks about, which is {settings.cluster or 'the one of its own slurm.conf'}"
        mend = _write(desk, host, "cluster", found.clusters.split(",")[0])
        checks.append(Check(subject=f"cluster on {host}", outcome=WARNING, text=text, mend=mend))
    return checks


def _not_found(desk: Desk, host: str, found: Found) -> Check:
    text = f"not found by a non-interactive shell: {', '.join(found.missing)}"
    if not found.prelude:
        text += ". Nor were they found by a login shell, by a module or in the usual folders"
        mend = f"look where it is (ssh {host} -t 'which squeue'), then "
        mend += _write(desk, host, "prelude", "export PATH=FOLDER:$PATH")
        return Check(subject=f"slurm on {host}", outcome=WARNING, text=text, mend=mend)
    text += "; with the line below they were found, and squeue " + ("answered" if found.answers else "did not answer")
    before = desk.world.config.host(host).prelude
    prelude = f"{before.rstrip().rstrip(';')}; {found.prelude}" if before.strip() else found.prelude
    return Check(subject=f"slurm on {host}", outcome=WARNING, text=text, mend=_write(desk, host, "prelude", prelude))


def _write(desk: Desk, host: str, key: str, value: str) -> str:
    """Say what to write into the configuration; JSON's strings are TOML's."""
    line = (
        f"in {config_path(desk.world.env)}: [hosts.{json.dumps(host)}] {key} = {json.dumps(value, ensure_ascii=False)}"
    )
    # The one that runs has read the file as it was; the next call starts another.
    return f"{line}  # then: jobwarden watcher stop" if read_info(desk.world.places) else line
