"""Which listed jobs live, by the Slurm jobs that they hang on; the source and Slurm are of paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobwarden.sources.base import CouldNotAsk, DependsOn, Found, Sighting
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.verdict.depends import combine
from jobwarden.verdict.living import find_living
from jobwarden_registry.phases import Phase
from support.sightings import could_not_ask, proof, seen


@dataclass
class Paper:
    """A cluster and a source.

    Attributes:
        queue: What lives in Slurm; None: it does not answer.
        states: What Slurm says of each job.
        more: By job, the Slurm jobs that a look on the cluster finds beside those that are listed.
        asked: The Slurm jobs that were asked about.
    """

    queue: Sequence[str] | None
    states: Mapping[str, Sighting] = field(default_factory=dict[str, Sighting])
    more: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    asked: list[str] = field(default_factory=list[str])
    hosts: list[str] = field(default_factory=list[str])
    dark: bool = False

    async def listing(self, host: str) -> Sequence[Found]:
        self.hosts.append(host)
        if self.queue is None:
            raise SourceUnavailableError("squeue is silent.", code="slurm.unavailable")
        return [Found(id=one, question="squeue") for one in self.queue]

    async def resolve(self, host: str, slurm_ids: Sequence[str]) -> Mapping[str, Sighting]:
        assert host == "far"
        self.asked += slurm_ids
        return {one: self.states[one] for one in slurm_ids}

    async def look_there(self, host: str, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn | CouldNotAsk]:
        assert host == "far"
        if self.dark:
            return dict.fromkeys(depends, could_not_ask("ssh.refused"))
        return {
            job: one.model_copy(update={"slurm_ids": (*one.slurm_ids, *self.more.get(job, ()))})
            for job, one in depends.items()
        }

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        """As nel: the job that would go on after a success does not count."""
        first = found[depends.slurm_ids[0]]
        return first if first.kind == "seen" else combine(depends, found)

    async def living(self, *found: Found) -> dict[str, Found]:
        return {one.id: one for one in await find_living(found, self.listing, self, self)}


def hangs(job: str, *slurm_ids: str) -> Found:
    depends = DependsOn(slurm_ids=slurm_ids, host="far", evidence=proof())
    return Found(id=job, question="paper", depends=depends)


async def test_one_with_a_living_part_is_told_as_its_source_says_with_all_parts() -> None:
    paper = Paper(["10", "11"], {"10": seen("RUNNING"), "11": seen("PENDING")}, {"a": ["11"]})
    one = (await paper.living(hangs("a", "10")))["a"]
    assert (one.phase, one.status, one.slurm_ids, one.slurm_host) == (Phase.RUNNING, "RUNNING", ("10", "11"), "far")
    assert one.depends is None
    assert paper.hosts == ["far"]


async def test_of_what_is_not_in_the_queue_nothing_is_asked_and_it_is_left_out() -> None:
    paper = Paper(["99"], {})
    assert await paper.living(hangs("a", "10"), hangs("b", "11")) == {}
    assert paper.asked == []


async def test_one_that_has_ended_is_kept_as_that_for_the_part_that_waits_in_vain() -> None:
    paper = Paper(["11"], {"10": seen("COMPLETED"), "11": seen("PENDING")}, {"a": ["11"]})
    one = (await paper.living(hangs("a", "10")))["a"]
    assert (one.phase, one.slurm_ids) == (Phase.SUCCEEDED, ("10", "11"))


async def test_what_cannot_be_asked_stays_with_a_phase_that_is_not_known() -> None:
    for paper in (
        Paper(None),
        Paper(["10"], {"10": could_not_ask()}, dark=True),
    ):
        one = (await paper.living(hangs("a", "10")))["a"]
        assert (one.phase, one.slurm_ids, one.depends) == (Phase.UNKNOWN, ("10",), None)


async def test_what_hangs_on_nothing_stays_as_it_is_and_nobody_is_asked() -> None:
    paper = Paper(None)
    alone = Found(id="a", question="paper", phase=Phase.RUNNING)
    assert await paper.living(alone) == {"a": alone}
    assert paper.hosts == []
