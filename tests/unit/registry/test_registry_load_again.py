"""`Session.load` parses nothing again while nothing was written, and misses nothing that was."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable

import pytest

from jobwarden_registry.session import Session
from unit.registry.registry_rig import Rig, finish, register, slurm, update


def ids(session: Session) -> list[str]:
    return [record.id for record in session.load()]


def test_an_unchanged_session_gives_the_very_same_records(rig: Rig) -> None:
    register(rig.process(), slurm("1"), slurm("2"))
    reader = rig.process()
    first = reader.load()
    assert reader.load() is first
    assert [record.id for record in first] == ["1", "2"]


def by_registering(rig: Rig) -> None:
    register(rig.process(), slurm("3"))


def by_changing(rig: Rig) -> None:
    update(rig.process(), rig.process().load()[0].uid, last_status="RUNNING")


def by_ending(rig: Rig) -> None:
    finish(rig.process(), rig.process().load()[0].uid)


def by_hand_with_the_same_length_and_time(rig: Rig) -> None:
    """As an editor within one tick of the file system's clock, or a network file system that remembers old times."""
    found = rig.file.stat()
    text = rig.file.read_text(encoding="utf-8")
    assert text.count("old words") == 1
    with rig.file.open("r+", encoding="utf-8") as file:
        file.write(text.replace("old words", "new words"))
    os.utime(rig.file, ns=(found.st_atime_ns, found.st_mtime_ns))


def by_taking_an_entry_out(rig: Rig) -> None:
    rig.file.write_text(json.dumps(rig.read()[1:]), encoding="utf-8")


def by_losing_the_file(rig: Rig) -> None:
    shutil.rmtree(rig.file.parent)


def by_losing_the_projection(rig: Rig) -> None:
    (rig.folder / "projection.json").unlink()
    lines = rig.journal.read_bytes().splitlines(keepends=True)
    rig.journal.write_bytes(b"".join(lines[:-1]))


@pytest.mark.parametrize(
    "change",
    [
        by_registering,
        by_changing,
        by_ending,
        by_hand_with_the_same_length_and_time,
        by_taking_an_entry_out,
        by_losing_the_file,
        by_losing_the_projection,
    ],
)
def test_whatever_was_written_since_is_read(rig: Rig, change: Callable[[Rig], None]) -> None:
    register(rig.process(), slurm("1", description="old words"), slurm("2"))
    reader = rig.process()
    before = reader.load()
    change(rig)
    assert reader.load() == rig.process().load()
    assert reader.load() != before


def test_a_line_that_is_being_written_is_not_taken_for_the_end(rig: Rig) -> None:
    register(rig.process(), slurm("1"))
    reader = rig.process()
    reader.load()
    whole = rig.journal.read_bytes()
    line = whole.splitlines(keepends=True)[-1].replace(b'"seq":1', b'"seq":2').replace(b'"registered"', b'"removed"')
    rig.journal.write_bytes(whole + line[:-5])
    assert ids(reader) == ["1"]
    rig.journal.write_bytes(whole + line)
    assert ids(reader) == []
