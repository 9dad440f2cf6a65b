"""A scheduler of paper that takes scripts, and crashes at every step of whoever submits them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from jobwarden.service.service import Service
from jobwarden.sources.base import Host, Seen, Sighting, Wanted
from jobwarden.sources.resubmitting import NotAgainError
from jobwarden.sources.submitting import Listed, Listing, Submission
from jobwarden.transport.errors import OutcomeUnknownError
from jobwarden_registry.phases import Phase
from support.deeds import BEGIN, Clock
from support.household import Household
from support.paper import WORDS, Paper, paper_service


@dataclass
class Printer(Paper):
    """Takes scripts.

    Attributes:
        clock: The present.
        taken: Id to what was submitted.
        tokens: Token to the ids that it made.
        lose_answers: Submissions are taken, and their answer is lost.
        lose_all: Submissions are lost on their way.
        refuse: Why each submission is refused.
        accounted: Whether accounting answers.
        forgets: Ids that the queue does not show any more.
        waits: Id to what it waits for.
    """

    clock: Clock = field(default_factory=Clock)
    taken: dict[str, Submission] = field(default_factory=dict[str, Submission])
    tokens: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    lose_answers: bool = False
    lose_all: bool = False
    refuse: str = ""
    accounted: bool = True
    forgets: set[str] = field(default_factory=set[str])
    waits: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    async def submit_script(self, host: Host, submission: Submission, token: str) -> str | None:  # noqa: ARG002 -- the contract's
        if self.refuse:
            raise NotAgainError(self.refuse)
        if self.lose_all:
            raise OutcomeUnknownError("dropped", code="ssh.dropped")
        if token in self.tokens:
            return None
        new = str(100 + len(self.taken))
        self.taken[new] = submission
        self.tokens.setdefault(token, []).append(new)
        self.states[new] = "PENDING"
        self.waits[new] = submission.after
        if self.lose_answers:
            raise OutcomeUnknownError("dropped", code="ssh.dropped")
        return new

    async def listing(self, host: Host, *, within_s: float) -> Listing:  # noqa: ARG002 -- the contract's
        token_of = {ids[0]: token for token, ids in self.tokens.items()}
        jobs = [
            Listed(
                one,
                token_of.get(one, ""),
                self.taken[one].name if one in self.taken else "",
                self.taken[one].work_dir if one in self.taken else "",
                WORDS.get(word, Phase.UNKNOWN),
                queued=one not in self.forgets,
            )
            for one, word in self.states.items()
            if self.accounted or one not in self.forgets
        ]
        return Listing(tuple(jobs), accounted=self.accounted, trouble="", asked_at=self.clock())

    async def wait_for(self, host: Host, job_id: str, after: Sequence[str]) -> None:  # noqa: ARG002 -- the contract's
        self.waits[job_id] = tuple(after)

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:  # noqa: ARG002 -- the contract's
        return {one.id: self._sighting(one.resubmitted_as or one.id) for one in wanted}

    def names(self) -> list[str]:
        """Give the name of each job that was made, in order."""
        return [one.name for one in self.taken.values()]

    def _sighting(self, job_id: str) -> Sighting:
        seen = super()._sighting(job_id)
        if isinstance(seen, Seen) and job_id.isdigit():
            return seen.model_copy(update={"submitted_at": BEGIN + timedelta(seconds=int(job_id))})
        return seen


@asynccontextmanager
async def printing(home: Household, printer: Printer) -> AsyncGenerator[Service]:
    """Open the service over it, as a process that has just begun."""
    async with paper_service(home, printer, printer.clock) as (service, _):
        yield service
