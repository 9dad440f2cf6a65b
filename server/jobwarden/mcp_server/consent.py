"""Asking the person, where the client shows dialogs, before what is more than an agent's own named jobs.

Never required. A client that declares elicitation and has no person behind it dismisses every dialog (`claude -p`
2.1.328) or declines it (`codex exec` 0.169.0), so neither of these is surely a person's word: nothing is cancelled, and
the answer says which way there is without a dialog.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field

from jobwarden.mcp_server.cells import cell
from jobwarden.mcp_server.edge import Callers
from jobwarden.mcp_server.news import job_label
from jobwarden.mcp_server.updates import Live
from jobwarden.service.controlling import Action
from jobwarden.service.views import JobView
from jobwarden_registry.errors import JobwardenError

if TYPE_CHECKING:
    from jobwarden.service.service import Service

_LISTED = 10
_IDS_LISTED = 50
_VALUE_CHARS = 2000
_HANDSHAKE_ENDS = "2026-07-28"


class Consent(BaseModel):
    """What the person answers; a client may show it as one box, ticked."""

    yes: bool = Field(default=True, title="Cancel these jobs")


class Agreement(BaseModel):
    """As `Consent`, to what control_job would do."""

    yes: bool = Field(default=True, title="Do it")


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a call of cancel_job would end."""

    jobs: Sequence[str]
    all_jobs: bool
    force: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What the person is shown, and alone may be ended then.

    Attributes:
        jobs: By their `uid`; None: nobody is asked, and the call ends what it names.
        borrowed: Whether the call only names the session that watches them.
        verb: What is done to them.
    """

    jobs: Mapping[str, JobView] | None = None
    borrowed: bool = False
    verb: str = "Cancel"


class Consents:
    """Asks the person, for one server."""

    def __init__(self, service: Service, callers: Callers) -> None:
        self._service = service
        self._callers = callers

    async def show(self, ctx: Context[Live, Any], sweep: Sweep, session_id: str | None) -> Shown:
        """Find out what to ask about: nothing where nobody is to be asked, or can be shown a dialog.

        Named jobs of the caller's own are not asked about: the client has its own question before a destructive tool.
        """
        if not (sweep.all_jobs or sweep.force) or not shows_dialogs(ctx):
            return Shown()
        try:
            caller = await self._callers.of(ctx.request_context, session_id)
            doomed = await self._service.to_cancel(caller, jobs=sweep.jobs, all_jobs=sweep.all_jobs, force=sweep.force)
        except JobwardenError:  # the tool itself meets it, and says so; where it does not, it ends nothing
            return Shown({})
        borrowed = caller.borrower is not None
        own = all(job.mine for job in doomed.values()) and not borrowed
        return Shown() if doomed and own and not sweep.all_jobs else Shown(doomed, borrowed)

    async def show_control(
        self, ctx: Context[Live, Any], jobs: Sequence[str], action: Action, value: str | None, *, force: bool,
        session_id: str | None,
    ) -> Shown:  # fmt: skip
        """As `show`, for control_job: what only force allows, and a resubmission that no configuration grants."""
        if not shows_dialogs(ctx):
            return Shown()
        try:
            caller = await self._callers.of(ctx.request_context, session_id)
            asked = await self._service.control.to_ask(caller, jobs=jobs, action=action, force=force)
        except JobwardenError:  # as above
            return Shown({})
        verb = cell(" ".join(f"{action} {value or ''}".split()))
        if asked and len(verb) > _VALUE_CHARS:  # who cannot be shown all of it agrees to nothing
            return Shown({})
        return Shown(asked, caller.borrower is not None, verb) if asked else Shown()


async def shown(
    ctx: Context[Live, Any],
    jobs: list[str],
    all: bool,  # noqa: A002, FBT001 -- the tool's argument, given by name
    dry_run: bool,  # noqa: FBT001 -- likewise
    force: bool,  # noqa: FBT001 -- likewise
    session_id: str | None,
) -> Shown:
    """Resolve what one call of cancel_job would end, by the arguments of that tool.

    The SDK resolves it once for both the question and the tool; where the answer comes with a second call, the question
    is put again unless it is to the letter the one that was answered.
    """
    if dry_run:
        return Shown()
    return await ctx.request_context.lifespan_context.consents.show(ctx, Sweep(jobs, all, force), session_id)


AsShown = Annotated[Shown, Resolve(shown)]


async def control_shown(
    ctx: Context[Live, Any],
    jobs: list[str],
    action: Action,
    value: str | None,
    force: bool,  # noqa: FBT001 -- the tool's argument, given by name
    session_id: str | None,
) -> Shown:
    """As `shown`, by the arguments of control_job."""
    consents = ctx.request_context.lifespan_context.consents
    return await consents.show_control(ctx, jobs, action, value, force=force, session_id=session_id)


AsControlShown = Annotated[Shown, Resolve(control_shown)]


async def agreement(told: AsControlShown) -> Elicit[Agreement] | Agreement:
    """As `consent`, for control_job."""
    return Elicit(_question(told), Agreement) if told.jobs else Agreement()


Agreed = Annotated[ElicitationResult[Agreement], Resolve(agreement)]


def control_refusal(given: ElicitationResult[Agreement]) -> str | None:
    """Say why nothing is done; None where it may be."""
    if isinstance(given, AcceptedElicitation):
        return None if given.data.yes else _NO.replace("cancelled", "done")
    word = "declined" if given.action == "decline" else "dismissed"
    return f"{_UNANSWERED.format(word).replace('cancelled', 'done')} {_CONTROL_IN_A_SHELL}"


async def consent(told: AsShown) -> Elicit[Consent] | Consent:
    """Resolve the consent for one call of cancel_job: given, where there is nothing to ask about."""
    return Elicit(_question(told), Consent) if told.jobs else Consent()


Given = Annotated[ElicitationResult[Consent], Resolve(consent)]


def refusal(given: ElicitationResult[Consent], *, all_jobs: bool) -> str | None:
    """Say why nothing is cancelled; None where it may be."""
    if isinstance(given, AcceptedElicitation):
        return None if given.data.yes else _NO
    word = "declined" if given.action == "decline" else "dismissed"
    return f"{_UNANSWERED.format(word)} {_NAME_THEM if all_jobs else _IN_A_SHELL}"


_NO = "Nothing was cancelled: the person said no. Do not try again unless they ask for it."
_UNANSWERED = (
    "Nothing was cancelled: the question to the person was {}, by them or by a client without anybody there. "
    "Do not repeat the call."
)
_NAME_THEM = "Only if you have been told to cancel these jobs, name them: cancel_job(jobs=[...])."
_IN_A_SHELL = "Only if you have been told to cancel that job, do it in a shell: jobwarden cancel --force ID."

_CONTROL_IN_A_SHELL = "Only if you have been told to do it, do it in a shell: jobwarden control --help."


def shows_dialogs(ctx: Context[Live, Any]) -> bool:
    """Whether the client has said that it shows forms, and can be asked on this connection."""
    capabilities = ctx.client_capabilities
    offered = capabilities.elicitation if capabilities is not None else None
    if offered is None or (offered.form is None and offered.url is not None):
        return False
    asked_in_answers = (ctx.protocol_version or "") >= _HANDSHAKE_ENDS
    return asked_in_answers or ctx.session.can_send_request


def _question(told: Shown) -> str:
    """Write the question: one that is to the letter the same is about the same jobs."""
    doomed = told.jobs or {}
    lines = [f"{told.verb} {len(doomed)} job(s)?" if told.verb == "Cancel" else f"{told.verb}: {len(doomed)} job(s)?"]
    lines += [_line(job, told) for job in list(doomed.values())[:_LISTED]]
    if rest := list(doomed)[_LISTED:]:
        ids = ", ".join(cell(doomed[uid].id, 40) for uid in rest[:_IDS_LISTED])
        mark = hashlib.sha256("\n".join(rest).encode()).hexdigest()[:8]
        lines.append(f"... and {len(rest)} more (list {mark}): {ids}{', ...' if len(rest) > _IDS_LISTED else ''}")
    return "\n".join(lines)


def _line(job: JobView, told: Shown) -> str:
    own = job.mine and not told.borrowed
    whose = "" if own else f", of another session ({job.owner.agent} {cell(job.owner.session_id, 60)})"
    return f"- {job_label(job.type, job.id, job.host, job.name)}: {cell(job.status, 40) or job.phase.value}{whose}"
