"""The logs of jobs as they grow, until the jobs have ended: `jobwarden tail -f`.

The files are read again and again, quickly while they grow and ever more slowly while they do not (decision 0016).
What becomes of the jobs is read from the ledger as by everybody; only a log that has fallen silent is a reason to ask,
within the floor, and each time that it was none the next comes later.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.ends import Ends
from jobwarden.service.log_files import BOTH
from jobwarden.service.log_follower import LogFollower, Pacing, Which
from jobwarden.service.reading import find
from jobwarden.service.told import Began, Ended, Tell
from jobwarden_registry.errors import InvalidIdError


async def follow_logs(
    desk: Desk, caller: Caller, jobs: Sequence[str], *, lines: int, stream: str, task: str | None, tell: Tell
) -> tuple[Ended, ...]:
    """See `Service.follow_logs`."""
    if stream == BOTH:
        raise InvalidIdError("One stream is followed at a time.", hint="Streams: stdout, stderr.")
    chosen = {one.record.uid: one for one in [await find(desk, caller, job) for job in jobs]}
    unknown = {uid for uid, one in chosen.items() if one.live and one.record.log is None}
    if unknown:
        await desk.refresh([one.session for one in chosen.values()], about=unknown)
    ends, pacing = Ends(desk, caller, list(chosen.values())), Pacing()
    await ends.read()
    await tell(Began(await desk.views([ends.now(uid) for uid in chosen], caller)))
    ended: dict[int, Ended] = {}

    async def follow(number: int, uid: str) -> None:
        which = Which(number, uid, stream, task)
        ended[number] = await LogFollower(desk, caller, ends, pacing, which, tell).run(lines)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ends.watch)
        async with anyio.create_task_group() as followers:
            for number, uid in enumerate(chosen):
                followers.start_soon(follow, number, uid)
        tasks.cancel_scope.cancel()
    return tuple(ended[number] for number in range(len(chosen)))
