"""What a job wrote, and why it is in its state: tail_log and explain."""

from __future__ import annotations

from anyio import to_thread

from jobwarden.identity import Caller
from jobwarden.logs.allowed import Readable, allowed_path
from jobwarden.logs.tail import Tail, tail_file
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known, find_job
from jobwarden.service.views import ExplainView, TailView
from jobwarden.sources.process.state import processes_folder
from jobwarden_registry.errors import InvalidIdError, JobNotFoundError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session

STREAMS = ("stdout", "stderr")
_AROUND_CHARS = 1500
"""Kept free of an answer for what is said about the log."""
_STALENESS = {"stale_since", "stale_because"}


async def tail(desk: Desk, caller: Caller, job: str, *, lines: int, stream: str) -> TailView:
    """See `Service.tail`."""
    if stream not in STREAMS:
        raise InvalidIdError(f"There is no stream {stream!r}.", hint="Streams: " + ", ".join(STREAMS) + ".")
    one = await find(desk, caller, job)
    if one.live and path_of(one, stream) is None:
        await desk.refresh([one.session], about={one.record.uid})
        one = await find(desk, caller, job)
    path = path_of(one, stream)
    if path is None:
        end = _nothing(f"It is not known where this job writes its {stream}.")
    elif desk.world.rounds.elsewhere(one.record.site):
        end = _nothing("It ran on another machine; only there its log can be read.")
    else:
        end = await _read(desk, caller, one, path, lines=lines)
    # The log first: what cannot be read must not cost the agent its news.
    async with desk.news.telling(await desk.session(caller), caller) as told:
        return TailView(
            job=await desk.view(one, caller),
            path=path,
            stream=stream,
            text=end.text,
            size_bytes=end.size_bytes,
            omitted_bytes=end.omitted_bytes,
            note=end.note,
            news=told,
        )


async def explain(desk: Desk, caller: Caller, job: str) -> ExplainView:
    """See `Service.explain`."""
    one = await find(desk, caller, job)
    events = await desk.world.sessions.call(one.session, lambda session: _about(session, one.record.uid))
    now = next((event.evidence for event in reversed(events) if _decides(event)), None)
    return ExplainView(job=await desk.view(one, caller), events=events, now=now)


async def find(desk: Desk, caller: Caller, job: str) -> Known:
    """Find one job of the caller's session, or else of its project.

    Raises:
        JobNotFoundError, AmbiguousJobError: As `find_job`.
    """
    try:
        return find_job(await desk.known(await desk.in_scope(caller, project=False)), job)
    except JobNotFoundError:
        return find_job(await desk.known(await desk.in_scope(caller, project=True)), job)


def _nothing(why: str) -> Tail:
    return Tail(text="", path="", size_bytes=None, omitted_bytes=0, note=why)


async def _read(desk: Desk, caller: Caller, one: Known, path: str, *, lines: int) -> Tail:
    world = desk.world
    limits = await to_thread.run_sync(desk.limits, caller)
    async with world.transports.lease(log_host_of(one)) as transport:
        real = await allowed_path(transport, path, readable_of(desk, one), timeout_s=world.config.clocks.ask_timeout_s)
        return await tail_file(transport, real, lines=lines, max_chars=limits.answer_chars - _AROUND_CHARS)


def _decides(event: Event) -> bool:
    """Whether a state rests on this event's evidence; a question that got no answer decides none."""
    if event.evidence is None:
        return False
    return event.event != EventKind.UPDATED or not set(event.change or {}) <= _STALENESS


def _about(session: Session, uid: str) -> tuple[Event, ...]:
    return tuple(event for event in session.journal.read() if event.uid == uid)


def readable_of(desk: Desk, one: Known) -> Readable:
    """Say which files may be read as this job's logs."""
    record = one.record
    host = log_host_of(one)
    local = desk.world.rounds.here(record.site) and host == record.host
    return Readable(
        log=record.log,
        work_dir=record.work_dir,
        folders=desk.world.config.host(host).read,
        kept=str(processes_folder(desk.world.env)) if local else None,
    )


def log_host_of(one: Known) -> str:
    """Say on which host a job's logs are."""
    return (one.record.log.host if one.record.log is not None else None) or one.record.host


def path_of(one: Known, stream: str) -> str | None:
    """Say where a job writes a stream; None where that is not known."""
    log = one.record.log
    # Of a job that lives on under another id the caller's path is the earlier attempt's.
    if stream == "stdout" and one.record.log_path is not None and one.record.resubmitted_as is None:
        return one.record.log_path
    if log is None:
        return None
    return log.stdout if stream == "stdout" else log.stderr or log.stdout
