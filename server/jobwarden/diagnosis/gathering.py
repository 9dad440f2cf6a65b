"""Reading a job's logs for a diagnosis: two round trips, only what may be read, never more than the reach allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobwarden.diagnosis.pieces import FILES_MOST, Reach, ReadLog, parts_of, read_argv, read_pieces
from jobwarden.logs.allowed import LogRefusedError, Readable, allowed_paths
from jobwarden.sources.framing import new_nonce, read_parts
from jobwarden.transport.base import Transport

_SPARE_S = 1.0
_SAID_CHARS = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A file that may hold the reason.

    Attributes:
        path: Absolute.
        label: Which part of the job wrote it; empty for the only one.
    """

    path: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was read.

    Attributes:
        logs: Those that are there.
        notes: What was not read, and why; one sentence each.
    """

    logs: tuple[ReadLog, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Gathered) -> Gathered:
        """Put two together."""
        return Gathered((*self.logs, *other.logs), (*self.notes, *other.notes))


async def read_logs(
    transport: Transport, places: Sequence[Place], readable: Readable, reach: Reach, *, timeout_s: float
) -> Gathered:
    """Read the telling parts of these files. The first round trip resolves links, the second one reads.

    Two, because what may be read is decided here, by where a path really leads, and not by a script over there.

    Args:
        transport: Where they are.
        places: The first `FILES_MOST` different ones are read.
        readable: Which files may be read.
        reach: How much.
        timeout_s: For each round trip.

    Raises:
        TransportError: As `Transport.run`.
        UnreadableAnswerError: The answer is torn.
    """
    chosen = list({one.path: one for one in reversed(places)}.values())[::-1]
    notes = [f"{len(chosen) - FILES_MOST} more files were not read."] if len(chosen) > FILES_MOST else []
    try:
        found = await allowed_paths(transport, [one.path for one in chosen[:FILES_MOST]], readable, timeout_s=timeout_s)
    except LogRefusedError as error:
        return Gathered(notes=(*notes, error.text))
    real: dict[PurePosixPath, Place] = {}
    for one in chosen[:FILES_MOST]:
        there = found[one.path]
        if isinstance(there, LogRefusedError):
            notes.append(there.text)
        else:
            real.setdefault(there, one)
    if not real:
        return Gathered(notes=tuple(notes))
    return Gathered(notes=tuple(notes)) + await _read(transport, real, reach, timeout_s)


async def _read(transport: Transport, real: dict[PurePosixPath, Place], reach: Reach, timeout_s: float) -> Gathered:
    nonce = new_nonce()
    argv = read_argv(nonce, list(real), reach.shared(len(real)), limit_s=max(1.0, timeout_s - _SPARE_S))
    done = await transport.run(argv, timeout_s=timeout_s)
    parts = parts_of(read_parts(done.stdout, nonce), len(real))
    logs: list[ReadLog] = []
    notes: list[str] = []
    for (path, place), part in zip(real.items(), parts, strict=True):
        read = None if part is None else read_pieces(part, nonce, name=str(path), label=place.label)
        if read is not None:
            logs.append(read)
        elif part is not None and part.stdout.startswith(b"missing"):
            notes.append(f"{path} is not there.")
        else:
            said = part.stderr[:_SAID_CHARS] if part is not None else ""
            notes.append(f"{path} could not be read{': ' + said if said else ''}.")
    return Gathered(tuple(logs), tuple(notes))
