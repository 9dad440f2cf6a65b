"""The past of many sessions: lists, statistics and one job's story, beside reading every journal whole.

100,000 events of 60 sessions, as the product itself writes them: registrations, changes with evidence, ends with whole
records, values that rules stored. Cold is a new process' first question, with the index and without; warm is the next
one of the same process. `naive` reads each journal whole and parses every event, as the product did before. `status`
reads the whole record of every ended job.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from jobwarden.mcp_server.history import history_text, stats_text
from jobwarden.service.past.choosing import Query
from jobwarden.service.past.index import INDEX
from jobwarden.service.past_views import TimelineView
from jobwarden.service.service import Service, open_service
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index
from jobwarden_registry.model import JobRecord
from jobwarden_registry.rawjson import write_json
from jobwarden_registry.session import Session
from support.household import Household, make_household
from support.journals import a_life, add_session

EVENTS, SESSIONS, ROUNDS = 100_000, 60, 5
NOW = datetime.now(UTC)


def fill(home: Household) -> tuple[int, int, int]:
    """Write the journals; gives events, ended jobs and bytes."""
    chance = random.Random(8)
    events = jobs = size = 0
    for number in range(SESSIONS):
        begun = NOW - timedelta(days=60) + timedelta(days=number)
        lines: list[bytes] = []
        while len(lines) < EVENTS // SESSIONS:
            at = begun + timedelta(seconds=40 * len(lines))
            life = a_life(f"{number:02}{len(lines):06}", chance, at, seq=len(lines) + 1, session=f"session-{number}")
            lines += [write_json(event) + b"\n" for event in life]
            jobs += 1
        add_session(home, f"session-{number}", b"".join(lines), begun)
        events += len(lines)
        size += sum(map(len, lines))
    return events, jobs, size


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def naive(home: Household) -> int:
    """Read every journal whole, and the record of each end, as the product itself did."""
    count = 0
    for entry in Index(home.places).all():
        for event in Session(home.places, entry).journal.read():
            if event.event == EventKind.FINISHED:
                count += JobRecord.model_validate(event.record).phase.closed
    return count


async def cold(home: Household, work: Callable[[Service], Awaitable[object]]) -> float:
    """Time the first question of a service that was just opened."""
    async with open_service(home.env) as service:
        return await timed(lambda: work(service))


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="jwb-") as folder:
        home = make_household(Path(folder))
        events, jobs, size = fill(home)
        print(f"{events} events of {jobs} ended jobs in {SESSIONS} sessions, {size / 1e6:.0f} MB")
        caller = home.caller("session-0")
        a_job = f"{SESSIONS // 2:02}000000"

        async def listed(service: Service) -> int:
            return len(history_text(await service.past.history(caller, Query(scope="user")), NOW))

        async def told(service: Service) -> int:
            return len(stats_text(await service.past.statistics(caller, Query(scope="user")), NOW))

        async def story(service: Service) -> object:
            view = await service.past.history(caller, Query(job=a_job, scope="user"))
            assert isinstance(view, TimelineView)
            return view

        async def status(service: Service) -> object:
            return await service.status(caller, refresh=False, scope="project")

        parsed: list[float] = []
        for _ in range(3):
            began = time.perf_counter()
            assert naive(home) == jobs
            parsed.append(time.perf_counter() - began)
        usual = statistics.median(parsed)
        print(f"{'naive: read and parse all':34} {usual * 1000:8.0f} ms")
        without: list[float] = []
        for _ in range(3):
            for path in (home.places.state / "sessions").glob(f"*/{INDEX}"):
                path.unlink()
            without.append(await cold(home, listed))
        report("list, no index yet (makes it)", statistics.median(without), usual)
        index = sum(path.stat().st_size for path in (home.places.state / "sessions").glob(f"*/{INDEX}"))
        for name, work in (("list", listed), ("statistics", told), ("one job's story", story), ("status", status)):
            first = statistics.median([await cold(home, work) for _ in range(ROUNDS)])
            report(f"{name}, cold", first, usual)
            async with open_service(home.env) as service:
                await work(service)
                again = statistics.median([await timed(lambda: work(service)) for _ in range(ROUNDS)])  # noqa: B023 -- awaited here
            report(f"{name}, warm", again, usual)
        load = os.getloadavg()[0]
        print(f"load average {load:.1f} on {os.cpu_count()} cores")
        print(f"indexes: {index / 1e6:.1f} MB")


def report(name: str, seconds: float, usual: float) -> None:
    print(f"{name:34} {seconds * 1000:8.0f} ms {usual / seconds:7.1f} x quicker")


if __name__ == "__main__":
    anyio.run(main)
