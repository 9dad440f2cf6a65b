"""Taking jobs under watch: register_job and `jobwarden run`."""

from __future__ import annotations

import getpass
import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from jobwarden.identity import Caller
from jobwarden.rules.building import read_rules
from jobwarden.service.desk import Desk
from jobwarden.service.ended_before import Before, look_before
from jobwarden.service.expecting import read_expectation
from jobwarden.service.halted import halted_notes
from jobwarden.service.looking import paused_notes
from jobwarden.service.names import Known, describe
from jobwarden.service.preparing import facts_of_found, prepared
from jobwarden.service.readying import read_readiness
from jobwarden.service.ruling import add_at_registration, check_restarts, limits_and_check
from jobwarden.service.script_rules import add_from_scripts, tell_later
from jobwarden.service.taking_over import orphans, take_over
from jobwarden.service.views import RegisterView
from jobwarden.sources.base import Concludes, Found
from jobwarden.sources.plugins import guarded
from jobwarden.sources.process.launch import start_process
from jobwarden.sources.process.state import processes_folder
from jobwarden.verdict.targets import Target
from jobwarden_registry.errors import InvalidIdError, JobwardenError
from jobwarden_registry.model import JobRecord, Owner
from jobwarden_registry.session import Session

PROCESS = "process"
SLURM = "slurm"
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._@-]{0,63}")
_NAME_CHARS = 200
_DESCRIPTION_CHARS = 500
_PATH_CHARS = 4096
_TAGS = 50
_IDS = 1000


class UnwatchedProcessError(JobwardenError):
    """A program was started and could not be registered: it runs, and nobody watches it."""

    code: str = "process.unwatched"


@dataclass(frozen=True, slots=True)
class Registration:
    """What is to be watched, as it was said: see `Service.register`."""

    job_type: str
    ids: Sequence[str]
    host: str
    user: str = ""
    description: str = ""
    name: str | None = None
    tags: Sequence[str] = ()
    log_path: str | None = None
    expect: Sequence[str] = ()
    ready: str | None = None
    rules: Sequence[str] = ()
    again: bool = True
    """Whether a job is watched anew whose end this session has journaled lately."""


async def register(desk: Desk, caller: Caller, asked: Registration) -> RegisterView:
    """See `Service.register`."""
    session, taken, notes = await _take_with_rules(desk, caller, asked)
    return await _answer(desk, caller, session, taken, notes)


async def _take_with_rules(
    desk: Desk, caller: Caller, asked: Registration
) -> tuple[Session, list[tuple[JobRecord, bool]], list[str]]:
    """Register, and give the jobs their rules: those that the caller names, and those in their scripts."""
    records = await recorded(desk, caller, asked)
    session = await desk.session(caller, create=True)
    assert session is not None  # create=True
    limits, check = await limits_and_check(desk, session)
    # What cannot be is refused before anything is written.
    rules = read_rules(asked.rules, limits=limits, check=check)
    for record in records:
        check_restarts(rules, record.type, record.id)
    before = None if asked.again else await look_before(desk, session, records)
    session, taken, notes = await _take(desk, caller, records, before)
    notes += await add_at_registration(desk, session, taken, asked.rules)
    notes += await add_from_scripts(desk, session, [record for record, created in taken if created])
    return session, taken, notes


async def register_unseen(desk: Desk, caller: Caller, asked: Registration) -> None:
    """Watch jobs as `register` does, where the agent sees no answer: it is told nothing, and so has been told nothing.

    A job whose end this session has journaled lately is left alone: its end was told.

    Raises:
        As `register`.
    """
    session, taken, notes = await _take_with_rules(desk, caller, replace(asked, again=False))
    if not taken:
        return
    await tell_later(desk, session, notes)
    await desk.ensure_watcher()
    await desk.refresh([session], about={record.uid for record, _ in taken})


async def recorded(desk: Desk, caller: Caller, asked: Registration) -> list[JobRecord]:
    """Make the records of jobs that are to be watched; what cannot be one is refused, and nothing is written."""
    if asked.job_type == PROCESS:
        raise InvalidIdError(
            "A process is watched only when jobwarden started it: a bare pid may be anybody's.",
            hint="Start it with: jobwarden run -- COMMAND",
        )
    source = desk.world.sources.get(asked.job_type)
    _check_ids(asked.ids, asked.name)
    _check(asked.user, asked.name, asked.tags, asked.log_path, asked.expect)
    if asked.expect and isinstance(source, Concludes):
        raise InvalidIdError(
            f"What a {asked.job_type} job must have made cannot be checked: its files may lie on another host than it.",
            hint="Leave `expect` out; its tasks are judged one by one.",
        )
    readiness = None if asked.ready is None else read_readiness(asked.ready)
    with guarded(asked.job_type):
        canonical = list(dict.fromkeys(source.parse_id(text) for text in asked.ids))
    if asked.job_type == SLURM:
        _check_cluster(asked.ids, asked.host, desk.world.config.host(asked.host).cluster)
    site = await desk.world.transports.resolve(asked.host)
    return [
        JobRecord(
            type=asked.job_type,
            id=one.id,
            facts=dict(one.facts),
            host=asked.host or "localhost",
            user=asked.user or site.user or getpass.getuser(),
            submitted=_local_minute(desk.world.clock()),
            description=_one_line(asked.description, _DESCRIPTION_CHARS),
            owner=Owner(agent=caller.agent, session_id=caller.session_id, detail=caller.detail),
            name=asked.name,
            tags=tuple(asked.tags),
            site=site.key,
            log_path=asked.log_path,
            expect=tuple(dict.fromkeys(read_expectation(text) for text in asked.expect)),
            ready=readiness,
        )
        for one in await prepared(desk, source, site, canonical, log_path=asked.log_path, project=caller.project)
    ]


async def run_process(
    desk: Desk,
    caller: Caller,
    argv: Sequence[str],
    *,
    cwd: Path,
    name: str | None,
    description: str,
    log_path: str | None,
    ready: str | None,
) -> RegisterView:
    """See `Service.run_process`."""
    if not argv:
        raise InvalidIdError("No command was given.", hint="Write: jobwarden run -- COMMAND [ARGUMENT ...]")
    _check("", name, (), log_path, ())
    readiness = None if ready is None else read_readiness(ready)
    await desk.session(caller, create=True)  # nothing is started that could not be registered
    site = await desk.world.transports.resolve("localhost")
    started = await start_process(
        argv,
        cwd=cwd,
        # Otherwise Python keeps the lines that somebody waits for in a buffer: the log is a file, not a terminal.
        env={"PYTHONUNBUFFERED": "1", **desk.world.env},
        folder=processes_folder(desk.world.env),
        machine_id=desk.world.machine_id,
        log_path=None if log_path is None else Path(log_path),
    )
    record = JobRecord(
        type=PROCESS,
        id=started.id,
        host="localhost",
        user=site.user or getpass.getuser(),
        submitted=_local_minute(started.started_at),
        description=_one_line(description or shlex.join(argv), _DESCRIPTION_CHARS),
        owner=Owner(agent=caller.agent, session_id=caller.session_id, detail=caller.detail),
        name=name,
        site=site.key,
        submitted_at=started.started_at,
        log=started.log,
        ready=readiness,
        work_dir=started.work_dir,
        facts=dict(started.facts),
    )
    try:
        taken = await _take(desk, caller, [record])
    except JobwardenError as error:
        raise UnwatchedProcessError(
            f"The program runs as pid {started.facts.get('pid')}, but it is not watched: {error.text}",
            hint=f"{error.hint} Its log: {started.log.stdout}".strip(),
        ) from error
    return await _answer(desk, caller, *taken)


async def adopt(desk: Desk, caller: Caller, chosen: Sequence[tuple[Target, Found]]) -> RegisterView | None:
    """Watch jobs that were found, each with where; None for none."""
    if not chosen:
        return None
    if len(chosen) > _IDS:
        raise InvalidIdError(f"{len(chosen)} jobs are too many for one call.", hint="Name those that matter.")
    facts = await facts_of_found(desk, caller.project, chosen)
    records = [
        JobRecord(
            type=place.key.type,
            id=found.id,
            host=place.host,
            user=(await desk.world.transports.resolve(place.host)).user or getpass.getuser(),
            submitted=_local_minute(found.submitted_at or desk.world.clock()),
            description=_one_line(found.what, _DESCRIPTION_CHARS),
            owner=Owner(agent=caller.agent, session_id=caller.session_id, detail=caller.detail),
            site=place.key.site,
            facts=told,
        )
        for (place, found), told in zip(chosen, facts, strict=True)
    ]
    session, taken, notes = await _take(desk, caller, records)
    notes += await add_from_scripts(desk, session, [record for record, created in taken if created])
    return await _answer(desk, caller, session, taken, notes)


async def _take(
    desk: Desk, caller: Caller, records: Sequence[JobRecord], before: Before | None = None
) -> tuple[Session, list[tuple[JobRecord, bool]], list[str]]:
    """Write all of them into the caller's session, or none; gives each with whether it is new, and what to say.

    What a session watches that is gone comes over with all that is known of it. What is over by `before` is left out.
    """
    session = await desk.session(caller, create=True)
    assert session is not None  # create=True
    notes: list[str] = []
    for orphaned, uid in await orphans(desk, caller, {record.key for record in records}):
        gone = f"was taken over from session {orphaned.entry.session_id}, which is gone."
        notes += [f"{describe(one)} {gone}" for one in await take_over(desk, caller, orphaned, [uid])]
    text = "by a caller that claimed to be this session" if caller.claimed else None

    def write(session: Session) -> list[tuple[JobRecord, bool]]:
        with session.transaction(own=True) as transaction:
            watched = list(transaction.jobs.values())
            new = [one for one in records if before is None or not before.is_over(session, watched, one)]
            return [transaction.register(record, text=text) for record in new]

    return session, await desk.world.sessions.call(session, write), notes


async def _answer(
    desk: Desk, caller: Caller, session: Session, taken: Sequence[tuple[JobRecord, bool]], notes: Sequence[str]
) -> RegisterView:
    trouble = await desk.ensure_watcher()
    asked = await desk.refresh([session], about={record.uid for record, _ in taken})
    # The state that a new job was found in is in its row; it is no change.
    watched = {record.uid for record, created in taken if created}
    async with desk.news.telling(session, caller) as told:
        now = {one.record.uid: one for one in await desk.known([session])}
        fresh = [now.get(record.uid, Known(record, session, live=True)) for record, _ in taken]
        living = Counter(one.record.name for one in now.values() if one.live)
        return RegisterView(
            jobs=await desk.views(fresh, caller),
            created=tuple(created for _, created in taken),
            namesakes=tuple(
                one.record.name for one in fresh if one.record.name and living[one.record.name] > int(one.live)
            ),
            news=tuple(event for event in told if event.uid not in watched),
            notes=(
                *notes,
                *([trouble] if trouble else []),
                *asked.notes(),
                *await halted_notes(desk, [session]),
                *await paused_notes(desk, fresh),
            ),
        )


def _check_ids(ids: Sequence[str], name: str | None) -> None:
    if not ids:
        raise InvalidIdError("No id was given.", hint="Pass the id that the submission printed.")
    if len(ids) > _IDS:
        raise InvalidIdError(f"{len(ids)} ids are too many for one call.", hint=f"Give at most {_IDS} at a time.")
    if name is not None and len(set(ids)) > 1:
        raise InvalidIdError("One name cannot stand for several jobs.", hint="Leave it out, and give them a tag.")


def _check_cluster(ids: Sequence[str], host: str, asked: str) -> None:
    """Refuse `123;gpu` (sbatch --parsable) where another cluster would be asked: its job 123 is somebody else's."""
    for text in ids:
        _, semicolon, cluster = text.strip().partition(";")
        if semicolon and cluster != asked:
            asks = f"asks the cluster {asked}" if asked else "asks the host's own cluster"
            table = f"[hosts.{json.dumps(host)}]"
            raise InvalidIdError(
                f"{text[:80]!r} is a job of the cluster {cluster}, and jobwarden {asks} on {host}, whose job of that "
                "number is another.",
                hint=f'Write {table} cluster = "{cluster}" into the configuration, or, if that is the host\'s own '
                "cluster, give the number alone.",
            )


def _check(user: str, name: str | None, tags: Sequence[str], log_path: str | None, expect: Sequence[str]) -> None:
    if user and not _USER.fullmatch(user):
        raise InvalidIdError(f"{user[:50]!r} cannot be a user name.", hint="Leave it out, or give the login there.")
    if len(tags) > _TAGS or len(expect) > _TAGS:
        raise InvalidIdError(f"At most {_TAGS} tags and {_TAGS} expected files.", hint="Give fewer.")
    for label, text in [("name", name), *(("tag", tag) for tag in tags)]:
        if text is not None and not _is_plain(text, _NAME_CHARS):
            raise InvalidIdError(
                f"{text[:50]!r} cannot be a {label}.", hint=f"Give 1 to {_NAME_CHARS} printable characters."
            )
    if log_path is not None and not _is_plain(log_path, _PATH_CHARS):
        raise InvalidIdError(
            f"{log_path[:50]!r} cannot be a log path.", hint="Give printable characters, not too many."
        )
    for text in expect:
        read_expectation(text)
    if log_path is not None and not PurePosixPath(log_path).is_absolute():
        raise InvalidIdError(
            f"The log path {log_path!r} is not absolute.", hint="Give the path as the job's host has it."
        )


def _is_plain(text: str, chars: int) -> bool:
    return bool(text.strip()) and len(text) <= chars and text.isprintable()


def _one_line(text: str, chars: int) -> str:
    return " ".join(text.split())[:chars]


def _local_minute(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
