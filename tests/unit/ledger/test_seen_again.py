"""What costs nothing the second time says the same as the first time."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.ledger.agreeing import agree
from jobwarden.ledger.encoding import Encoder
from jobwarden.ledger.rules import all_wanted, must_renew, renewed
from jobwarden.ledger.snapshot import LedgerKey, Snapshot, Stored, Want, Wants
from jobwarden.sources.base import Sighting, Wanted
from support.sightings import absent, at, could_not_ask, seen

KEEP_S = 480.0
STANDING = seen("RUNNING", stands=True, name='a "b" \n')
ANSWERS = st.dictionaries(
    st.sampled_from(["7", "8_1", 'q"\\']),
    st.sampled_from([STANDING, seen("RUNNING"), seen("COMPLETED"), absent(), could_not_ask()]),
)
JOBS = st.lists(
    st.builds(
        Wanted,
        id=st.sampled_from(["7", "8", "9"]),
        registered_at=st.sampled_from([at(0), at(9)]),
        name=st.sampled_from([None, "train"]),
        resubmitted_as=st.sampled_from([None, None, None, "70"]),
    ),
    max_size=4,
    unique_by=lambda one: one.id,
)


@given(answers=st.lists(ANSWERS, max_size=4))
def test_an_answer_is_written_as_if_there_had_been_none_before_it(answers: list[dict[str, Sighting]]) -> None:
    encoder = Encoder(LedgerKey("slurm", "alice@c:22"))
    for number, answered in enumerate(answers):
        asked = dict.fromkeys(answered, at(number))
        snapshot = Snapshot(asked_at=at(number), answered=answered, asked=asked, quick=(at(0),))
        text = encoder.encode(snapshot)
        whole = Stored(key=LedgerKey("slurm", "alice@c:22").text, **dict(snapshot))
        assert json.loads(text) == whole.model_dump(mode="json")
        assert Stored.model_validate_json(text) == whole


@settings(max_examples=200)
@given(told=JOBS, own=JOBS, moments=st.lists(st.integers(-1000, 1500), min_size=1, max_size=6))
def test_what_was_agreed_is_what_would_be_found_out_anew(
    told: Sequence[Wanted], own: Sequence[Wanted], moments: list[int]
) -> None:
    kept: dict[str, Want] = renewed({}, told, at(-100), KEEP_S)
    wants = Wants(key="k", wants=renewed(kept, own, at(0), KEEP_S))
    agreed = agree(wants, own, at(0), KEEP_S)
    for now in map(at, moments):
        if agreed.holds(wants, own, now):
            assert not must_renew(wants.wants, own, now, KEEP_S)
            assert agreed.all == all_wanted(wants.wants, own, now, KEEP_S)
    assert not agreed.holds(wants.model_copy(), own, at(0))


def test_what_was_agreed_holds_for_a_while() -> None:
    own = [Wanted(id="7", registered_at=at(0))]
    wants = Wants(key="k", wants=renewed({}, own, at(0), KEEP_S))
    agreed = agree(wants, own, at(0), KEEP_S)
    assert [agreed.holds(wants, own, at(now)) for now in (0, 100, 239, 240)] == [True, True, True, False]
