"""What every command needs: the service, who is calling, the clock, and the options that all share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from jobwarden_registry.clock import Clock

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.mcp_server.lifeline import Lifeline
    from jobwarden.service.service import Service

_T = TypeVar("_T")
_C = TypeVar("_C", bound=Callable[..., object])


class OpenService(Protocol):
    """See `jobwarden.service.service.open_service`."""

    def __call__(self, env: Mapping[str, str], *, project: Path | None = None) -> AbstractAsyncContextManager[Service]:
        """See there."""
        ...


@dataclass(frozen=True, slots=True)
class Face:
    """One run of the command line.

    Attributes:
        env: The environment that it was started in.
        cwd: The folder that it was started in.
        clock: The present.
        open_service: Opens what answers; the real one unless a test gives another.
        lifeline: For `serve`: what reads the client already.
    """

    env: Mapping[str, str]
    cwd: Path
    clock: Clock
    open_service: OpenService | None = None
    lifeline: Lifeline | None = None

    def ask(self, session: str | None, work: Callable[[Service, Caller], Awaitable[_T]]) -> _T:
        """Run one conversation with the service, from opening to closing it.

        Raises:
            JobwardenError: As the service says.
        """
        from jobwarden.cli.running import run

        return run(self._ask, session, work)

    def ask_as(self, caller: Caller, work: Callable[[Service, Caller], Awaitable[_T]]) -> _T:
        """As `ask`, for a caller that is known already.

        Raises:
            JobwardenError: As the service says.
        """
        from jobwarden.cli.running import run

        return run(self._ask_as, caller, work)

    async def _ask(self, session: str | None, work: Callable[[Service, Caller], Awaitable[_T]]) -> _T:
        return await self._ask_as(self.caller(session), work)

    async def _ask_as(self, caller: Caller, work: Callable[[Service, Caller], Awaitable[_T]]) -> _T:
        async with self._opener()(self.env, project=caller.project) as service:
            return await work(service, caller)

    def _opener(self) -> OpenService:
        if self.open_service is not None:
            return self.open_service
        from jobwarden.service.service import open_service

        return open_service

    def caller(self, session: str | None) -> Caller:
        """Find out who is calling.

        Raises:
            InvalidIdError: `session` cannot be a session's id.
        """
        from jobwarden.identity import resolve_caller
        from jobwarden_registry.paths import user_places

        return resolve_caller(self.env, session_id=session, cwd=self.cwd, places=user_places(self.env))


def examples(*lines: str) -> str:
    """Write a command's examples for the end of its help; click keeps their lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


pass_face = click.make_pass_decorator(Face)


def shared_options(command: _C) -> _C:
    """Add the options that every asking command has: `--session` and `--json`."""
    session = click.option(
        "--session", metavar="ID", help="Speak for this session. [default: the agent's own, or this terminal's]"
    )
    json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    return session(json(command))
