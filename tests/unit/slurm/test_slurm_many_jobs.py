"""Thousands of jobs in one question: in pieces that a shell takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobwarden.sources.base import Absent, Seen, Wanted
from jobwarden.sources.slurm.source import IDS_PER_QUESTION, SlurmSource
from jobwarden.transport.base import Completed
from jobwarden.transport.framing import frame_for
from jobwarden.transport.quoting import COMMAND_MOST_BYTES, encode_words
from support.slurm_fake import NOW, FakeSlurm, host, queue_row

FIRST, MANY = 99_990_000, 5000


@dataclass
class Measured(FakeSlurm):
    """A Slurm of paper that notes how long each command line is, in bytes."""

    lengths: list[int] = field(default_factory=list[int])

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        self.lengths.append(len(frame_for(timeout_s).line(encode_words(argv), prelude="", report=True)))
        return await super().run(argv, timeout_s=timeout_s, stdin=stdin)


def wanted() -> list[Wanted]:
    return [Wanted(id=str(FIRST + number), log_known=True) for number in range(MANY)]


def ids_of(slurm: FakeSlurm) -> list[list[str]]:
    """The id lists of the questions that had one, in order."""
    return [words[2].split(",") for words in slurm.asked if len(words) > 2 and words[2][:1].isdigit()]


async def test_five_thousand_ids_that_nobody_knows_are_asked_in_pieces_that_a_shell_takes() -> None:
    slurm = Measured()
    sightings = await SlurmSource(clock=lambda: NOW).observe(host(slurm), wanted())
    assert len(sightings) == MANY
    assert all(isinstance(one, Absent) for one in sightings.values())
    assert max(slurm.lengths) < COMMAND_MOST_BYTES / 4
    lists = ids_of(slurm)
    assert max(map(len, lists)) <= IDS_PER_QUESTION
    # Each id once to sacct, and once to squeue by id; and the one question that has no ids.
    assert sorted(id_ for one in lists for id_ in one) == sorted([one.id for one in wanted()] * 2)
    assert len(slurm.asked) == 1 + 2 * (MANY // IDS_PER_QUESTION)


async def test_five_thousand_living_jobs_are_one_question_of_the_same_length_as_one() -> None:
    one = Measured(queue=[queue_row(str(FIRST), "RUNNING")])
    await SlurmSource(clock=lambda: NOW).observe(host(one), wanted()[:1])
    many = Measured(queue=[queue_row(str(FIRST + number), "RUNNING") for number in range(MANY)])
    sightings = await SlurmSource(clock=lambda: NOW).observe(host(many), wanted())
    assert all(isinstance(seen, Seen) for seen in sightings.values())
    assert (len(many.asked), many.lengths) == (1, one.lengths)
