"""Lines of a journal that hold certain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobwarden_registry import scanning
from jobwarden_registry.disk import Opened, Steps, open_folder
from jobwarden_registry.rawjson import write_json
from jobwarden_registry.scanning import Scan


def write(folder: Path, *events: str, torn: bytes = b"") -> bytes:
    lines = [write_json({"seq": number, "event": event}) + b"\n" for number, event in enumerate(events, start=1)]
    data = b"".join(lines) + torn
    (folder / "events.jsonl").write_bytes(data)
    return data


def scan(folder: Path, *words: bytes, start: int = 0) -> tuple[list[object], int]:
    """Give the numbers of what was found, and where the journal ends."""
    opened = open_folder(folder.parent, (folder.name,), Steps(), create=False)
    assert opened is not None
    with opened, opened.opened("events.jsonl") as journal:
        assert isinstance(journal, Opened)
        one = Scan(journal, words, start)
        found = list(one)
        data = (folder / "events.jsonl").read_bytes()
        for line in found:
            assert data[line.start + line.length : line.start + line.length + 1] == b"\n"
            assert data[line.start : line.start + 1] == b"{"
        return [line.raw["seq"] for line in found], one.end


@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 20])
def test_each_line_with_a_word_comes_once_and_in_order_whatever_the_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(scanning, "_PIECE", piece)
    data = write(tmp_path, "a", "finished", "b", "removed", "finished", "a removed finished one")
    assert scan(tmp_path, b'"finished"', b'"removed"') == ([2, 4, 5], len(data))
    assert scan(tmp_path, b"finished", b"removed") == ([2, 4, 5, 6], len(data))


def test_a_torn_end_is_not_there_yet_and_broken_lines_are_passed_over(tmp_path: Path) -> None:
    whole = write(tmp_path, "finished")
    broken = b'{"seq":2,"event":"finished"\n' + whole.replace(b"1", b"3")
    write(tmp_path, "finished", torn=broken + b'{"seq":4,"event":"finished"}')
    assert scan(tmp_path, b"finished") == ([1, 3], len(whole) + len(broken))
    assert scan(tmp_path, b"finished", start=len(whole)) == ([3], len(whole) + len(broken))


def test_an_empty_journal_has_no_lines(tmp_path: Path) -> None:
    write(tmp_path)
    assert scan(tmp_path, b"finished") == ([], 0)
