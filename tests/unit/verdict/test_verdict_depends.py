"""Jobs that hang on Slurm jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Seen, Sighting
from jobwarden.verdict.depends import combine, judge_depends, resolved
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Evidence
from jobwarden_registry.phases import Phase
from support.sightings import CLOCKS, absent, at, could_not_ask, job, proof, seen

ON = DependsOn(
    slurm_ids=("8", "9"), evidence=Evidence(asked_at=at(5), question=("nel status",), lines=("row",), rule="r")
)


def whole(first: Sighting, second: Sighting) -> Sighting:
    return combine(ON, {"8": first, "9": second})


def test_when_all_have_ended_the_worst_end_is_its_own() -> None:
    end = whole(seen("COMPLETED", ended_at=at(70)), seen("FAILED", ended_at=at(60), exit_code=3))
    assert isinstance(end, Seen)
    assert (end.phase, end.status, end.exit_code, end.ended_at) == (Phase.FAILED, "FAILED", 3, at(70))
    good = whole(seen("COMPLETED"), seen("COMPLETED"))
    assert isinstance(good, Seen)
    assert good.phase is Phase.SUCCEEDED
    stopped = whole(seen("COMPLETED"), seen("CANCELLED by 0"))
    assert isinstance(stopped, Seen)
    assert stopped.phase is Phase.CANCELLED


@pytest.mark.parametrize("other", [seen("COMPLETED"), seen("FAILED"), seen("PENDING"), absent()])
def test_it_lives_while_one_lives(other: Sighting) -> None:
    for alive in (whole(seen("RUNNING"), other), whole(other, seen("RUNNING"))):
        assert isinstance(alive, Seen)
        assert (alive.phase, alive.ended_at) == (Phase.RUNNING, None)


def test_an_unknown_word_of_one_is_no_end_of_the_whole() -> None:
    one = whole(seen("COMPLETED"), seen("FROBBED"))
    assert isinstance(one, Seen)
    assert one.phase is Phase.UNKNOWN


def test_when_one_is_absent_and_none_lives_it_is_absent() -> None:
    for gone in (whole(absent(), seen("COMPLETED")), whole(seen("FAILED"), absent()), whole(absent(), absent())):
        assert isinstance(gone, Absent)
        assert gone.where == ("squeue", "sacct")


@pytest.mark.parametrize("other", [seen("RUNNING"), seen("FAILED"), absent()])
def test_one_that_could_not_be_asked_about_hides_the_whole(other: Sighting) -> None:
    for dark in (whole(could_not_ask(), other), whole(other, could_not_ask())):
        assert isinstance(dark, CouldNotAsk)
        assert dark.code == "slurm.unavailable"


def test_what_was_not_told_of_is_not_known() -> None:
    for dark in (combine(ON, {"8": seen("COMPLETED")}), combine(DependsOn(slurm_ids=(), evidence=proof()), {})):
        assert isinstance(dark, CouldNotAsk)
        assert dark.code == "verdict.unresolved"


def test_the_evidence_is_of_all_that_was_asked() -> None:
    evidence = whole(seen("COMPLETED", evidence=proof(3, "a")), seen("FAILED", evidence=proof(4, "b"))).evidence
    assert evidence.asked_at == at(3)
    assert evidence.question == ("nel status", "squeue", "sacct")
    assert evidence.lines == ("row", "a", "b")


def test_a_part_that_ends_first_is_no_new_run_and_one_submitted_later_is() -> None:
    times = {"submitted_at": at(1), "started_at": at(2)}
    later = {"submitted_at": at(1), "started_at": at(30)}
    record = job()

    def judged(seconds: float, first: Sighting, second: Sighting) -> list[EventKind]:
        nonlocal record
        judgement = judge_depends(
            record, ON, {"8": first, "9": second}, asked_at=at(seconds), now=at(seconds), clocks=CLOCKS
        )
        record = judgement.record
        return [draft.kind for draft in judgement.drafts]

    assert judged(40, seen("RUNNING", **times), seen("RUNNING", **later)) == [EventKind.STATUS_CHANGE]
    assert judged(100, seen("COMPLETED", **times, ended_at=at(90)), seen("RUNNING", **later)) == []
    assert judged(130, seen("COMPLETED", **times), seen("PENDING", submitted_at=at(1))) == [EventKind.STATUS_CHANGE]
    resumed = seen("PENDING", submitted_at=at(120))
    assert judged(160, seen("COMPLETED", **times), resumed) == [EventKind.REQUEUED]
    assert len(record.attempts) == 2


async def test_all_dependences_of_an_answer_are_one_question() -> None:
    questions: list[tuple[str, Sequence[str]]] = []

    class Slurm:
        async def resolve(self, host: str, slurm_ids: Sequence[str]) -> Mapping[str, Sighting]:
            questions.append((host, slurm_ids))
            return {"8": seen("COMPLETED"), "9": seen("COMPLETED"), "10": seen("RUNNING")}

    answer: dict[str, Sighting] = {
        "a": ON,
        "b": DependsOn(slurm_ids=("9", "10"), evidence=proof()),
        "c": seen("PENDING"),
    }
    known = await resolved(answer, Slurm())
    assert questions == [("", ["10", "8", "9"])]
    phases = {name: one.phase for name, one in known.items() if isinstance(one, Seen)}
    assert phases == {"a": Phase.SUCCEEDED, "b": Phase.RUNNING, "c": Phase.PENDING}
    assert await resolved({"c": seen("PENDING")}, Slurm()) == {"c": seen("PENDING")}
    assert len(questions) == 1
