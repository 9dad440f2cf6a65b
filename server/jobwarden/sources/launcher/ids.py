"""The ids of nemo-run experiments: `<title>_<time of launch>`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from jobwarden_registry.errors import InvalidIdError

EXPERIMENT = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,150}_\d{10,19}"
"""nemo-run 0.11 ends an id with `time.time_ns()`, older ones with seconds."""

_ID = re.compile(EXPERIMENT)


def parse_experiment_id(text: str) -> str:
    """Give an experiment's id in its canonical form; see `Source.parse_id`."""
    wanted = text.strip()
    if _ID.fullmatch(wanted) is None:
        shown = wanted if len(wanted) <= 80 else wanted[:80] + "…"
        raise InvalidIdError(
            f"{shown!r} cannot be the id of a launcher's experiment.",
            hint="It looks like cicd_1795170233931334517 and stands in the launcher's output, in the line "
            "`Entering Experiment … with id: …`. Give the output file as the log path.",
        )
    return wanted


def launched_at(experiment: str) -> datetime:
    """Give the moment that an id holds: when its launcher began, by the clock of that machine."""
    digits = experiment.rpartition("_")[2]
    return datetime.fromtimestamp(int(digits[:10]), UTC)
