"""Something that is opened once for everybody, and again when it has died."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from jobwarden.transport.errors import TransportError
from jobwarden.transport.faults import copy_of

_T = TypeVar("_T")


class _Attempt:
    def __init__(self) -> None:
        self.done = anyio.Event()
        self.error: TransportError | None = None


class Kept(Generic[_T]):
    """A thing that is opened by the first who needs it, however many wait for it, and shared.

    An opening that fails fails for all who waited; one whose opener was cancelled is taken over by a waiter.

    Args:
        opening: Opens it; its `TransportError` reaches all who wait.
        is_alive: Says whether it can still be used.
        closing: Ends it, dead or alive; must not fail.
    """

    def __init__(
        self,
        opening: Callable[[], Awaitable[_T]],
        is_alive: Callable[[_T], bool],
        closing: Callable[[_T], Awaitable[None]],
    ) -> None:
        self._opening = opening
        self._is_alive = is_alive
        self._closing = closing
        self._thing: _T | None = None
        self._attempt: _Attempt | None = None

    async def get(self) -> _T:
        """Give the thing, opened if need be.

        Raises:
            TransportError: It could not be opened.
        """
        while True:
            if self._thing is not None and self._is_alive(self._thing):
                return self._thing
            if self._attempt is None:
                await self._open()
            else:
                attempt = self._attempt
                await attempt.done.wait()
                if attempt.error is not None:
                    raise copy_of(attempt.error)

    async def drop(self) -> None:
        """End it. First it is forgotten, so that nobody is handed what is being closed."""
        thing, self._thing = self._thing, None
        if thing is not None:
            with anyio.CancelScope(shield=True):
                await self._closing(thing)

    async def _open(self) -> None:
        attempt = self._attempt = _Attempt()
        try:
            await self.drop()
            self._thing = await self._opening()
        except TransportError as error:
            attempt.error = error
            raise
        finally:
            self._attempt = None
            attempt.done.set()
