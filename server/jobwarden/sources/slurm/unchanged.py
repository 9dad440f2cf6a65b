"""Jobs of which nothing has changed since the last observation: what was seen of them is given again, the very same.

What is said of a living job rests on what is wanted of it and on the rows about it; the time decides nothing of it, as
it does of ends and absences, which are judged anew each time. So the same rows, in answers as whole as those before,
say the same, at the time of the new ones (`Seen.stands`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobwarden.sources.base import Seen, Sighting, Wanted
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.plan import Job, Jobs, read_jobs, urgency, wants_account, wants_by_id


@dataclass(frozen=True, slots=True)
class Kept:
    """What was seen of one job, and what it rested on."""

    wanted: Wanted
    rows: tuple[tuple[Row, ...], tuple[Row, ...] | None]
    seen: Seen

    def fits(self, job: Job, first: Asked) -> bool:
        """Whether these answers say of the job what the ones before said."""
        same = self.wanted is job.wanted or self.wanted == job.wanted
        return same and self.rows == first.rows_about(job.id)


class Unchanged:
    """What was seen of the living jobs of one host. A row is known again by identity, see `Row`.

    Several observations of one host may be on their way at once: between `again` and `keep` others may keep theirs.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._jobs = read_jobs(())

    def jobs(self, wanted: Sequence[Wanted]) -> Jobs:
        """Read the ids of what is wanted, when it is not the very same as before."""
        if not self._jobs.are(wanted):
            self._jobs = read_jobs(wanted)
        return self._jobs

    def again(self, jobs: Mapping[str, Job], first: Asked) -> dict[str, Kept]:
        """Give those jobs of which the first question's answers say what they said before."""
        found: dict[str, Kept] = {}
        if not _whole(first):
            return found
        for name, job in jobs.items():
            kept = self._kept.get(name)
            if kept is not None and kept.fits(job, first):
                found[name] = kept
        return found

    def keep(
        self, again: Mapping[str, Kept], judged: Mapping[str, tuple[Job, Sighting]], first: Asked
    ) -> dict[str, Sighting]:
        """Remember what may be seen again: what lives, and needed no answers but those to the first question.

        Args:
            again: What `again` gave.
            judged: The other jobs, and what was seen of them.
            first: The first question's answers.

        Returns:
            What was seen of all of them; what may be seen again stands.
        """
        told: dict[str, Sighting] = {name: kept.seen for name, kept in again.items()}
        told |= {name: seen for name, (_, seen) in judged.items()}
        if not _whole(first):
            self._kept = {}
            return told
        self._kept = dict(again)
        for name, (job, seen) in judged.items():
            if isinstance(seen, Seen) and not seen.phase.final and _settled(job, first.about(name, job.id)):
                told[name] = standing = seen.model_copy(update={"stands": True})
                self._kept[name] = Kept(job.wanted, first.rows_about(job.id), standing)
        return told


def _settled(job: Job, asked: Asked) -> bool:
    """Whether nothing more was to be asked about a job, once these answers were there."""
    if urgency(job, asked) is not None or wants_by_id(job, asked):
        return False
    return asked.account is not None or not wants_account(job, asked)


def _whole(first: Asked) -> bool:
    return first.queue.whole and (first.account is None or first.account.whole)
