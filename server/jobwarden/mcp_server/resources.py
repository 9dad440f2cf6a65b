"""The resources: the service's views as JSON, for programs."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from jobwarden.mcp_server.edge import Callers, Request, resource_errors
from jobwarden.mcp_server.prompting import JOB_ARGUMENT, TRIAGE
from jobwarden.mcp_server.updates import ACTIVE, RECENT

if TYPE_CHECKING:
    from jobwarden.service.service import Service

JOB = "jobs://{job}"
LOG = "log://{job}"
_JSON = "application/json"
_MOST_COMPLETIONS = 100
"""The protocol's own limit."""

Ctx = Context[Any, Any]


class Resources:
    """The resources of one server.

    Args:
        service: What they show.
        callers: Who reads them.
        asking: The request that is being served, for resources without a name in their URI: mcp 2.3.0 calls their
            functions with nothing.
    """

    def __init__(self, service: Service, callers: Callers, asking: ContextVar[Request]) -> None:
        self._service = service
        self._callers = callers
        self._asking = asking

    def add_to(self, server: MCPServer[Any]) -> None:
        """Add the resources to a server."""
        about = "This session's jobs and their states"
        server.resource(ACTIVE, name="active jobs", title="active jobs", description=about, mime_type=_JSON)(
            self.active
        )
        about = "This session's latest journal entries, oldest first"
        server.resource(RECENT, name="recent events", title="recent events", description=about, mime_type=_JSON)(
            self.recent
        )
        server.resource(JOB, name="job", title="job", description="One job, live or ended", mime_type=_JSON)(self.job)
        server.resource(LOG, name="log", title="log", description="The end of its log", mime_type=_JSON)(self.log)

    async def active(self) -> str:
        """Read `jobs://active`."""
        with resource_errors(ACTIVE):
            caller = await self._callers.reader(self._asking.get())
            view = await self._service.status(caller, refresh=False)
        return view.model_dump_json(exclude={"news", "waited_s", "met"})

    async def recent(self) -> str:
        """Read `events://recent`."""
        with resource_errors(RECENT):
            caller = await self._callers.reader(self._asking.get())
            events = await self._service.recent(caller)
        return json.dumps([event.model_dump(mode="json") for event in events])

    async def job(self, ctx: Ctx, job: str) -> str:
        """Read `jobs://{job}`."""
        with resource_errors(f"jobs://{job}"):
            caller = await self._callers.reader(ctx.request_context)
            view = await self._service.job(caller, job)
        return view.model_dump_json()

    async def log(self, ctx: Ctx, job: str) -> str:
        """Read `log://{job}`."""
        with resource_errors(f"log://{job}"):
            caller = await self._callers.reader(ctx.request_context)
            view = await self._service.tail(caller, job)
        return view.model_dump_json(exclude={"news"})

    async def complete(
        self,
        request: Request,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _context: CompletionContext | None,
    ) -> Completion:
        """Complete a job's name from the session's latest events, which costs no question to any host."""
        of_resource = isinstance(ref, ResourceTemplateReference) and ref.uri in {JOB, LOG}
        of_prompt = isinstance(ref, PromptReference) and ref.name == TRIAGE
        if not (of_resource or of_prompt) or argument.name != JOB_ARGUMENT:
            return Completion(values=[])
        caller = await self._callers.reader(request)
        events = await self._service.recent(caller, limit=1000)
        words = dict.fromkeys(word for event in reversed(events) for word in (event.job_id, event.name) if word)
        found = [word for word in words if word.startswith(argument.value)]
        return Completion(values=found[:_MOST_COMPLETIONS], total=len(found), has_more=len(found) > _MOST_COMPLETIONS)
