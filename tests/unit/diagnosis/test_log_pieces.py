"""Reading a job's logs for a diagnosis: how much, which files, and what when one is not there or not what it was."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobwarden.diagnosis.gathering import Gathered, Place, read_logs
from jobwarden.diagnosis.pieces import SHORT, TELLING, WHOLE, Reach, ReadLog
from jobwarden.logs.allowed import Readable
from jobwarden.transport.base import Completed
from support.failures import failures
from support.file_transport import FileTransport

SMALL = Reach(head=2000, tail=3000, before=300, after=600, hits=3, scan=10**6)


async def read(folder: Path, *names: str, reach: Reach = WHOLE, transport: FileTransport | None = None) -> Gathered:
    places = [Place(str(folder / name)) for name in names]
    readable = Readable(work_dir=str(folder))
    return await read_logs(transport or FileTransport(), places, readable, reach, timeout_s=60)


def size_of(read: ReadLog) -> int:
    return sum(len(piece.data) for piece in read.log.pieces)


def a_long_log(path: Path, bad: Sequence[int] = (), lines: int = 20_000) -> None:
    texts = (f"RuntimeError: bad {at}" if at in bad else f"step {at} loss=0.5" for at in range(1, lines + 1))
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")


async def test_a_short_log_is_read_whole_in_two_round_trips(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\ntwo\r\n\xff\x00three")
    transport = FileTransport()
    (one,) = (await read(tmp_path, "a.log", transport=transport)).logs
    assert [(piece.data, piece.first_line) for piece in one.log.pieces] == [(b"one\ntwo\r\n\xff\x00three", 1)]
    assert one.log.ends
    assert transport.requests == 2


async def test_every_line_of_a_long_log_that_is_read_has_its_own_number(tmp_path: Path) -> None:
    bad = (4000, 4003, 9000, 15_000)
    a_long_log(tmp_path / "a.log", bad)
    lines = (tmp_path / "a.log").read_text(encoding="utf-8").split("\n")
    (one,) = (await read(tmp_path, "a.log", reach=SMALL)).logs
    pieces = one.log.pieces
    assert len(pieces) == 5  # two of the hits are one neighbourhood
    for piece in pieces:
        assert piece.first_line is not None
        shown = piece.data.decode().split("\n")
        whole = shown if piece is pieces[-1] else shown[:-1]
        assert whole == lines[piece.first_line - 1 : piece.first_line - 1 + len(whole)]
    text = b"".join(piece.data for piece in pieces).decode()
    assert all(f"bad {at}\n" in text for at in bad)
    assert pieces[0].data.startswith(b"step 1 ")
    assert pieces[-1].data.endswith(b"step 20000 loss=0.5\n")


async def test_of_very_many_telling_lines_the_first_and_the_last_are_read(tmp_path: Path) -> None:
    a_long_log(tmp_path / "a.log", range(1, 20_001))
    (one,) = (await read(tmp_path, "a.log", reach=SMALL)).logs
    assert size_of(one) <= SMALL.most
    middle = [piece.first_line or 0 for piece in one.log.pieces[1:-1]]
    assert min(middle) < 200
    assert max(middle) > 19_000


@pytest.mark.parametrize("reach", [WHOLE, SHORT])
async def test_a_sparse_log_of_a_gigabyte_costs_no_more_than_the_limit(tmp_path: Path, reach: Reach) -> None:
    with (tmp_path / "a.log").open("wb") as file:
        file.write(b"error: at the beginning\n")
        file.truncate(2**30)
        file.seek(0, 2)
        file.write(b"\nerror: at the end\n")
    (one,) = (await read(tmp_path, "a.log", reach=reach)).logs
    assert size_of(one) <= reach.most < 2_000_000
    assert one.log.pieces[0].data.startswith(b"error: at the beginning\n")
    assert one.log.pieces[-1].data.endswith(b"error: at the end\n")
    assert one.log.pieces[-1].first_line is None  # nobody has counted a gigabyte's lines


def test_nearly_every_telling_line_of_the_corpus_is_one_whose_neighbourhood_is_read() -> None:
    telling = re.compile(TELLING.encode(), re.IGNORECASE)
    cases = [case for case in failures() if case.lines and not (case.healthy or case.silent)]
    lines = {log.name: log.pieces[0].data.split(b"\n") for case in cases for log in case.logs}
    missed = [
        case.name
        for case in cases
        if not any(
            telling.search(lines[log.name][line - 1])
            for log in case.logs
            for file, line in case.lines
            if file == log.name
        )
    ]
    assert len(missed) <= len(cases) // 20, missed


async def test_many_logs_share_what_one_may_have(tmp_path: Path) -> None:
    for rank in range(12):
        a_long_log(tmp_path / f"rank-{rank}.log", range(5000, 6000), lines=60_000)
    found = await read(tmp_path, *(f"rank-{rank}.log" for rank in range(12)))
    assert len(found.logs) == 12
    assert sum(map(size_of, found.logs)) <= 3 * WHOLE.most


async def test_a_log_that_is_not_there_is_said_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_text("there\n", encoding="utf-8")
    found = await read(tmp_path, "a.log", "b.log")
    assert [one.log.name for one in found.logs] == [str(tmp_path / "b.log")]
    assert found.notes == (f"{tmp_path / 'a.log'} is not there.",)


async def test_a_folder_or_a_pipe_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    found = await read(tmp_path, "folder.log", "pipe.log")
    assert found.logs == ()
    assert len(found.notes) == 2


class Spied(FileTransport):
    """Keeps all that came back; and does something between two commands, as somebody over there might."""

    def __init__(self, between: Sequence[Path] = ()) -> None:
        super().__init__()
        self.seen = b""
        self._between = between

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        done = await super().run(argv, timeout_s=timeout_s, stdin=stdin)
        self.seen += done.stdout
        if self._between and self.requests == 1:
            name, target = self._between
            name.unlink()
            name.symlink_to(target)
        return done


async def test_nothing_outside_the_allowed_paths_is_read(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "secret").write_text("SECRET", encoding="utf-8")
    (work / ".hidden").write_text("SECRET", encoding="utf-8")
    (work / "link.log").symlink_to(tmp_path / "secret")
    transport = Spied()
    found = await read(work, "../secret", ".hidden", "link.log", "/etc/hostname", transport=transport)
    assert found.logs == ()
    assert len(found.notes) == 4
    assert b"SECRET" not in transport.seen


async def test_a_log_that_becomes_a_link_after_it_was_looked_at_is_not_read(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.log").write_text("harmless", encoding="utf-8")
    (tmp_path / "secret").write_text("SECRET", encoding="utf-8")
    transport = Spied((work / "a.log", tmp_path / "secret"))
    found = await read(work, "a.log", transport=transport)
    assert found.logs == ()
    assert b"SECRET" not in transport.seen


async def test_two_names_of_one_file_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("once\n", encoding="utf-8")
    (tmp_path / "b.log").symlink_to(tmp_path / "a.log")
    assert len((await read(tmp_path, "a.log", "b.log", "a.log")).logs) == 1
