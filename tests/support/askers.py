"""Real processes that ask one ledger: `python askers.py FOLDER COUNT HOW`, for the tests of the ledger.

They start together when a line arrives on standard input; each question adds a byte to FOLDER/questions. HOW is
`answer` (after half a second), or `hang`: print a line and never come back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.ledger import Ledger, LedgerKey, Snapshot
from jobwarden.sources.base import Seen, Sighting, Wanted
from jobwarden_registry.clock import utc_now
from jobwarden_registry.model import Evidence
from jobwarden_registry.phases import Phase

KEY = LedgerKey("slurm", "alice@c:22")


async def ask(folder: Path, job_id: str, how: str) -> Snapshot:
    async def source(wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        with (folder / "questions").open("ab", buffering=0) as count:
            count.write(b".")
        if how == "hang":
            print("asking", flush=True)
            await anyio.sleep_forever()
        await anyio.sleep(0.5)
        evidence = Evidence(asked_at=utc_now())
        return {one.id: Seen(phase=Phase.RUNNING, status="RUNNING", evidence=evidence) for one in wanted}

    ledger = Ledger(folder / "ledger", clock=utc_now, clocks=Clocks(ask_wait_s=20.0))
    return await ledger.ask(KEY, [Wanted(id=job_id)], source, max_age_s=60.0)


def child(folder: Path, number: int, how: str, gate: int) -> None:
    os.read(gate, 1)  # ends when the parent closes the other side
    snapshot = anyio.run(ask, folder, "1", how)
    (folder / f"answer-{number}").write_text(" ".join(sorted(snapshot.answered)), encoding="utf-8")


def main() -> None:
    folder, count, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    gate, opener = os.pipe()
    children: list[int] = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            try:
                child(folder, number, how, gate)
            finally:
                os._exit(0)
        children.append(pid)
    os.close(gate)
    print(*children, flush=True)
    sys.stdin.readline()
    os.close(opener)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
