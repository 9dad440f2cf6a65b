"""Completion checks by hand: what a job's scheduler and its expected output say now, and what the engine makes of it.

Nothing here changes a state: living and lost jobs go through a round, as the watcher's; of ended ones it is only told
what is there now.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from jobwarden.identity import Caller
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.service.desk import Desk
from jobwarden.service.expecting import read_expectation
from jobwarden.service.names import Known, find_jobs
from jobwarden.service.reconciled import Found, expectation_text, outcome_of
from jobwarden.service.reconciling_views import OutputView, ReconciledRow, ReconcileView
from jobwarden.sources.base import Absent, CouldNotAsk, Output, Seen, Sighting
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.looking import find_outputs
from jobwarden.verdict.targets import Group, Target
from jobwarden.verdict.wanting import wanted_of
from jobwarden_registry.errors import JobNotFoundError, JobwardenError
from jobwarden_registry.model import Expectation
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

_AT_ONCE = 4
_LOOKS = 3
"""The output of a job that has just ended is looked at so often, until it is decided."""

Say = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class _Asked:
    """What was answered of jobs.

    Attributes:
        sightings: By uid.
        failed: By uid, why a job could not be asked about.
        troubles: What is to be said of all.
    """

    sightings: dict[str, Sighting] = field(default_factory=dict[str, Sighting])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    troubles: list[str] = field(default_factory=list[str])


class Reconciling:
    """Looks anew at jobs and at what they were to make, when a person says so."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def reconcile(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str] = (),
        everything: bool = False,
        expect: Sequence[str] = (),
        say: Say | None = None,
    ) -> ReconcileView:
        """Ask about these jobs again, look for their expected output, and say what each was and is.

        Living and lost jobs are judged by what is found, as ever; one that has just succeeded without its output is
        looked at again, for network file systems lag. An ended job stays what it is.

        Args:
            caller: Who asks.
            jobs: Which; none: the living ones of the session, and those that ended lately.
            everything: Of all of the user's sessions.
            expect: Look for these instead of what the jobs were registered with. They decide nothing, and are not kept.
            say: Is told why it takes long.

        Raises:
            InvalidIdError: One of `expect` cannot be.
            JobNotFoundError, AmbiguousJobError: A name fits no job, or several; the text lists them.
        """
        wanted = tuple(map(read_expectation, expect))
        asked = _Asked()
        chosen = await self._chosen(caller, jobs, asked.troubles, everything=everything)
        await self._ask(chosen, asked)
        after = await self._until_decided(chosen, asked, say)
        await self._ask_of_ended(chosen, asked)
        rows = [await self._row(caller, one, after.get(one.record.uid, one), asked, wanted) for one in chosen]
        trouble = await self._desk.ensure_watcher() if any(one.live for one in after.values()) else None
        async with self._desk.news.telling(await self._desk.session(caller), caller) as told:
            return ReconcileView(
                rows=tuple(rows),
                troubles=tuple(dict.fromkeys(asked.troubles)),
                notes=(trouble,) if trouble else (),
                news=told,
            )

    async def _chosen(
        self, caller: Caller, jobs: Sequence[str], troubles: list[str], *, everything: bool
    ) -> list[Known]:
        desk = self._desk
        if everything:
            sessions = await self._readable(troubles)
            return find_jobs(await desk.known(sessions), jobs) if jobs else await desk.current(sessions)
        own = await desk.in_scope(caller, project=False)
        if not jobs:
            return await desk.current(own)
        try:
            return find_jobs(await desk.known(own), jobs)
        except JobNotFoundError:
            return find_jobs(await desk.known(await desk.in_scope(caller, project=True)), jobs)

    async def _readable(self, troubles: list[str]) -> list[Session]:
        sessions: list[Session] = []
        for session in await self._desk.world.sessions.known():
            try:
                await self._desk.world.sessions.call(session, Session.load)
            except JobwardenError as error:
                troubles.append(f"Session {session.entry.session_id} cannot be read: {error}")
            else:
                sessions.append(session)
        return sessions

    # -- living and lost jobs

    async def _ask(self, chosen: Sequence[Known], asked: _Asked, *, about: Collection[str] | None = None) -> None:
        """Have one round about the living ones among these jobs, or those of them that are named."""
        uids = {one.record.uid for one in chosen if one.live} if about is None else set(about)
        sessions = _sessions(chosen)
        groups = await self._desk.world.rounds.groups(sessions)
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def check(group: Group) -> None:
            async with limiter:
                asked.troubles += await self._desk.check(group, max_age_s=0.0, quick=True, by_hand=True)

        async with anyio.create_task_group() as tasks:
            for key, group in groups.items():
                mine = [record for record in group.records if record.uid in uids]
                if mine and self._desk.world.rounds.elsewhere(key.site):
                    text = "It runs on another machine; only jobwarden there can look at it."
                    asked.failed |= dict.fromkeys([record.uid for record in mine], text)
                elif mine:
                    tasks.start_soon(check, group)
        for key, group in groups.items():
            self._take(key, [record.uid for record in group.records if record.uid in uids], group, asked)
        grouped = {record.uid for group in groups.values() for record in group.records}
        asked.failed |= {
            one.record.uid: one.record.stale_because or "Nobody knows where its host is."
            for one in chosen
            if one.record.uid in uids - grouped
        }

    def _take(self, key: LedgerKey, uids: Collection[str], group: Group, asked: _Asked) -> None:
        snapshot = self._desk.world.ledger.peek(key)
        for record in group.records:
            if record.uid not in uids or record.uid in asked.failed:
                continue
            sighting = snapshot.answered.get(record.id)
            if snapshot.failure is not None:
                asked.failed[record.uid] = snapshot.failure.text
            elif isinstance(sighting, CouldNotAsk):
                asked.failed[record.uid] = sighting.text
            if isinstance(sighting, (Seen, Absent)):
                asked.sightings[record.uid] = sighting

    async def _until_decided(self, chosen: Sequence[Known], asked: _Asked, say: Say | None) -> dict[str, Known]:
        """Look again where a success lacks its output, until that is decided; answers how all of them stand then."""
        sessions, clocks = _sessions(chosen), self._desk.world.config.clocks
        uids = {one.record.uid for one in chosen}
        for _ in range(_LOOKS):
            after = {one.record.uid: one for one in await self._desk.known(sessions) if one.record.uid in uids}
            missing = [one for one in after.values() if one.live and one.record.output_missing_since is not None]
            again = {one.record.uid for one in missing if one.record.uid not in asked.failed}
            if not again:
                break
            if say is not None:
                waits = f"{clocks.expect_again_s:.0f} s: network file systems lag"
                await say(f"Expected output of {len(again)} job(s) is not there; looking again in {waits}.")
            await anyio.sleep(clocks.expect_again_s)
            await self._ask(chosen, asked, about=again)
        return {one.record.uid: one for one in await self._desk.known(sessions) if one.record.uid in uids}

    # -- ended jobs

    async def _ask_of_ended(self, chosen: Sequence[Known], asked: _Asked) -> None:
        """Ask what is said now of jobs that had ended before, and keep nothing of it."""
        rounds = self._desk.world.rounds
        groups: dict[LedgerKey, tuple[Target, list[Known]]] = {}
        for one in (one for one in chosen if not one.live):
            try:
                target = await rounds.target(one.record)
            except JobwardenError as error:
                asked.failed[one.record.uid] = str(error)
            else:
                groups.setdefault(target.key, (target, []))[1].append(one)
        for target, ended in groups.values():
            uids = [one.record.uid for one in ended]
            if rounds.elsewhere(target.key.site):
                text = "It ran on another machine; only jobwarden there can look at it."
                asked.failed |= dict.fromkeys(uids, text)
                continue
            try:
                answer = await rounds.look(target, [one.record for one in ended])
            except JobwardenError as error:
                asked.failed |= dict.fromkeys(uids, str(error))
                asked.troubles.append(f"{target.key.type} on {target.host}: {error}")
                continue
            for one in ended:
                sighting = answer[one.record.id]
                if isinstance(sighting, (Seen, Absent)):
                    asked.sightings[one.record.uid] = sighting
                else:
                    asked.failed[one.record.uid] = getattr(sighting, "text", "What it hangs on could not be asked.")

    # -- what is said

    async def _row(
        self, caller: Caller, before: Known, after: Known, asked: _Asked, expect: Sequence[Expectation]
    ) -> ReconciledRow:
        uid, record = before.record.uid, after.record
        sighting, failed = asked.sightings.get(uid), asked.failed.get(uid)
        expected = expect or before.record.expect
        outputs: Sequence[Output] = ()
        if expected and failed is None:
            try:
                outputs = await self._outputs(before, sighting, tuple(expected))
            except JobwardenError as error:
                failed = str(error)
        found = Found(
            before=before.record,
            after=record,
            was_live=before.live,
            sighting=sighting,
            outputs=outputs,
            only_now=bool(expect),
            failed=failed,
            clocks=self._desk.world.config.clocks,
        )
        outcome, text = outcome_of(found)
        return ReconciledRow(
            job=await self._desk.view(after, caller),
            was=before.record.phase,
            was_status=before.record.last_status,
            outcome=outcome,
            text=text,
            expects=bool(expected),
            outputs=tuple(OutputView(expect=expectation_text(o.expect), found=o.found, line=o.line) for o in outputs),
            seen=None if sighting is None else sighting.evidence,
        )

    async def _outputs(
        self, one: Known, sighting: Sighting | None, expect: tuple[Expectation, ...]
    ) -> Sequence[Output]:
        """Give what the engine saw of these outputs, or look."""
        looked: Mapping[Expectation, Output] = {}
        if isinstance(sighting, (Seen, Absent)):
            looked = {output.expect: output for output in sighting.outputs}
        if all(each in looked for each in expect):
            return [looked[each] for each in expect]
        rounds = self._desk.world.rounds
        wanted = wanted_of(one.record).model_copy(update={"expect": expect})
        async with rounds.host(await rounds.target(one.record)) as host:
            folders = rounds.config.host(one.record.host).read
            try:
                return await find_outputs(host, wanted, sighting, folders=folders)
            except TransportError as error:
                log.info("the output of %s cannot be looked for: %s", one.record.id, error)
                raise


def _sessions(chosen: Sequence[Known]) -> list[Session]:
    return list({one.session.entry.session_id: one.session for one in chosen}.values())
