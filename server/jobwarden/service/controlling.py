"""Controlling jobs: hold, release, suspend, resume, requeue, signal, top, a lower time limit, and submitting again."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import anyio

from jobwarden.actions.call import TIMES_MOST, ActionCall, Firing
from jobwarden.actions.cancel import CancelReport, Doomed, Order
from jobwarden.actions.carrying import Actor, Done
from jobwarden.actions.control import read_change, request_control
from jobwarden.actions.deeds import INTENDED, OPEN, Deed, Deeds, whose
from jobwarden.actions.grants import Grants, granted_in
from jobwarden.actions.modifications import check_modifications
from jobwarden.actions.planning import run_of, runs_of
from jobwarden.actions.substitution import Value
from jobwarden.identity import Caller
from jobwarden.service import pausing
from jobwarden.service.control_views import ControlRow, ControlView, PausedView
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.service.stopping import choose, order_of, owns
from jobwarden.service.views import JobView
from jobwarden.sources.controls import Control
from jobwarden_registry.errors import InvalidIdError, JobNotFoundError
from jobwarden_registry.phases import Phase

Action = Literal[
    "hold",
    "release",
    "suspend",
    "resume",
    "requeue",
    "signal",
    "resubmit",
    "top",
    "time_limit",
    "pause_watching",
    "resume_watching",
]
_RESUBMIT, _PAUSE, _UNPAUSE = "resubmit", "pause_watching", "resume_watching"
_FREE = Grants(cancel=True, resubmissions=1_000_000, gpu_hours=math.inf)
"""A person may do with their own jobs what they want."""
_ELEMENT = re.compile(r"(?P<job>.*\d)_(?:(?P<one>\d{1,7})|\[(?P<some>[\d,:-]{1,500})(?:%\d+)?\])")
_SAME = ("modifications", "cancel_original")
"""What two calls must have in common for the second to go on with the first."""
_TRIES_S = (0.0, 1.0, 2.0, 4.0)
"""Before each try of a resubmission: accounting is some seconds behind."""
_NOT_ASKED_ABOUT = CancelReport("not asked about", "It was not among the jobs that the person was asked about.")


@dataclass(frozen=True, slots=True)
class _Meant:
    """A job, and of an array perhaps some of its elements alone."""

    one: Known
    elements: str = ""


class Controlling:
    """See `Service.control`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._actor = Actor(desk.world.rounds, desk.world.env)

    async def control(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str],
        action: Action,
        value: str | None = None,
        reason: str = "",
        force: bool = False,
        only: Collection[str] | None = None,
        free: bool = False,
    ) -> ControlView:
        """Do something to living jobs of this user, and look what came of it. Another session's jobs need `force`.

        Args:
            caller: Who asks.
            jobs: As for `cancel`; also elements of a watched array: `123_4`, `123_[1-3,7]`. For pause_watching and
                resume_watching none means the whole session, or the host that `value` names.
            action: Which.
            value: Of signal `USR1` (`B:USR1`: the batch script alone), of time_limit the limit, of requeue `hold`, of
                resubmit what it changes: `mem=32G time=4:00:00`, and `replace=true` for one that lives.
            reason: Kept in the audit.
            force: Also another session's job, and for a host although others watch it, too.
            only: What `to_ask` gave: nothing else is touched.
            free: A person does this, or was asked: then resubmit needs no grant.

        Raises:
            InvalidIdError: An action or value that cannot be.
            InvalidRuleError: Modifications that cannot be, or a resubmission that nobody granted.
            JobNotFoundError, AmbiguousJobError: As `cancel`.
        """
        order = order_of(caller, reason)
        value = (value or "").strip()
        await self._desk.registrations(caller)
        if action in (_PAUSE, _UNPAUSE):
            wish = pausing.Wish(tuple(jobs), value, force, pause=action == _PAUSE)
            return await pausing.set_watching(self._desk, caller, order, wish)
        if not jobs:
            raise InvalidIdError("Which jobs?", hint="Name them by id, type:id, host:id, name or tag.")
        if action == _RESUBMIT:
            changes = _modifications(value)
        else:
            changes = {}
            read_change(Control(action), value)  # before anything is looked up or done
        meant = await self._choose(caller, jobs, force=force)
        reports: dict[int, CancelReport] = {}
        for at, each in enumerate(meant):
            refused = _before(caller, each, ended=action == _RESUBMIT, force=force)
            if refused is None and only is not None and each.one.record.uid not in only:
                refused = _NOT_ASKED_ABOUT
            if refused is not None:
                reports[at] = refused
        left = [at for at in range(len(meant)) if at not in reports]
        if action == _RESUBMIT:
            for at in left:
                quiet = owns(caller, meant[at].one)
                reports[at] = await self._resubmit(meant[at], changes, order, free=free, quiet=quiet)
        else:
            reports |= await self._ask(meant, left, Control(action), value, order)
        return await self._view(caller, action, meant, [reports[at] for at in range(len(meant))])

    async def to_ask(
        self, caller: Caller, *, jobs: Sequence[str], action: Action, force: bool = False
    ) -> dict[str, JobView]:
        """Give the jobs about which a person should be asked before an agent does this, by `uid`; empty: nobody.

        That is: what only `force` allows, and a resubmission that no configuration grants.

        Raises:
            As `control`.
        """
        if action in (_PAUSE, _UNPAUSE) or not jobs:
            return {}
        await self._desk.registrations(caller)
        chosen = [each.one for each in await self._choose(caller, jobs, force=force)]
        if action == _RESUBMIT and not await self._is_granted(chosen):
            about = [one for one in chosen if force or owns(caller, one)]
        else:
            about = [one for one in chosen if not owns(caller, one)] if force else []
        views = await self._desk.views(about, caller)
        return {one.record.uid: view for one, view in zip(about, views, strict=True)}

    async def paused(self) -> tuple[PausedView, ...]:
        """Give all that is not watched: hosts, sessions, and jobs of any session."""
        return await pausing.listed(self._desk)

    # -- inner

    async def _is_granted(self, chosen: Sequence[Known]) -> bool:
        env = self._desk.world.env
        projects = {one.session.entry.project for one in chosen}
        given = [await anyio.to_thread.run_sync(granted_in, env, project) for project in projects]
        return all(grants.resubmissions > 0 for grants in given)

    async def _choose(self, caller: Caller, jobs: Sequence[str], *, force: bool) -> list[_Meant]:
        found: dict[tuple[str, str], _Meant] = {}
        for text in jobs:
            elements = ""
            try:
                known = await choose(self._desk, caller, [text], force=force)
            except JobNotFoundError:
                part = _ELEMENT.fullmatch(text)
                if part is None:
                    raise
                elements = part["one"] or part["some"]
                known = await choose(self._desk, caller, [part["job"]], force=force)
            for one in known:
                found[one.record.uid, elements] = _Meant(one, elements)
        return list(found.values())

    async def _ask(
        self, meant: Sequence[_Meant], left: Sequence[int], action: Control, value: str, order: Order
    ) -> dict[int, CancelReport]:
        """Ask the sources, all whole jobs at once, and elements of each array for themselves."""
        reports: dict[int, CancelReport] = {}
        for elements in dict.fromkeys(meant[at].elements for at in left):
            places = [at for at in left if meant[at].elements == elements]
            doomed = [Doomed(meant[at].one.session, meant[at].one.record) for at in places]
            change = read_change(action, value, elements)
            made = await request_control(self._desk.world.rounds, doomed, order, change)
            reports |= dict(zip(places, made, strict=True))
        asked = [meant[at].one for at, report in reports.items() if report.outcome in ("accepted", "failed")]
        await self._look_again(asked)
        return {at: _told(report) for at, report in reports.items()}

    async def _look_again(self, asked: Sequence[Known]) -> None:
        """Have the records follow what was done; where watching is paused, they stay as they are."""
        sessions = list({one.session.entry.session_id: one.session for one in asked}.values())
        wanted = {one.record.uid for one in asked}
        for group in (await self._desk.world.rounds.groups(sessions)).values():
            if any(record.uid in wanted for record in group.records):
                await self._desk.check(group, max_age_s=0.0, quick=True)

    async def _resubmit(
        self, meant: _Meant, changes: Mapping[str, Value], order: Order, *, free: bool, quiet: bool
    ) -> CancelReport:
        """Submit it again by the same deed as a rule's, and go on with one that was begun and not ended."""
        if meant.elements:
            return CancelReport("refused", "An array, or a part of one, is not submitted again.")
        one = meant.one
        arguments = {**changes}
        replace = arguments.pop("replace", False) is True
        call = ActionCall(
            _RESUBMIT,
            {
                "modifications": arguments,
                "cancel_original": replace,
                "times": TIMES_MOST,
                "reason": order.reason,
            },
        )
        name, other = await self._name(one, call)
        if other is not None:
            return CancelReport("refused", _unlike(other))
        firing = self._firing(one, order, name, free=free, quiet=quiet)
        done = Done(_RESUBMIT, "open", "")
        for wait_s in _TRIES_S:
            await anyio.sleep(wait_s)
            (done,) = await self._actor.carry_out(
                one.session, one.record, firing, [call], grants=_FREE if free else None
            )
            if done.outcome != "open":
                break
        outcome = {"done": "done", "open": "open", "unsure": "failed"}.get(done.outcome, "refused")
        more = " Call it again to go on with it; nothing is submitted twice." if outcome == "open" else ""
        return CancelReport(outcome, f"{done.text.removeprefix(f'{order.by}: ')}{more}")

    async def _name(self, one: Known, call: ActionCall) -> tuple[str, Deed | None]:
        """Name the deed: the one that is open and wants the same, else the next of this run; or say which hinders."""
        record = one.record
        known = await self._desk.world.rounds.sessions.call(one.session, Deeds().of)
        number = 0
        while True:
            number += 1
            name = f"{record.uid}/asked/{run_of(record)}/{runs_of(record)}/{number}"
            step, deed = known.step(f"{name}#0"), known.deeds.get(f"{name}#0")
            if step is None:
                return name, None
            if step in OPEN and deed is not None:
                if all(deed.arguments.get(what) == call.arguments[what] for what in _SAME):
                    return name, None
                if step != INTENDED:  # whether it was submitted is not known
                    return name, deed

    def _firing(self, one: Known, order: Order, name: str, *, free: bool, quiet: bool) -> Firing:
        record, now = one.record, self._desk.world.clock()
        run, runs = run_of(record), runs_of(record)
        return Firing(
            name, "asked", record.uid, now, {}, "", "", run=run, runs=runs, by=order.by, free=free, quiet=quiet
        )

    async def _view(
        self, caller: Caller, action: Action, meant: Sequence[_Meant], reports: Sequence[CancelReport]
    ) -> ControlView:
        desk = self._desk
        sessions = list({each.one.session.entry.session_id: each.one.session for each in meant}.values())
        async with desk.news.telling(await desk.session(caller), caller) as told:
            uids = {each.one.record.uid for each in meant}
            now = {one.record.uid: one for one in await desk.known(sessions, uids)}
            views = await desk.views([now.get(each.one.record.uid, each.one) for each in meant], caller)
            rows = [
                ControlRow(
                    job=view,
                    outcome=report.outcome,
                    text=f"{each.elements}: {report.text}" if each.elements else report.text,
                )
                for each, view, report in zip(meant, views, reports, strict=True)
            ]
            return ControlView(action=action, rows=tuple(rows), news=told)


def _before(caller: Caller, each: _Meant, *, ended: bool, force: bool) -> CancelReport | None:
    """Say what becomes of a job for which nothing is asked; None for the others."""
    one = each.one
    if not owns(caller, one) and not force:
        owner = one.session.entry.session_id
        return CancelReport("refused", f"Session {owner} watches it; pass force=true to do it all the same.")
    over = not one.live or one.record.phase.final
    if over and not ended:
        return CancelReport("already ended", f"It ended: {one.record.last_status or one.record.phase}.")
    if one.record.phase is Phase.LOST and ended:
        return CancelReport("refused", "It is lost: whether it still runs is not known, and two of it may not.")
    return None


def _unlike(deed: Deed) -> str:
    """Say which submission was begun that is another one than this."""
    changes = cast("Mapping[str, Value]", deed.arguments["modifications"])
    words = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in changes.items()]
    words += ["replace=true"] if deed.arguments.get("cancel_original") else []
    return (
        f"{whose(deed)} began to submit it again with {' '.join(words) or 'no changes'}, and whether that was done is "
        "not known yet. Nothing else is submitted before that is found out: the same call, with these changes, does."
    )


def _told(report: CancelReport) -> CancelReport:
    return CancelReport("done", report.text) if report.outcome == "accepted" and report.seen else report


def _modifications(text: str) -> dict[str, Value]:
    """Read `mem=32G time=4:00:00`.

    Raises:
        InvalidRuleError: What it changes cannot be changed so; the hint says what can.
        InvalidIdError: It is no list of words with `=`.
    """
    given: dict[str, Value] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidIdError(f"{word[:60]!r} changes nothing.", hint='Write "mem=32G time=4:00:00".')
        given[name] = {"true": True, "false": False}.get(value.lower(), value)
    replace = given.pop("replace", False)
    if not isinstance(replace, bool):
        raise InvalidIdError("replace is true or false.", hint="Write replace=true.")
    checked = check_modifications(cast("Value", given))
    return {**checked, "replace": True} if replace else checked
