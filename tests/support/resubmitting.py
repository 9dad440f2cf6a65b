"""A process that carries out one resubmission, and may be told to die right after sbatch has answered.

`python -m support.resubmitting SESSION UID FIRING [die]`, with the environment of a household.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import anyio

from jobwarden.actions.call import ActionCall, Firing
from jobwarden.actions.carrying import Actor, Done
from jobwarden.sources.base import Host
from jobwarden.sources.resubmitting import Original
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.verdict.world import open_world
from jobwarden_registry.clock import utc_now

CALLS = (ActionCall("resubmit", {"modifications": {"time": "${minutes}", "nice": 5}, "reason": "loss ${loss}"}),)


async def act(env: dict[str, str], session_id: str, uid: str, firing_id: str) -> list[Done]:
    """Carry it out, and whatever was open before."""
    async with open_world(env) as world:
        session = next(one for one in await world.sessions.known() if one.entry.session_id == session_id)
        record = next(one for one in session.load() if one.uid == uid)
        firing = Firing(firing_id, "diverged", uid, utc_now(), {"loss": "12.5", "minutes": "7"}, "loss: 12.5", "stdout")
        actor = Actor(world.rounds, env)
        return await actor.carry_out(session, record, firing, CALLS)


def die_after_sbatch() -> None:
    """Let this process be killed between the submission and the journal's line about it."""
    submit = SlurmSource.submit

    async def deadly(
        self: SlurmSource, host: Host, original: Original, changes: Sequence[str], token: str
    ) -> str | None:
        print(await submit(self, host, original, changes, token), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    SlurmSource.submit = deadly  # type: ignore[method-assign]  # this process is to die


if __name__ == "__main__":
    if sys.argv[4:] == ["die"]:
        die_after_sbatch()
    session_id, uid, firing_id = sys.argv[1:4]
    anyio.run(act, dict(os.environ), session_id, uid, firing_id)
