"""What the hooks of an agent's client ask for: to register what was submitted, and to tell what is new."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
from anyio import to_thread
from pydantic import BaseModel, ConfigDict

from jobwarden.bindings import registered
from jobwarden.delivery import codex, news
from jobwarden.identity import Caller
from jobwarden.service import registering
from jobwarden.service.desk import Desk
from jobwarden.service.offering import offers
from jobwarden.service.taking_over import orphans_of_project, take_over
from jobwarden.service.views import HookView
from jobwarden.sources.launcher.ids import EXPERIMENT
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import Event
from jobwarden_registry.session import Session

SESSION_START = "SessionStart"
STOP = "Stop"
REWAKE = "Rewake"
"""An idle client may be woken; no event of a client's own."""
LAUNCHER_S = 900.0
"""How long a launcher's output may be silent about its experiment; it resolves its tasks first."""
_STEP_S = 1.0
_MOST_BYTES = 1 << 20
_ENTERED = re.compile(rb"Entering Experiment \S+ with id: (" + EXPERIMENT.encode() + rb")\s")


class Submission(BaseModel):
    """One job that a hook saw, or the file in which its launcher will name it."""

    model_config = ConfigDict(frozen=True)

    type: str
    id: str = ""
    host: str = "localhost"
    guess: str = ""
    """Why the host may be another one; empty where it is certain."""
    log_path: str | None = None
    output: str | None = None
    """A file of this machine."""


async def submitted(desk: Desk, caller: Caller, jobs: Sequence[Submission], *, announcement: str = "") -> None:
    """Watch what a hook saw being submitted; what cannot be watched becomes news of the session.

    Idempotent. Takes as long as a look at the hosts takes, and waits for a launcher's output. The announcement, with
    which the hook has whoever asks for these jobs wait, is taken back at the end.
    """
    try:
        async with anyio.create_task_group() as tasks:
            for job in jobs:
                tasks.start_soon(_register, desk, caller, job)
    finally:
        registered(desk.world.places, announcement)


async def tell(desk: Desk, caller: Caller, *, event: str, previous: str | None = None, held: bool = False) -> HookView:
    """Say what this agent is to be told at an event of its client; empty where there is nothing. Asks no host.

    Args:
        desk: Whose world.
        caller: The root session's agent.
        event: `SessionStart`, `UserPromptSubmit` or `Stop`, as both clients call them, or `Rewake`.
        previous: The session that this client was in until now, where this one takes its place (`/clear`).
        held: See `Service.tell`.
    """
    begins = event == SESSION_START
    earlier: tuple[Event, ...] = ()
    if previous is not None:
        earlier = await _move(desk, caller, previous)
    session = await desk.session(caller)
    orphans = await orphans_of_project(desk, caller) if begins else 0
    if session is None:
        return HookView(orphans=orphans)
    caller = replace(caller, client=await _client(desk, session, begins=begins))
    if held:
        await desk.news.acknowledge(session, caller)
        return HookView()
    found = () if begins or event == REWAKE else await offers(desk, session)
    told = await desk.news.unseen(session, caller)
    if event in (STOP, REWAKE) and not any(news.is_urgent(one) for one in told.events):
        view = HookView(offers=found)
    else:
        live = [one for one in await desk.known([session]) if one.live] if begins else []
        jobs = await desk.views(live, caller)
        fresh = await desk.news.take(session, caller)
        view = HookView(news=(*earlier, *fresh), jobs=jobs, orphans=orphans, offers=found)
    return await _stopped(desk, session, view) if event == STOP else view


async def _stopped(desk: Desk, session: Session, view: HookView) -> HookView:
    """Note of an agent that is held at its stop that it does not rest."""
    if view.news or view.offers:
        await desk.world.sessions.call(session, codex.turn_goes_on)
    return view


async def _register(desk: Desk, caller: Caller, job: Submission) -> None:
    experiment = await _experiment(Path(job.output)) if job.output else job.id
    log_path = job.output or job.log_path
    description = f"(its host is a guess: {job.guess})" if job.guess else ""
    what = f"{job.type} {experiment or 'job'} on {job.host}"
    if experiment is None:
        await _note(desk, caller, f"{what} was started and is not watched: {job.output} names no experiment.")
        return
    try:
        asked = registering.Registration(job.type, [experiment], job.host, description=description, log_path=log_path)
        await registering.register_unseen(desk, caller, asked)
    except JobwardenError as error:
        await _note(desk, caller, f"{what} was submitted and is not watched: {error.text} {error.hint}".strip())


async def _note(desk: Desk, caller: Caller, text: str) -> None:
    session = await desk.session(caller, create=True)
    assert session is not None  # create=True

    def write(session: Session) -> None:
        with session.transaction(own=True) as transaction:
            transaction.note(text)

    await desk.world.sessions.call(session, write)


async def _experiment(output: Path) -> str | None:
    """Wait until a launcher's output names its experiment; None when it does not in time."""
    with anyio.move_on_after(LAUNCHER_S):
        while True:
            found = _ENTERED.search(await to_thread.run_sync(_head, output))
            if found is not None:
                return found[1].decode()
            await anyio.sleep(_STEP_S)
    return None


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return b""


async def _move(desk: Desk, caller: Caller, previous: str) -> tuple[Event, ...]:
    """Take over what the session before this one watches; answers what its agent was not told."""
    entry = await to_thread.run_sync(desk.world.sessions.index.get, previous)
    if entry is None or previous == caller.session_id:
        return ()
    session = desk.world.sessions.of(entry)
    if not await desk.gone([session]):
        return ()
    untold = await desk.news.unseen(session, replace(caller, client=await _client(desk, session, begins=False)))
    records = await desk.world.sessions.call(session, Session.load)
    await take_over(desk, caller, session, {one.uid for one in records})
    return untold.events


async def _client(desk: Desk, session: Session, *, begins: bool) -> str:
    """Name the client process for the news: a session that begins anew is told again what may not have been seen.

    Otherwise a hook is one with whoever was told last: else both would tell the same.
    """
    clients: Iterable[str] = ()
    if not begins:
        cursor = await desk.world.sessions.call(session, lambda session: session.cursors.get(news.ROOT))
        clients = cursor.clients
    return next(reversed(tuple(clients)), f"hook-{secrets.token_hex(4)}")
