"""When to ask next, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.cadence import Cadence, Due, KeyState
from jobwarden.ledger.snapshot import Failure, LedgerKey, Snapshot
from support.ledger_bench import KEY, Bench
from support.sightings import CLOCKS, at


def due(
    asked_at: datetime | None,
    now: datetime,
    *,
    clocks: Clocks = CLOCKS,
    failure: Failure | None = None,
    quick: Iterable[datetime] = (),
    key: LedgerKey = KEY,
    **state: Any,
) -> Due:
    snapshot = Snapshot(asked_at=asked_at, failure=failure, quick=tuple(quick))
    return Cadence(clocks).due_at(KeyState(key, snapshot, **state), now)


def test_what_was_never_asked_is_due_now() -> None:
    assert due(None, at(5)).at == at(5)


def test_usually_a_question_is_due_one_poll_after_the_last() -> None:
    for now in (0, 30, 300):
        assert due(at(0), at(now)).at == at(60)
        assert not due(at(0), at(now)).quick


def test_answers_in_which_a_part_of_the_site_is_silent_slow_the_questions_down_but_not_to_the_longest_pause() -> None:
    def wait_s(silent: int) -> float:
        snapshot = Snapshot(asked_at=at(0), silent=silent)
        return (Cadence(CLOCKS).due_at(KeyState(KEY, snapshot), at(1)).at - at(0)).total_seconds()

    assert [wait_s(silent) for silent in (0, 1, 2, 50)] == [60, 120, 150, 150]


def test_waits_are_spread_and_the_same_however_often_one_asks() -> None:
    clocks = Clocks(jitter=0.1)
    keys = [LedgerKey("slurm", f"host-{number}") for number in range(50)]
    waits = {(due(at(0), at(1), clocks=clocks, key=key).at - at(0)).total_seconds() for key in keys}
    assert len(waits) == 50
    assert all(54.0 <= wait <= 66.0 for wait in waits)
    assert {due(at(0), at(now), clocks=clocks).at for now in range(50)} == {due(at(0), at(0), clocks=clocks).at}


def test_after_a_registration_come_quick_questions_and_then_the_usual_pace() -> None:
    asked, moments = at(0), list[float]()
    while asked < at(200):
        next_due = due(asked, asked, registrations=[at(0)])
        asked = next_due.at
        moments.append((asked - at(0)).total_seconds())
    assert moments == [5, 15, 35, 95, 155, 215]


def test_each_registration_has_its_own_quick_questions() -> None:
    assert due(at(36), at(36), registrations=[at(0), at(30)]).at == at(45)
    assert due(at(36), at(36), registrations=[at(0), at(30)]).quick


def test_an_old_registration_asks_for_nothing_quick() -> None:
    assert due(at(-30), at(500), registrations=[at(0)]).at == at(30)
    assert not due(at(-30), at(121), registrations=[at(0)]).quick


def test_without_budget_the_usual_pace_holds() -> None:
    spent = [at(number) for number in range(CLOCKS.quick_budget)]
    assert due(at(20), at(20), registrations=[at(19)], quick=spent).at == at(80)
    assert due(at(20), at(20), registrations=[at(19)], quick=spent[1:]).at == at(24)


def test_a_hosts_own_interval_is_a_floor() -> None:
    assert due(at(0), at(0), interval_s=300).at == at(300)
    assert due(at(0), at(0), interval_s=20, registrations=[at(0)]).at == at(20)


def test_in_an_outage_the_pause_says_when() -> None:
    failure = Failure(code="x.y", text="no", since=at(0), at=at(60), next_try_at=at(210))
    assert due(at(0), at(70), failure=failure, registrations=[at(69)]).at == at(210)


def test_lost_jobs_alone_are_asked_about_at_the_slowest_pace() -> None:
    assert due(at(0), at(10), lost_only=True).at == at(CLOCKS.backoff_most_s)


def test_a_clock_that_was_set_back_is_due_now() -> None:
    assert due(at(3600), at(0)).at == at(0)


async def test_the_ledger_asks_when_the_cadence_says_so(bench: Bench) -> None:
    """A day of one job: the two agree, or a watcher would spin or sleep through its time."""
    cadence = Cadence(CLOCKS)
    while bench.now < at(3600):
        await bench.ask("1")
        state = KeyState(KEY, bench.ledger.peek(KEY), registrations=[at(0)])
        next_due = cadence.due_at(state, bench.now)
        assert next_due.at > bench.now
        bench.now = max(bench.now, next_due.at - timedelta(seconds=0.01))
        count = len(bench.asked)
        await bench.ask("1", max_age_s=next_due.max_age_s, quick=next_due.quick)
        assert len(bench.asked) == count
        bench.now = next_due.at
        await bench.ask("1", max_age_s=next_due.max_age_s, quick=next_due.quick)
        assert len(bench.asked) == count + 1
    assert len(bench.asked) == 4 + 60
