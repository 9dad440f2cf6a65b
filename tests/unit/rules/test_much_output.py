"""A log that grows faster than rules look: nothing is lost, nothing is doubled, and no look takes long."""

from __future__ import annotations

import tracemalloc
from pathlib import Path, PurePosixPath

import pytest

from jobwarden.config.clocks import Clocks
from jobwarden.rules import reading
from jobwarden.rules.building import read_rules
from jobwarden.rules.engine import MOST_A_MINUTE, step
from jobwarden.rules.reading import read_aside, read_on
from jobwarden.rules.sight import Look, Text
from jobwarden.rules.state import JobRules, Place
from jobwarden.transport.local import LocalTransport
from jobwarden_registry.clock import utc_now
from jobwarden_registry.model import JobRecord

JOB = JobRecord(type="slurm", id="7", uid="u")


async def test_a_look_reads_a_bounded_number_of_bytes_and_lines_and_the_next_one_goes_on(tmp_path: Path) -> None:
    log, transport = tmp_path / "log", LocalTransport("localhost", env={}, clocks=Clocks())
    rows = [b"%d" % number for number in range(reading.MOST_LINES * 2 + 7)] + [b"x" * 70 for _ in range(30_000)]
    log.write_bytes(b"\n".join(rows))
    place, found, looks = Place(host="localhost", path=str(log)), list[bytes](), 0
    while True:
        read = await read_on(transport, place, last=True)
        lines = [line for part in read.parts for line in part.split(b"\n")]
        assert len(lines) <= reading.MOST_LINES
        assert sum(map(len, read.parts)) <= reading.READ_BYTES
        found, place, looks = [*found, *lines], read.place, looks + 1
        if not read.more:
            break
    assert found == rows
    assert looks > 4


async def test_what_rotation_moved_aside_is_read_on_over_several_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_LINES", 3)
    log, transport = tmp_path / "log", LocalTransport("localhost", env={}, clocks=Clocks())
    log.write_bytes(b"0\n")
    place = (await read_on(transport, Place(host="localhost", path=str(log)), last=False)).place
    with log.open("ab") as file:
        file.write(b"1\n2\n3\n4\n5\n6\n7")
    log.rename(tmp_path / "log.1")
    log.write_bytes(b"new\n")
    found = list[bytes]()
    more = True
    while more:
        assert (await read_on(transport, place, last=False)).anew
        read = await read_aside(transport, place, PurePosixPath(tmp_path / "log.1"))
        found, place, more = [*found, *read.parts], read.place, read.more
    assert found == [b"1\n2\n3", b"4\n5\n6", b"7"]


def test_lines_for_which_nothing_can_fire_any_more_are_only_counted() -> None:
    """A mebibyte of short lines took 400 MB, each line an object of its own."""
    rules = read_rules(["name=all pattern=x", "name=last pattern=x at_end=true", "name=once pattern=x max_triggers=1"])
    look = Look(JOB, utc_now(), texts=[Text(("stdout",), b"x\n" * 5_000)])
    tracemalloc.start()
    outcome = step(rules, JobRules(), look)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [outcome.state.of(rule.name).matches for rule in rules] == [5_000] * 3
    assert [outcome.state.of(rule.name).fired for rule in rules] == [MOST_A_MINUTE, 0, 1]
    assert peak < 500_000
