"""The prompts: what a person picks from a menu. Their texts stand in files of their own, `prompts/*.md`."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from pydantic import Field

from jobwarden.mcp_server.cells import cell
from jobwarden.mcp_server.edge import Callers, protocol_errors
from jobwarden.mcp_server.news import job_label
from jobwarden.mcp_server.rows import job_note
from jobwarden_registry.clock import Clock

if TYPE_CHECKING:
    from jobwarden.service.service import Service

TEXTS = Path(__file__).with_name("prompts")
TRIAGE = "triage"
REPORT = "report"
JOB_ARGUMENT = "job"

Ctx = Context[Any, Any]


class Prompts:
    """The prompts of one server."""

    def __init__(self, service: Service, callers: Callers, clock: Clock) -> None:
        self._service = service
        self._callers = callers
        self._clock = clock

    def add_to(self, server: MCPServer[Any]) -> None:
        """Add the prompts to a server."""
        about = "Diagnose a job that went wrong, fix the cause, submit it again"
        server.prompt(TRIAGE, title="Triage a job", description=about)(self.triage)
        about = "What changed in this session's jobs, and what needs a decision"
        server.prompt(REPORT, title="Report on the jobs", description=about)(self.report)

    async def triage(self, ctx: Ctx, job: Annotated[str, Field(description="Id, type:id, host:id or name")]) -> str:
        """Give the text for one job.

        Raises:
            MCPError: No watched job is called so, or several are; the message lists them.
        """
        with protocol_errors():
            caller = await self._callers.reader(ctx.request_context)
            found = await self._service.job(caller, job.strip())
        note = job_note(found, self._clock())
        status = cell(found.status, 64) or found.phase.value
        return _text(TRIAGE).substitute(
            label=job_label(found.type, found.id, found.host, found.name),
            state=f"{status} ({cell(note, 300)})" if note else status,
            job=_word(found.id),
            type=_word(found.type),
            host=_word(found.host),
            name=f', name="{_word(found.name)}"' if found.name else "",
        )

    async def report(self) -> str:
        """Give the text."""
        return _text(REPORT).template


def _text(name: str) -> Template:
    return Template((TEXTS / f"{name}.md").read_text(encoding="utf-8").strip())


def _word(text: str) -> str:
    """Write a job's own word so that it stays inside its quotes."""
    return cell(text, 120).replace("\\", "\\\\").replace('"', '\\"')
