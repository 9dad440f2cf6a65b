"""Two sessions that watch one job: neither's ignorance may replace what the other knows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobwarden.ledger.merging import merged
from jobwarden.ledger.rules import must_renew, renewed
from jobwarden.ledger.snapshot import Want
from jobwarden.sources.base import Wanted
from jobwarden_registry.model import Expectation
from support.sightings import at

KEEP_S = 480.0
EXPECTS = (Expectation(path="a"), Expectation(path="b"))
HER_JOB = Wanted(
    id="7",
    user="alice",
    name="train",
    submitted_at=at(-10),
    run_submitted_at=at(-10),
    registered_at=at(0),
    log_known=True,
    work_dir="/w",
    elements=10,
    absent_since=at(400),
    expect=EXPECTS[:1],
)
LATE = Wanted(id="7", registered_at=at(500), expect=EXPECTS[1:])


def whatever_is_known() -> st.SearchStrategy[dict[str, Any]]:
    """Draw what a session may have learned of one and the same job."""
    learned = st.fixed_dictionaries(
        {},
        optional={
            "user": st.just("alice"),
            "name": st.just("train"),
            "submitted_at": st.just(at(-10)),
            "run_submitted_at": st.integers(0, 3).map(lambda run: at(-10 + run)),
            "work_dir": st.just("/w"),
            "log_known": st.booleans(),
            "elements": st.integers(1, 9),
            "absent_since": st.integers(400, 500).map(at),
            "expect": st.lists(st.sampled_from(EXPECTS), unique=True).map(tuple),
        },
    )
    followed = st.integers(9, 11).map(lambda job: {"resubmitted_as": str(job), "submitted_at": at(600 + job)})
    return st.tuples(learned, st.just(dict[str, Any]()) | followed).map(lambda parts: parts[0] | parts[1])


def plain(one: Wanted) -> Wanted:
    return one.model_copy(update={"expect": tuple(sorted(one.expect, key=lambda each: each.path))})


@given(whatever_is_known(), whatever_is_known(), st.integers(0, 100), st.integers(101, 300))
def test_merging_is_the_same_either_way_loses_nothing_and_adds_nothing_when_said_again(
    some: dict[str, Any], more: dict[str, Any], first: int, second: int
) -> None:
    one, other = (Wanted(id="7", registered_at=at(when), **known) for when, known in ((first, some), (second, more)))
    both = merged(one, other)
    assert plain(both) == plain(merged(other, one))
    for each in (one, other):
        assert merged(both, each).model_copy(update={"log_known": both.log_known}) == both
    assert both.registered_at == at(second)
    for field in ("user", "name", "work_dir", "submitted_at", "run_submitted_at", "resubmitted_as", "absent_since"):
        known = {getattr(each, field) for each in (one, other)} - {None, ""}
        told = getattr(both, field)
        assert (told in known) if known and field != "run_submitted_at" else True
    paths = {each.path for each in both.expect}
    assert paths == {each.path for each in (*one.expect, *other.expect)}
    assert len(paths) == len(both.expect)
    assert both.log_known is (one.log_known and other.log_known)
    if one.resubmitted_as == other.resubmitted_as:
        assert (both.elements or 0) == max(one.elements or 0, other.elements or 0)
    moments: list[datetime] = [each.absent_since for each in (one, other) if each.absent_since is not None]
    assert both.absent_since == min(moments, default=None)


def test_a_late_session_knows_at_once_what_the_first_one_knows() -> None:
    both = merged(HER_JOB, LATE)
    assert both == HER_JOB.model_copy(update={"registered_at": at(500), "expect": EXPECTS, "log_known": False})


def test_who_has_followed_a_job_says_where_it_is_and_the_rest_is_still_learned() -> None:
    followed = HER_JOB.model_copy(
        update={"resubmitted_as": "9", "submitted_at": at(450), "run_submitted_at": at(450), "elements": 3}
    )
    again = followed.model_copy(update={"resubmitted_as": "12", "submitted_at": at(470), "run_submitted_at": at(470)})
    for both in (merged(LATE.model_copy(update={"elements": 10}), again), merged(followed, again)):
        assert (both.resubmitted_as, both.submitted_at, both.run_submitted_at) == ("12", at(470), at(470))
        assert both.elements == 3  # ten were of the job under its first id


def test_of_a_job_that_had_the_id_before_nothing_is_taken() -> None:
    new = LATE.model_copy(update={"submitted_at": at(490), "elements": 4})
    both = merged(HER_JOB, new)
    assert (both.name, both.elements, both.submitted_at, both.absent_since) == (None, 4, at(490), None)
    ignorant = merged(HER_JOB, LATE)  # while the late session does not know it yet, and after
    assert merged(ignorant, new).elements == 4


def wants(*said: Wanted) -> dict[str, Want]:
    kept: dict[str, Want] = {}
    for one in said:
        kept = renewed(kept, [one], at(500), KEEP_S)
    return kept


def test_the_file_of_wants_is_not_written_back_and_forth_by_two_sessions() -> None:
    kept = wants(HER_JOB, LATE, HER_JOB)
    for one in (HER_JOB, LATE) * 2:
        assert not must_renew(kept, [one], at(501), KEEP_S)
    learned = LATE.model_copy(update={"log_known": True, "submitted_at": at(-10)})
    assert must_renew(kept, [learned], at(501), KEEP_S)
    kept = renewed(kept, [learned], at(501), KEEP_S)
    assert kept["7"].wanted.log_known
    blind = HER_JOB.model_copy(update={"log_known": False})
    for one in (HER_JOB, learned, blind) * 2:
        assert not must_renew(kept, [one], at(502), KEEP_S)
    assert not renewed(kept, [blind], at(502), KEEP_S)["7"].wanted.log_known  # but its own question asks for the log


def test_where_a_job_is_followed_to_is_forgotten_when_nobody_says_so_any_more() -> None:
    """Its session is gone, and another one wants the id: which may be another job's by now."""
    followed = HER_JOB.model_copy(update={"resubmitted_as": "9", "submitted_at": at(450), "run_submitted_at": at(450)})
    kept = wants(followed)
    for moment in range(501, 500 + int(KEEP_S), 60):
        kept = renewed(kept, [LATE], at(moment), KEEP_S)
        assert kept["7"].wanted.resubmitted_as == "9"
    assert must_renew(kept, [followed], at(980 - KEEP_S / 2 + 1), KEEP_S)
    again = renewed(kept, [followed, LATE], at(970), KEEP_S)
    for now, told in ((970, again), (970 + KEEP_S / 2, again)):
        assert renewed(told, [LATE], at(now), KEEP_S)["7"].wanted.resubmitted_as == "9"
    assert must_renew(kept, [LATE], at(981), KEEP_S)
    assert renewed(kept, [LATE], at(981), KEEP_S)["7"].wanted == LATE


def test_a_bare_want_of_somebody_who_hangs_on_the_job_replaces_nothing() -> None:
    assert wants(HER_JOB, Wanted(id="7", log_known=True))["7"].wanted == HER_JOB
