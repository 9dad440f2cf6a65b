"""What a source can say about an end beyond its state: asked once, when a job has failed or somebody wants to know why.

A source that cannot say more leaves `Accounts` out; its jobs are diagnosed by their record and their logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jobwarden.sources.base import Host, Wanted
from jobwarden_registry.model import Used


@dataclass(frozen=True, slots=True)
class Written:
    """A file that a part of a job wrote.

    Attributes:
        path: Absolute. It may not be there.
        label: Which part: `rank 3`, `node c2`, `step 1`.
    """

    path: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a job that ended by itself, as Slurm's steps do.

    Attributes:
        name: As its source calls it: `batch`, `0 (python)`.
        status: The source's word.
        exit: As the source prints it: `1:0`.
        tasks: How many processes it had; None where that is not told.
        max_rss_bytes: The largest of any of them.
    """

    name: str
    status: str
    exit: str = ""
    tasks: int | None = None
    max_rss_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PostMortem:
    """What is known of an end; None or empty: not told.

    Attributes:
        state: The source's own word; of a job with elements, that of `part`.
        part: Of a job with elements or tasks, the one that is spoken of: the first that failed.
        reason: The scheduler's own.
        exit: As Slurm prints it: `1:0`, `0:53`.
        cancelled_by: Who.
        time_limit_s: Asked for.
        elapsed_s: Used.
        memory_limit_bytes: Asked for, per node.
        max_rss_bytes: The largest of any process, as far as it was measured.
        nodes: Where it ran, compact.
        asked: What else was asked for, in the source's words.
        steps: Its parts, in order.
        written: Further logs than the job's own.
        question: The commands that were run.
        used: Of what it had, where it has ended and that is told.
    """

    state: str = ""
    part: str = ""
    reason: str = ""
    exit: str = ""
    cancelled_by: str = ""
    time_limit_s: float | None = None
    elapsed_s: float | None = None
    memory_limit_bytes: int | None = None
    max_rss_bytes: int | None = None
    nodes: str = ""
    asked: str = ""
    steps: tuple[Step, ...] = ()
    written: tuple[Written, ...] = ()
    question: tuple[str, ...] = ()
    used: Used | None = None


@runtime_checkable
class Accounts(Protocol):
    """A source that can say what a job asked for, what it used, and how its parts ended."""

    async def post_mortem(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, PostMortem]:
        """Ask once about all of these, ended or not.

        Returns:
            By id; one that nothing is known of is missing.

        Raises:
            As `Source.observe`.
        """
        ...
