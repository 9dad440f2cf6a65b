"""When each job is looked at for its rules: beside the rounds, so that a log that hangs holds up no verdict."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import anyio
from anyio.abc import TaskGroup

from jobwarden.rules.looking import Looker
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.survey import Board, Ruled, Stamp
from jobwarden_registry.errors import JobwardenError, LeaseLostError

log = logging.getLogger(__name__)

_SOON_S = 5.0
"""Who waits longer than this wakes by itself in time."""
_AT_ONCE = 8
"""So many jobs are looked at at the same time."""


@dataclass(slots=True)
class _Turn:
    """One job's.

    Attributes:
        due_at: By the loop's clock.
        stamp: What the survey said of it when it was looked at last.
        busy: It is being looked at.
        fault: What went wrong last, in words.
    """

    due_at: float = 0.0
    stamp: Stamp | None = None
    busy: bool = False
    fault: str = ""


class Ruling:
    """Looks at every job that has rules, each in its own time; a fault in one of them is that one's alone.

    Args:
        looker: Looks.
        leasing: Is told of a lease that was lost.
        retry_s: How long a job is left alone after a fault.
        wake: Called when a look is over.
    """

    def __init__(self, looker: Looker, leasing: Leasing, *, retry_s: float, wake: Callable[[], None]) -> None:
        self._looker = looker
        self._leasing = leasing
        self._retry_s = retry_s
        self._wake = wake
        self._turns: dict[Ruled, _Turn] = {}
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    @property
    def busy(self) -> bool:
        """Whether anything is being looked at."""
        return any(turn.busy for turn in self._turns.values())

    def begin(self, tasks: TaskGroup, board: Board) -> None:
        """Look at what is due."""
        for gone in [one for one in self._turns if one not in board.ruled and not self._turns[one].busy]:
            del self._turns[gone]
        for ruled, stamp in board.ruled.items():
            turn = self._turns.setdefault(ruled, _Turn())
            if turn.busy:
                continue
            if turn.stamp != stamp or turn.due_at <= anyio.current_time():
                turn.busy, turn.stamp = True, stamp
                tasks.start_soon(self._look, ruled, turn, stamp, board.tokens)

    def wait_s(self) -> float:
        """Say how long nothing is due."""
        waits = [turn.due_at - anyio.current_time() for turn in self._turns.values() if not turn.busy]
        return min(waits, default=float("inf"))

    async def _look(self, ruled: Ruled, turn: _Turn, stamp: Stamp, tokens: Mapping[str, str]) -> None:
        session_id = ruled.session.entry.session_id
        wait_s: float | None = self._retry_s
        try:
            async with self._limiter:
                looked = await self._looker.look(ruled.session, ruled.uid, lease=tokens.get(session_id))
        except LeaseLostError:
            self._leasing.lost(session_id)
        except (JobwardenError, OSError) as error:
            self._say(turn, f"session {session_id}: the rules of job {ruled.uid}: {error}")
        except Exception as error:  # one job's fault, whatever it is, stops no other
            if turn.fault != repr(error):
                log.exception("session %s: the rules of job %s", session_id, ruled.uid)
            turn.fault = repr(error)
        else:
            turn.fault, wait_s = "", looked.wait_s
            turn.stamp = replace(stamp, version=looked.version)
        finally:
            turn.due_at = anyio.current_time() + (self._retry_s if wait_s is None else wait_s)
            turn.busy = False
            if turn.due_at - anyio.current_time() < _SOON_S:
                self._wake()

    def _say(self, turn: _Turn, text: str) -> None:
        if turn.fault != text:
            log.warning("%s", text)
        turn.fault = text
