"""What scancel's answer means: refused, taken, or nothing that anybody knows (`slurm.cancelling`)."""

from __future__ import annotations

import pytest

from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.cancelling import read_outcomes

KILL = "scancel: error: Kill job error on job id 100: {why}\n"


@pytest.mark.parametrize(
    ("status", "stderr"),
    [
        (1, KILL.format(why="Unable to contact slurm controller (connect failure)")),
        (1, KILL.format(why="Socket timed out on send/recv operation")),
        (1, KILL.format(why="Protocol authentication error")),
        (1, "scancel: error: Munge encode failed: Failed to access /run/munge/munge.socket.2: No such file"),
        (1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
        (124, ""),
        (137, ""),
    ],
)
def test_a_scancel_that_reached_nobody_has_failed_and_was_not_refused(status: int, stderr: str) -> None:
    outcome = read_outcomes(Part(status, b"", stderr), {"100": "100"})["100"]
    assert (outcome.accepted, outcome.failed) == (False, True)


@pytest.mark.parametrize(
    ("status", "stderr"),
    [
        (210, KILL.format(why="Access/permission denied")),
        (1, KILL.format(why="Invalid job id specified")),
        (127, "scancel: not found in PATH=/bin"),
    ],
)
def test_a_refusal_is_final(status: int, stderr: str) -> None:
    outcome = read_outcomes(Part(status, b"", stderr), {"100": "100"})["100"]
    assert (outcome.accepted, outcome.failed) == (False, False)


def test_one_that_failed_takes_no_other_with_it() -> None:
    stderr = KILL.format(why="Unable to contact slurm controller (connect failure)")
    outcomes = read_outcomes(Part(1, b"", stderr), {"100": "100", "101": "101"})
    assert outcomes["101"].accepted
    assert outcomes["100"].failed
