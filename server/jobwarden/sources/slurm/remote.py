"""One framed run on a host of Slurm's, and the time that each of its programs may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobwarden.sources.base import Host
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part, read_parts, sample

_SPARE_S = 5.0
"""Left of a run's time for its way there and back when its programs have used up theirs."""


async def run_parts(host: Host, argv: Sequence[str], nonce: str) -> Mapping[str, Part]:
    """Run it and take its answer apart.

    Raises:
        TransportError, UnreadableAnswerError: Nothing of an answer may be used.
    """
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    try:
        return read_parts(done.stdout, nonce)
    except UnreadableAnswerError as error:
        complaint = sample(done.stderr).strip()
        if complaint:
            raise UnreadableAnswerError(f"{error.text} Complaints: {complaint}"[:2048]) from error
        raise


def required(parts: Mapping[str, Part], name: str) -> Part:
    """Give a part that every whole answer has.

    Raises:
        UnreadableAnswerError: It lacks it.
    """
    if name not in parts:
        raise UnreadableAnswerError(f"The answer has no part of {name}.")
    return parts[name]


def limit_of(host: Host) -> float:
    """Say how long one program may take there, in seconds."""
    return max(host.timeout_s / 2, host.timeout_s - _SPARE_S)
