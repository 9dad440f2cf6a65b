"""Reading on in a log, over every kind of transport."""

from __future__ import annotations

from pathlib import Path

from jobwarden.logs.position import Position, advance
from jobwarden.transport.base import Transport


async def test_reading_on_gives_what_is_new_and_says_what_happened(transport: Transport, tmp_path: Path) -> None:
    path = tmp_path / "a log"
    said: list[tuple[bytes, str]] = []
    position = Position(str(path))

    async def look() -> None:
        nonlocal position
        got = await advance(transport, position, max_bytes=5)
        said.append((got.data, got.happened))
        position = got.position

    await look()
    path.write_bytes(b"one\ntwo\n")
    await look()
    await look()
    with path.open("ab") as stream:
        stream.write(b"3\xff\n")
    await look()
    path.write_bytes(b"cut")
    await look()
    path.rename(tmp_path / "aside")
    await look()
    path.write_bytes(b"cut, and anew")
    await look()
    await look()
    assert said == [
        (b"", "missing"),
        (b"one\nt", ""),
        (b"wo\n", ""),
        (b"3\xff\n", ""),
        (b"cut", "truncated"),
        (b"", "missing"),
        (b"cut, ", "replaced"),
        (b"and a", ""),
    ]
