"""What every use case begins with: the caller's session, the jobs in scope, and a fresh look at them."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from pydantic import JsonValue

from jobwarden.bindings import described, is_announced, is_gone, living
from jobwarden.config.model import Limits
from jobwarden.config.reading import load_project, tightened
from jobwarden.delivery import news
from jobwarden.identity import Caller
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.service.compose import job_view
from jobwarden.service.names import Known, without_earlier_runs
from jobwarden.service.newsroom import Newsroom
from jobwarden.service.past.history import Ended, History
from jobwarden.service.views import JobView
from jobwarden.sources.base import Absent, Seen
from jobwarden.verdict.engine import judge
from jobwarden.verdict.pausing import hanging
from jobwarden.verdict.targets import Group
from jobwarden.verdict.world import World
from jobwarden.watcher.spawn import ensure_watcher
from jobwarden_registry.errors import JobwardenError, UnwritableError
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import active_jobs_path
from jobwarden_registry.pauses import Paused
from jobwarden_registry.session import Session

PATIENCE_S = 10.0
"""How long an answer waits for a host that is being asked; after that it is given with the last known states."""

_STEP_S = 0.05

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Asked:
    """What became of a fresh look.

    Attributes:
        slow: Hosts that had not answered when the patience was over.
        troubles: What went wrong beside that, in sentences; it holds for the states that are shown.
        groups: All that were asked.
    """

    slow: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])
    groups: dict[LedgerKey, Group] = field(default_factory=dict[LedgerKey, Group])

    def notes(self) -> list[str]:
        """Say what the reader of an answer must know about it."""
        slow = [
            f"{host} is being asked and has not answered yet; its jobs are shown as last known." for host in self.slow
        ]
        return [*slow, *dict.fromkeys(self.troubles)]


class Desk:
    """Shared by the use cases of one process."""

    def __init__(self, world: World, tasks: TaskGroup, *, version: str) -> None:
        self.world = world
        self.version = version
        self._tasks = tasks
        self._histories: dict[str, History] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}
        self.news = Newsroom(world.sessions)

    # -- sessions

    async def session(self, caller: Caller, *, create: bool = False) -> Session | None:
        """Give the caller's own session, with what was written there by hand adopted; None: it has none yet.

        Args:
            caller: Who asks.
            create: Something is registered now: a session that is not there yet is made, and one that is, seen again.

        Raises:
            UntrustedError, UnwritableError, LockTimeoutError: The session's files cannot be used.
        """
        entry = await to_thread.run_sync(self._entry, caller, create)
        if entry is None:
            return None
        session = self.world.sessions.of(entry)
        await self._adopt(session)
        return session

    async def in_scope(
        self, caller: Caller, *, project: bool, everyone: bool = False, troubles: list[str] | None = None
    ) -> list[Session]:
        """Give the caller's own session first; with `project` every other session of that project, or of `everyone`.

        Another session that cannot be read is left out; `troubles` gets a sentence about it.
        """
        own = await self.session(caller)
        found = [] if own is None else [own]
        if not (project or everyone):
            return found
        for session in await self.world.sessions.known():
            near = everyone or session.entry.project == caller.project
            if near and session.entry.session_id != caller.session_id:
                try:
                    await self.world.sessions.call(session, Session.load)
                except JobwardenError as error:
                    if troubles is not None:
                        troubles.append(f"Session {session.entry.session_id} cannot be read: {error}")
                else:
                    found.append(session)
        return found

    async def gone(self, sessions: Sequence[Session]) -> list[Session]:
        """Give those of these sessions that are known to have no client any more: their jobs may be taken over."""

        def look() -> list[Session]:
            clients = living(self.world.places)
            return [one for one in sessions if is_gone(one.entry, self.world.machine_id, clients) is True]

        return await to_thread.run_sync(look)

    async def registrations(self, caller: Caller) -> None:
        """Wait for what a hook has seen being submitted and is having registered: the agent counts on its word."""
        with anyio.move_on_after(PATIENCE_S):
            while await self._is_announced(caller):  # noqa: ASYNC110 -- another process's work, which shares no event
                await anyio.sleep(_STEP_S)

    async def _is_announced(self, caller: Caller) -> bool:
        return await to_thread.run_sync(is_announced, self.world.places, caller.session_id, self.world.clock())

    async def ensure_watcher(self) -> str | None:
        """See to it that the watcher runs; answers what is wrong when it cannot be started."""
        world = self.world
        try:
            await to_thread.run_sync(lambda: ensure_watcher(world.places, world.env, version=self.version))
        except JobwardenError as error:
            return str(error)
        return None

    def limits(self, caller: Caller) -> Limits:
        """Give the limits as they hold in the caller's project.

        Raises:
            ConfigError: The project's file cannot be used.
        """
        return tightened(self.world.config, load_project(caller.project)).limits

    # -- jobs

    def history(self, session: Session) -> History:
        """Give what this process has read of a session's ended jobs; see `History` for how to use it."""
        return self._histories.setdefault(session.entry.session_id, History())

    async def known(self, sessions: Sequence[Session], ended_ones: Collection[str] | None = None) -> list[Known]:
        """Give every job of these sessions: the ended ones first, oldest first, then the live ones.

        Args:
            sessions: Whose.
            ended_ones: Of the ended jobs only these, by `uid`: there may be thousands, and each is read whole.
        """
        ended: list[Known] = []
        live: list[Known] = []
        for session in sessions:
            records = await self.world.sessions.call(session, Session.load)
            over: Mapping[str, Ended] = {}
            if ended_ones is None or ended_ones:
                past = self.history(session)
                over = await self.world.sessions.call(session, partial(past.ended, uids=ended_ones))
            alive = {record.uid for record in records}
            ended += [
                Known(one.record, session, live=False, seq=one.seq) for uid, one in over.items() if uid not in alive
            ]
            live += [Known(record, session, live=True) for record in records]
        return ended + live

    async def current(self, sessions: Sequence[Session]) -> list[Known]:
        """Give the jobs of "2 of 4": the live ones, and those ended lately or not yet acknowledged."""
        horizon = self.world.clock() - timedelta(seconds=self.world.config.clocks.recent_s)
        seen = {
            session.entry.session_id: await self.world.sessions.call(
                session, lambda session: news.acknowledged(session, news.ROOT)
            )
            for session in sessions
        }
        return [
            one
            for one in without_earlier_runs(await self.known(sessions))
            if one.live
            or one.seq > seen[one.session.entry.session_id]
            or (one.record.ended_at or one.record.observed_at or horizon) > horizon
        ]

    async def refresh(
        self,
        sessions: Sequence[Session],
        *,
        about: Collection[str] | None = None,
        patience_s: float = PATIENCE_S,
        max_age_s: float | None = None,
    ) -> Asked:
        """Look again wherever the last answer is too old; a slow host is left to answer later.

        Args:
            sessions: Whose jobs.
            about: Only what these jobs (by `uid`) hang on; None: everything.
            patience_s: How long to wait for answers.
            max_age_s: Too old; by default, older than the floor.
        """
        asked = Asked()
        rounds = self.world.rounds
        for key, group in (await rounds.groups(sessions)).items():
            if about is not None and not any(record.uid in about for record in group.records):
                continue
            if rounds.elsewhere(key.site):
                asked.troubles.append(
                    f"{len(group.records)} job(s) of type {key.type} run on another machine; only jobwarden there "
                    "can look at them, and they are shown as last known."
                )
            else:
                asked.groups[key] = group
        waiting = set(asked.groups)
        done = anyio.Event()
        age_s = self.world.config.clocks.floor_s if max_age_s is None else max_age_s

        async def check(key: LedgerKey, group: Group) -> None:
            try:
                asked.troubles += await self.check(group, max_age_s=age_s)
            finally:
                waiting.discard(key)
                if not waiting:
                    done.set()

        for key in list(waiting):
            self._tasks.start_soon(check, key, asked.groups[key])
        if waiting:
            with anyio.move_on_after(patience_s):
                await done.wait()
        asked.slow = [asked.groups[key].target.host for key in waiting]
        return asked

    async def check(self, group: Group, *, max_age_s: float, quick: bool = False, by_hand: bool = False) -> list[str]:
        """Ask and judge once; answers what went wrong. A fault of this round is its own, and ends no server."""
        try:
            result = await self.world.rounds.check(
                group, max_age_s=max_age_s, quick=quick, person=by_hand, by_hand=by_hand
            )
        except Exception as error:  # one target's fault ends no server, as it ends no watcher
            log.exception("%s on %s", group.target.key.type, group.target.host)
            return [f"Asking {group.target.key.type} on {group.target.host} failed: {type(error).__name__}: {error}"]
        return [
            f"What {group.target.key.type} on {group.target.host} answered could not be kept; session {session_id} "
            f"shows what was kept before: {error}"
            for session_id, error in result.broken.items()
        ]

    async def views(self, chosen: Sequence[Known], caller: Caller) -> tuple[JobView, ...]:
        """Show jobs to this caller."""
        paused = await self.world.rounds.paused()
        return tuple([await self._view(one, caller, paused) for one in chosen])

    async def view(self, one: Known, caller: Caller) -> JobView:
        """Show one job to this caller."""
        (view,) = await self.views([one], caller)
        return view

    async def paused(self, chosen: Sequence[Known]) -> list[Known]:
        """Give those of these live jobs that nobody watches."""
        paused = await self.world.rounds.paused()
        return [one for one in chosen if one.live and paused.of(one.session.entry.session_id, one.record) is not None]

    async def _view(self, one: Known, caller: Caller, paused: Paused) -> JobView:
        answered_at, absent = await self._latest(one.record) if one.live else (None, None)
        return job_view(
            one.record,
            now=self.world.clock(),
            answered_at=answered_at,
            absent=absent,
            mine=one.session.entry.session_id == caller.session_id,
            paused=paused.of(one.session.entry.session_id, one.record) if one.live else None,
            hanging=hanging(one.record, paused) if one.live else None,
        )

    # -- inner

    def _entry(self, caller: Caller, create: bool) -> SessionEntry | None:  # noqa: FBT001 -- called in a thread, in one place
        index = self.world.sessions.index
        entry = index.get(caller.session_id)
        if entry is None and not create and not active_jobs_path(caller.project, caller.session_id).exists():
            return None
        if entry is None or create:
            now = self.world.clock()
            fresh = SessionEntry(
                session_id=caller.session_id,
                project=caller.project,
                agent=caller.agent,
                created_at=now,
                last_seen_at=now,
                client=self._client(caller),
            )
            entry = index.add(fresh)
        # `resolve_caller` names another project than the session's only when that one is gone.
        if entry.project != caller.project and not entry.project.exists() and os.access(caller.project, os.W_OK):
            entry = index.move(caller.session_id, caller.project) or entry
        return entry

    async def _adopt(self, session: Session) -> None:
        stamp = await self.world.sessions.call(session, Session.stamp)
        if self._stamps.get(session.entry.session_id) == stamp:
            return

        def reconcile(session: Session) -> None:
            with session.transaction(own=True):
                pass

        try:
            await self.world.sessions.call(session, reconcile)
            await self.world.rounds.settle(session)
        except UnwritableError as error:  # a sandbox that lets us only read: what is known can be shown all the same
            self.news.only_reads(session, error)
            return
        self._stamps[session.entry.session_id] = await self.world.sessions.call(session, Session.stamp)

    async def _latest(self, record: JobRecord) -> tuple[datetime | None, str | None]:
        """Give when the latest answer that a record agrees with was asked for; and what does not know the job."""
        try:
            target = await self.world.rounds.target(record)
        except JobwardenError:  # the record says why it is stale
            return None, None
        snapshot = self.world.ledger.peek(target.key)
        sighting, asked_at = snapshot.answered.get(record.id), snapshot.asked.get(record.id)
        if asked_at is None or not isinstance(sighting, (Seen, Absent)):
            return None, None
        absent = " and ".join(sighting.where) if isinstance(sighting, Absent) else None
        now, clocks = self.world.clock(), self.world.config.clocks
        # An answer that would change the record has not been written into it: what is shown is older than that.
        kept = not judge(record, sighting, asked_at=asked_at, now=now, clocks=clocks).drafts
        ended = isinstance(sighting, Seen) and sighting.phase.final
        return asked_at if kept and not ended else None, absent

    def _client(self, caller: Caller) -> dict[str, JsonValue]:
        kept = ("SSH_AUTH_SOCK", "KRB5CCNAME")
        told: dict[str, JsonValue] = {name.lower(): self.world.env[name] for name in kept if self.world.env.get(name)}
        return told if caller.process is None else told | described(caller.process, self.world.machine_id)
