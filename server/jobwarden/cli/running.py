"""Runs a conversation with the service to its end, also inside of a sandbox whose sockets may not send."""

from __future__ import annotations

import asyncio  # noqa: TID251 -- the loop itself is what is mended; anyio gives no way to it but its factory
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")
_TICK_S = 0.05


def run(work: Callable[[*_Args], Awaitable[_T]], *args: *_Args) -> _T:
    """Run an async function to its end, and give what it returns."""
    if may_send():
        return anyio.run(work, *args)
    return anyio.run(work, *args, backend_options={"loop_factory": _ticking})


def may_send() -> bool:
    """Whether this process may send on a socket, if only to itself.

    In the sandbox of Codex's shell it may not (0.169.0, Linux: seccomp refuses `sendto`). asyncio wakes its loop from
    other threads by such a socket and passes over the refusal: what a thread has done is never noticed.
    """
    one, other = socket.socketpair()
    with one, other:
        try:
            one.send(b"\0")
        except PermissionError:
            return False
        except OSError:
            return True
    return True


def _ticking() -> asyncio.AbstractEventLoop:
    """Make a loop that looks by itself whether a thread has something for it, until it is closed."""
    loop = asyncio.new_event_loop()

    def tick() -> None:
        loop.call_later(_TICK_S, tick)

    loop.call_soon(tick)
    return loop
