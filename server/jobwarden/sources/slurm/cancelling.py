"""Whose job it is, and what scancel said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jobwarden.sources.base import CancelOutcome, Wanted
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.identity import ours
from jobwarden.sources.slurm.reading import MAYBE

NO_ROWS = "It is not in the queue: it has ended, or never was there. Nothing was sent."

_ERROR = re.compile(r"error: Kill job error on job(?: step)? id (?P<id>[\d_+]+)[^:]*: (?P<why>.*)")


def judge(wanted: Wanted, rows: Sequence[Row], asked: Asked) -> CancelOutcome | None:
    """Say why a job is not cancelled, or None for one that is to be.

    The look is needed: scancel of an id that has ended, or never existed, is silent and exits 0.
    """
    if not rows:
        if asked.by_id is not None and asked.by_id.whole:
            return CancelOutcome(accepted=False, text=NO_ROWS)
        text = "Whose job it is could not be found out. Nothing was sent."
        return CancelOutcome(accepted=False, text=text, failed=True)
    owners = {row.user for row in rows}
    if owners != {asked.user} or not asked.user:
        text = f"It belongs to {', '.join(sorted(owners))}, not to {asked.user}. Nothing was sent."
        return CancelOutcome(accepted=False, text=text)
    fitting, _ = ours(wanted, rows, ())
    if len(fitting) < len(rows):
        return CancelOutcome(accepted=False, text=_another(wanted, next(row for row in rows if row not in fitting)))
    if not any(row.alive for row in rows):
        return CancelOutcome(accepted=False, text=f"It has already ended: {rows[-1].state.text}.")
    return None


def _another(wanted: Wanted, row: Row) -> str:
    when = f"{row.submitted:%Y-%m-%d %H:%M} UTC" if row.submitted else "later"
    return (
        f"The job that has this id now is {row.name!r}, submitted {when}; the one that is watched is {wanted.name!r}, "
        "submitted earlier. Nothing was sent. If it is the same one, renamed and requeued, check its status first."
    )


def read_outcomes(part: Part, accepted: Mapping[str, str]) -> dict[str, CancelOutcome]:
    """Read what became of each id that scancel was given.

    Args:
        part: What scancel said. Its exit status is Slurm's error number of one of them (210: not permitted).
        accepted: {wanted id: id as given to scancel}.
    """
    refused = {found["id"]: found["why"].strip() for found in _ERROR.finditer(part.stderr)}
    outcomes: dict[str, CancelOutcome] = {}
    for name, given in accepted.items():
        if given in refused:
            why = refused[given]
            outcomes[name] = CancelOutcome(accepted=False, text=f"scancel: {why}", failed=bool(MAYBE.search(why)))
        elif part.status and not refused:
            said = part.stderr.strip()[:500] or "it said nothing"
            failed = part.status in (124, 137) or bool(MAYBE.search(said))
            text = f"scancel exited {part.status}: {said}"
            outcomes[name] = CancelOutcome(accepted=False, text=text, failed=failed)
        else:
            outcomes[name] = CancelOutcome(accepted=True, text="scancel took it.")
    return outcomes
