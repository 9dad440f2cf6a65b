"""A process that brings a plan forward, and kills itself by SIGKILL at a step that it was told.

`python -m support.plan_killed FILE submit|resume STEP NTH DELAY_MS`, with the environment of a household: at the n-th
of the steps in `STEPS`; in `during` so long after the submission was sent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from jobwarden.identity import resolve_caller
from jobwarden.plans.state import change_plan
from jobwarden.service import plan_book
from jobwarden.service.service import open_service
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden_registry.paths import user_places


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


STEPS = ("before a line", "after a line", "during", "after an answer")
"""Of the journal; and of a submission."""


@dataclass
class Countdown:
    """Dies at the n-th step of a kind."""

    what: str
    left: int
    delay_s: float

    def step(self, what: str) -> None:
        self.left -= what == self.what
        if what == self.what and self.left == 0:
            print(f"died {what}", flush=True)
            if what != "during":
                die()
            threading.Timer(self.delay_s, die).start()

    def journaling(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step("before a line")
            result = work(*args, **kwargs)
            self.step("after a line")
            return result

        return wrapped

    def submitting(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step("during")
            result = await work(*args, **kwargs)
            self.step("after an answer")
            return result

        return wrapped


async def main(file: Path, how: str, countdown: Countdown) -> None:
    setattr(plan_book, "change_plan", countdown.journaling(change_plan))  # noqa: B010 -- to die in it
    setattr(SlurmSource, "submit_script", countdown.submitting(SlurmSource.submit_script))  # noqa: B010 -- likewise
    env = dict(os.environ)
    caller = resolve_caller(env, cwd=file.parent, places=user_places(env))
    async with open_service(env) as service:
        bring = service.plans.submit if how == "submit" else service.plans.resume
        view = await bring(caller, file)
        print(f"done: {'; '.join(view.done)}", flush=True)


if __name__ == "__main__":
    _, where, verb, step, nth, delay_ms = sys.argv
    anyio.run(main, Path(where), verb, Countdown(step, int(nth), int(delay_ms) / 1000))
