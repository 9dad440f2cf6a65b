"""What a source wants to be told next time is kept with whatever it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from jobwarden.ledger.rules import open_questions
from jobwarden.ledger.snapshot import Snapshot, Want
from jobwarden.sources.base import CouldNotAsk, DependsOn, Sighting, Wanted
from jobwarden.verdict.depends import resolved
from jobwarden.verdict.engine import judge
from jobwarden_registry.events import EventKind
from support.sightings import CLOCKS, absent, at, could_not_ask, job, proof, seen

FACTS = {"facts": {"asked_at": "now"}}


@pytest.mark.parametrize("sighting", [seen("RUNNING"), absent(), could_not_ask()], ids=lambda one: one.kind)
def test_facts_are_laid_over_the_records_own_whatever_the_answer_was(sighting: Sighting) -> None:
    record = job(facts={"nel": "/bin/nel", "asked_at": "then"})
    told = sighting.model_copy(update=FACTS)
    judgement = judge(record, told, asked_at=at(10), now=at(10), clocks=CLOCKS)
    assert judgement.record.facts == {"nel": "/bin/nel", "asked_at": "now"}
    assert judgement.drafts[-1].record == judgement.record
    again = judge(judgement.record, told, asked_at=at(10), now=at(10), clocks=CLOCKS)
    assert again.record.facts == judgement.record.facts
    assert not again.drafts


def test_facts_alone_are_no_news_and_a_late_answers_are_dropped() -> None:
    record = judge(job(), seen("RUNNING"), asked_at=at(10), now=at(10), clocks=CLOCKS).record
    told = seen("RUNNING").model_copy(update=FACTS)
    judgement = judge(record, told, asked_at=at(20), now=at(20), clocks=CLOCKS)
    assert [draft.kind for draft in judgement.drafts] == [EventKind.UPDATED]
    late = judge(record, told, asked_at=at(5), now=at(20), clocks=CLOCKS)
    assert late.record is record


def test_who_asks_with_an_old_record_tells_the_source_what_the_last_answer_said() -> None:
    """Otherwise a command line that read the record a moment too early has an expensive question put again."""
    want = Want(wanted=Wanted(id="7", registered_at=at(0), facts={"nel": "/bin/nel"}), until=at(500))
    answer = Snapshot(asked_at=at(10), answered={"7": seen("RUNNING", **FACTS)}, asked={"7": at(10)})
    (asked,) = open_questions(answer, [want.wanted])
    assert asked.facts == {"nel": "/bin/nel", "asked_at": "now"}
    anew = want.model_copy(update={"wanted": want.wanted.model_copy(update={"registered_at": at(20)})})
    assert open_questions(answer, [anew.wanted])[0].facts == {"nel": "/bin/nel"}


class Slurm:
    """Slurm, as far as this needs it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def resolve(self, host: str, slurm_ids: Sequence[str]) -> Mapping[str, Sighting]:
        self.asked.append((host, tuple(slurm_ids)))
        return {one: seen("RUNNING") for one in slurm_ids}


class Source:
    """A source that knows more of its Slurm jobs than their number, on the hosts that answer."""

    async def look_there(self, host: str, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn | CouldNotAsk]:
        if host == "dark":
            return {name: could_not_ask("ssh.refused").model_copy(update=FACTS) for name in depends}
        return {name: one.model_copy(update={"slurm_ids": (*one.slurm_ids, "9")}) for name, one in depends.items()}

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        return seen("RUNNING", reason=f"{len(found)} of {len(depends.slurm_ids)}", evidence=depends.evidence)


async def test_a_source_with_a_say_looks_first_and_concludes_and_one_dark_host_is_not_anothers() -> None:
    slurm = Slurm()
    answer: dict[str, Sighting] = {
        "a": DependsOn(slurm_ids=("8",), host="there", evidence=proof(), facts=FACTS["facts"]),
        "b": DependsOn(slurm_ids=("8",), host="dark", evidence=proof()),
    }
    known = await resolved(answer, slurm, Source())
    assert slurm.asked == [("there", ("8", "9"))]
    assert getattr(known["a"], "reason", "") == "2 of 2"
    assert known["a"].facts == known["b"].facts == FACTS["facts"]
    assert known["b"].kind == "could_not_ask"


def test_the_end_of_an_earlier_run_is_no_reason_to_ask_no_more() -> None:
    """The present run was seen, and nothing tells of its end: it would stay as it was for ever."""
    end = seen("NODE_FAIL", submitted_at=at(0))
    answer = Snapshot(asked_at=at(100), answered={"7": end}, asked={"7": at(100)})
    assert open_questions(answer, [Wanted(id="7", run_submitted_at=at(0))]) == []
    assert open_questions(answer, [later := Wanted(id="7", run_submitted_at=at(50))]) == [later]
