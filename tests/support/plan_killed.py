"""A process that brings a plan forward, and kills itself by SIGKILL at a step that it was told.

`python -m support.plan_killed FILE resume|submit STEP DELAY_MS`, with the environment of a household. A step is before or
after anything that is journaled or submitted; at an odd one before a submission it dies so long after that was sent.
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
from jobwarden.service import plan_working
from jobwarden.service.service import open_service
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden_registry.paths import user_places


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Countdown:
    """Dies at the n-th step."""

    at: int
    delay_s: float

    def step(self, what: str) -> None:
        self.at -= 1
        if self.at > 0:
            return
        print(f"dies {what}", flush=True)
        die()

    def journaling(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step("before a line of the journal")
            result = work(*args, **kwargs)
            self.step("after a line of the journal")
            return result

        return wrapped

    def submitting(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.at -= 1
            if self.at <= 0:
                print("dies between sbatch and its answer", flush=True)
                threading.Timer(self.delay_s, die).start()
            result = await work(*args, **kwargs)
            self.step("after an answer of sbatch")
            return result

        return wrapped


async def main(file: Path, how: str, at: int, delay_s: float) -> None:
    countdown = Countdown(at, delay_s)
    plan_working.change_plan = countdown.journaling(plan_working.change_plan)
    SlurmSource.submit_script = countdown.submitting(SlurmSource.submit_script)  # type: ignore[method-assign]  # pyright: ignore[reportAttributeAccessIssue] -- to die in it
    env = dict(os.environ)
    caller = resolve_caller(env, cwd=file.parent, places=user_places(env))
    async with open_service(env) as service:
        bring = service.plans.submit if how == "submit" else service.plans.resume
        view = await bring(caller, file)
        print(f"done: {'; '.join(view.done)}", flush=True)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) / 1000)
