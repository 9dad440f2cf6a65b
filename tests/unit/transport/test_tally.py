"""The counts behind the metrics: of every process, in one small file that may be lost and never stands in the way."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest

from jobwarden.transport.tally import CountedTransport, Row, Tally, read_counts
from support.file_transport import FileTransport

POLL = Row("polls", "cluster-a", "slurm")


def test_what_every_process_counted_is_added_up_and_survives_them(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"

    def count(_: int) -> None:
        tally = Tally(path)
        for _ in range(10):
            tally.add(POLL)
        while tally._fresh:  # pyright: ignore[reportPrivateUsage] -- whether another flush is needed
            tally.flush()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(20)))
    assert read_counts(path) == {POLL: 200}
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_finds_the_file_held_keeps_the_counts_for_the_next_time(tmp_path: Path) -> None:
    path, tally = tmp_path / "counts.json", Tally(tmp_path / "counts.json")
    tally.add(POLL)
    with (tmp_path / "counts.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tally.flush()
        assert read_counts(path) == {}
    tally.add(POLL)
    tally.flush()
    assert read_counts(path) == {POLL: 2}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rows": [[["polls"], 1]]}', '{"rows": [[["x", "h", "", ""], 1]]}'])
def test_a_file_that_cannot_be_believed_is_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "counts.json"
    path.write_text(text)
    assert read_counts(path) == {}
    tally = Tally(path)
    tally.add(POLL)
    tally.flush()
    assert read_counts(path) == {POLL: 1}


def test_a_folder_that_cannot_be_used_stops_nobody(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "gone" / "counts.json")
    tally.add(POLL)
    tally.flush()
    (tmp_path / "gone").mkdir()
    tally.flush()
    assert read_counts(tmp_path / "gone" / "counts.json") == {POLL: 1}


def test_hosts_without_end_do_not_make_a_file_without_end(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "counts.json")
    for number in range(5001):
        tally.add(Row("commands", f"host-{number}"))
    tally.flush()
    for number in range(5001):
        tally.add(Row("commands", f"other-{number}"))
    tally.add(Row("commands", "host-0"))
    tally.flush()
    counts = read_counts(tmp_path / "counts.json")
    assert len(counts) <= 5001
    assert counts[Row("commands", "host-0")] == 2


async def test_each_command_and_each_read_counts_also_one_that_fails(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "counts.json")
    counted = CountedTransport(FileTransport(), tally)
    assert await counted.read(PurePosixPath(tmp_path / "nothing"), start=0, max_bytes=5) is None
    assert (await counted.run(["false"], timeout_s=60)).status == 1
    with pytest.raises(TimeoutError):
        await counted.run(["sleep", "60"], timeout_s=0.01)
    tally.flush()
    assert read_counts(tmp_path / "counts.json") == {Row("reads", "localhost"): 1, Row("commands", "localhost"): 2}
