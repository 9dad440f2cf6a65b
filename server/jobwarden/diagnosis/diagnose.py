"""From logs and the facts of an end to its first cause.

Lines are read (`reading`), signatures and tracebacks found in them (`matching`, `tracebacks`), each weighed by whether
the program went on after it (`events`, `health`), and the first that nothing else explains is chosen (`choosing`).
"""

from __future__ import annotations

from collections.abc import Sequence

from jobwarden.diagnosis import exits
from jobwarden.diagnosis.choosing import choose
from jobwarden.diagnosis.events import Scene, find_events
from jobwarden.diagnosis.model import Category, Confidence, Diagnosis, EvidenceLine, Log, Outcome, Retryable
from jobwarden.diagnosis.reading import read
from jobwarden.diagnosis.telling import SCHEDULER, masked, tell, telling_lines

_QUIET_S = 1800.0


def diagnose(logs: Sequence[Log], outcome: Outcome) -> Diagnosis:
    """Say why it failed. Pure; never fails.

    Its time grows with the bytes of the logs alone. Category `none` means that nothing shows a failure: a good end
    says so whatever its logs hold. Category `unknown` means that it failed, and nothing says why.

    Args:
        logs: Of one job; any bytes.
        outcome: How it ended.
    """
    scenes = [find_events(number, read(log)) for number, log in enumerate(logs)]
    choice = choose(scenes, outcome)
    if choice is not None:
        return tell(choice, scenes, outcome)
    if not outcome.ended and (outcome.quiet_s or 0) >= _QUIET_S:
        return _stuck(scenes, outcome)
    return _unknown(scenes, outcome) if exits.failed(outcome) is True else _healthy(scenes, outcome)


def _healthy(scenes: Sequence[Scene], outcome: Outcome) -> Diagnosis:
    said = exits.describe(outcome)
    cause = f"Nothing shows a failure ({said})" if said else "Nothing shows a failure"
    sure = Confidence.HIGH if exits.failed(outcome) is False else Confidence.MEDIUM
    del scenes
    return Diagnosis(Category.NONE, "", cause, sure, (), Retryable.NO, "")


def _unknown(scenes: Sequence[Scene], outcome: Outcome) -> Diagnosis:
    said = exits.describe(outcome)
    lines = [EvidenceLine(SCHEDULER, None, said), *telling_lines([scene.text for scene in scenes], 4)]
    cause = f"It failed ({said}), and its logs do not say why"
    advice = "Read the last lines; run it again with more output (set -x, PYTHONFAULTHANDLER=1)"
    return Diagnosis(Category.UNKNOWN, "", cause, Confidence.LOW, masked(lines[:14]), Retryable.NO, advice)


def _stuck(scenes: Sequence[Scene], outcome: Outcome) -> Diagnosis:
    minutes = round((outcome.quiet_s or 0) / 60)
    lines = [
        EvidenceLine(SCHEDULER, None, f"no output for {minutes} minutes"),
        *telling_lines([scene.text for scene in scenes], 2),
    ]
    advice = "Look what its processes wait for (py-spy dump, gdb, a rank that ended); cancel it if they do nothing"
    return Diagnosis(
        Category.STUCK,
        "silent",
        f"It lives but has written nothing for {minutes} minutes",
        Confidence.MEDIUM,
        masked(lines[:12]),
        Retryable.NO,
        advice,
    )
