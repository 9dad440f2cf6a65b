"""Server processes' worth of everything, in one process: real services that share a home, each with a real client.

What is watched is made of paper.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mcp import Client
from mcp.client.extension import ClientExtension
from mcp.client.session import MessageHandlerFnT

from jobwarden.identity import Caller
from jobwarden.mcp_server.app import build_server
from jobwarden.service.service import Service
from support.household import Household
from support.paper import Paper, QuietDesk, paper_service
from support.task_client import KnowsTasks, call


@dataclass
class Process:
    """One server process's worth of everything, as a client of one session meets it."""

    service: Service
    desk: QuietDesk
    home: Household
    paper: Paper
    client: Client = field(init=False)
    caller: Caller = field(init=False)

    async def happens(self, job: str, word: str = "COMPLETED") -> None:
        """Let a job change, and the watcher see it: no agent has been told."""
        self.paper.states[job] = word
        session = await self.desk.session(self.caller)
        assert session is not None
        await self.desk.refresh([session])

    async def watch(self, *ids: str) -> None:
        """Register running jobs, and be told what there is to tell."""
        self.paper.states |= dict.fromkeys(ids, "RUNNING")
        await self.service.register(self.caller, type="paper", ids=ids)
        for _ in range(2):
            await self.service.status(self.caller)

    async def says(self, tool: str, **arguments: Any) -> str:
        said = await call(self.client, tool, **arguments)
        assert isinstance(said, str), said
        return said


@dataclass
class Processes:
    """Starts processes that share a home and the jobs in it.

    Attributes:
        late: By how much the clock of the waits goes ahead.
    """

    home: Household
    stack: AsyncExitStack
    paper: Paper = field(default_factory=Paper)
    late: timedelta = timedelta()
    count: int = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.late

    async def start(
        self,
        session: str = "session-1",
        *,
        mode: Any = "auto",
        tasks: bool = True,
        detail: str | None = None,
        claimed: bool = False,
        on_message: MessageHandlerFnT | None = None,
    ) -> Process:
        """Start a server process, and connect a client of this session to it."""
        service, desk = await self.stack.enter_async_context(paper_service(self.home, self.paper, self.now))
        process = Process(service, desk, self.home, self.paper)
        self.count += 1
        me = replace(self.home.caller(session, client=f"client-{self.count}"), claimed=claimed)
        process.caller = me

        def find(*, meta: Any, session_id: str | None) -> Caller:
            if session_id not in (None, me.session_id):
                return replace(me, session_id=str(session_id), claimed=True)
            return replace(me, detail=detail)

        server = build_server(service, find_caller=find, clock=lambda: datetime(2026, 11, 21, tzinfo=UTC) + self.late)
        extensions: list[ClientExtension] = [KnowsTasks()] if tasks else []
        process.client = await self.stack.enter_async_context(
            Client(server, mode=mode, extensions=extensions, message_handler=on_message)
        )
        return process
