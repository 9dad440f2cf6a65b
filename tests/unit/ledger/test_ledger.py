"""One answer for everybody: when it is asked for, what it covers, what is kept."""

from __future__ import annotations

import random
import stat
from collections.abc import Callable
from datetime import timedelta

import pytest

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.ledger.snapshot import Snapshot, Stored
from jobwarden.sources.base import CouldNotAsk, DependsOn, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.transport.errors import AuthRejectedError, ConnectError
from jobwarden.verdict.resolving import SlurmThroughLedger
from jobwarden.verdict.targets import Target
from support.ledger_bench import KEY, Bench
from support.sightings import CLOCKS, START, absent, at, could_not_ask, proof, seen


def wanted(job_id: str) -> Wanted:
    return Wanted(id=job_id)


async def test_an_answer_that_is_young_enough_is_not_asked_for_again(bench: Bench) -> None:
    first = await bench.ask("1", "2")
    assert (first.asked_at, sorted(first.answered)) == (at(0), ["1", "2"])
    bench.later(60)
    assert await bench.ask("1", "2") == first
    bench.later(1)
    second = await bench.ask("1", "2")
    assert second.asked_at == at(61)
    assert bench.asked == [("1", "2"), ("1", "2")]


async def test_nobody_asks_again_below_the_floor(bench: Bench) -> None:
    await bench.ask("1")
    bench.later(CLOCKS.floor_s - 1)
    for _ in range(3):
        await bench.ask("1", max_age_s=0.0, ledger=bench.process(), person=True)
    assert len(bench.asked) == 1
    bench.later(1)
    await bench.ask("1", max_age_s=0.0, ledger=bench.process())
    assert len(bench.asked) == 2


async def test_one_question_covers_what_every_process_wants(bench: Bench) -> None:
    await bench.ask("1")
    await bench.ask("2", ledger=bench.process())
    bench.later(61)
    await bench.ask("3", ledger=bench.process())
    assert bench.asked == [("1",), ("1", "2"), ("1", "2", "3")]
    assert sorted(bench.ledger.peek(KEY).answered) == ["1", "2", "3"]


async def test_a_want_runs_out_and_its_answer_is_dropped(bench: Bench) -> None:
    await bench.ask("1", "2")
    for _ in range(9):
        bench.later(61)
        await bench.ask("1")
    assert bench.asked[0] == ("1", "2")
    assert bench.asked[-1] == ("1",)
    assert list(bench.ledger.peek(KEY).answered) == ["1"]


async def test_a_want_is_written_only_now_and_then(bench: Bench) -> None:
    await bench.ask("1")
    [path] = bench.folder.glob("*.wants.json")
    before = path.stat().st_mtime_ns
    bench.later(100)
    await bench.ask("1")
    assert path.stat().st_mtime_ns == before
    bench.later(200)
    await bench.ask("1")
    assert path.stat().st_mtime_ns != before


async def test_new_ids_are_asked_about_at_once_while_the_budget_lasts(bench: Bench) -> None:
    await bench.ask("0")
    for number in range(1, 20):
        bench.later(1)
        snapshot = await bench.ask(str(number))
        assert (str(number) in snapshot.answered) == (number <= 12 or number == 19)
        if number == 18:
            bench.later(10)  # the floor has passed: nothing of the budget is needed
    assert len(bench.asked) == 1 + CLOCKS.quick_budget + 1
    bench.later(CLOCKS.quick_budget_window_s)
    await bench.ask("99")
    bench.later(1)
    assert "100" in (await bench.ask("100")).answered


async def test_quick_questions_are_allowed_below_the_floor_while_the_budget_lasts(bench: Bench) -> None:
    await bench.ask("1")
    for _ in range(20):
        bench.later(5)
        await bench.ask("1", max_age_s=4.9, quick=True)
    quick = bench.ledger.peek(KEY).quick
    assert len(quick) == CLOCKS.quick_budget
    # 12 in the first minute, then one per floor
    assert len(bench.asked) == 1 + 12 + 2


async def test_a_hosts_own_interval_holds_for_every_question(bench: Bench) -> None:
    def interval(key: LedgerKey) -> float:
        return 100.0 if key == KEY else 0.0

    ledger = bench.process(host_interval=interval)
    await bench.ask("1", ledger=ledger)
    bench.later(99)
    await bench.ask("2", ledger=ledger, max_age_s=0.0, person=True, quick=True)
    assert len(bench.asked) == 1
    bench.later(1)
    await bench.ask("2", ledger=ledger)
    assert len(bench.asked) == 2


async def test_nothing_wanted_is_nothing_asked(bench: Bench) -> None:
    assert await bench.ask() == Snapshot()
    assert bench.asked == []


async def test_what_an_answer_leaves_out_could_not_be_asked(bench: Bench) -> None:
    async def torn(_: object) -> dict[str, Seen]:
        return {"1": seen("RUNNING")}

    ids = await bench.ledger.ask(LedgerKey("slurm", "x"), [wanted("1"), wanted("2")], torn, max_age_s=60.0)
    assert isinstance(ids.answered["1"], Seen)
    assert isinstance(ids.answered["2"], CouldNotAsk)
    assert ids.answered["2"].code == "source.incomplete"


# -- ends


async def test_what_has_ended_is_not_asked_about_again_and_stays_known(bench: Bench) -> None:
    bench.answers["1"] = seen("COMPLETED")
    await bench.ask("1", "2")
    bench.answers["1"] = absent()
    bench.later(61)
    snapshot = await bench.ask("1", "2")
    assert bench.asked == [("1", "2"), ("2",)]
    assert snapshot.answered["1"] == seen("COMPLETED")
    assert (snapshot.asked["1"], snapshot.asked["2"]) == (at(0), at(61))


async def test_an_id_that_is_registered_again_after_its_end_is_asked_about_anew(bench: Bench) -> None:
    """`scontrol requeue` of an ended job, or an id that is used again: the end was another's."""
    bench.answers["1"] = seen("COMPLETED")
    await bench.ask("1")
    bench.later(20)
    bench.answers["1"] = seen("PENDING")
    snapshot = await bench.ask("1", registered=20)
    assert bench.asked == [("1",), ("1",)]
    assert snapshot.answered["1"] == seen("PENDING")


async def test_the_earlier_registration_of_two_sessions_does_not_hide_the_later(bench: Bench) -> None:
    bench.answers["1"] = seen("COMPLETED")
    await bench.ask("1", registered=0)
    bench.later(20)
    bench.answers["1"] = absent()
    await bench.ask("1", registered=20)
    await bench.ask("1", registered=0)
    bench.later(61)
    await bench.ask("1", registered=0)
    assert len(bench.asked) == 3
    assert bench.ledger.peek(KEY).answered["1"] == absent()


async def test_the_next_question_covers_the_later_registration_whoever_asks(benches: Callable[[Clocks], Bench]) -> None:
    bench = benches(CLOCKS.model_copy(update={"quick_budget": 0}))
    bench.answers["1"] = seen("COMPLETED")
    await bench.ask("1", "2")
    bench.later(10)
    await bench.ask("1", registered=10)
    assert len(bench.asked) == 1
    await bench.ask("1", "2")
    bench.later(51)
    await bench.ask("1", "2")
    assert bench.asked[-1] == ("1", "2")


async def test_what_could_not_be_asked_is_asked_again(bench: Bench) -> None:
    bench.answers["1"] = could_not_ask()
    await bench.ask("1")
    bench.later(61)
    await bench.ask("1")
    assert len(bench.asked) == 2


# -- failures


async def test_a_failure_is_everybodys_and_asking_slows_down(bench: Bench) -> None:
    good = await bench.ask("1")
    bench.error = ConnectError("Connection refused.", code="ssh.refused", hint="Look at it.")
    since = bench.later(61)
    pauses = list[float]()
    for count in range(1, 7):
        snapshot = await bench.ask("1", ledger=bench.process())
        failure = snapshot.failure
        assert failure is not None
        assert (failure.count, failure.since, failure.code, failure.hint) == (
            count,
            since,
            "ssh.refused",
            "Look at it.",
        )
        assert (snapshot.asked_at, snapshot.answered) == (good.asked_at, good.answered)
        pauses.append((failure.next_try_at - bench.now).total_seconds())
        bench.later(pauses[-1] - 1)
        assert (await bench.ask("1", ledger=bench.process(), max_age_s=0.0)).failure == failure
        bench.later(1)
    assert pauses == [30, 60, 120, 240, 300, 300]
    assert len(bench.asked) == 7
    bench.error = None
    assert (await bench.ask("1")).failure is None
    bench.later(61)
    bench.error = ConnectError("Connection refused.")
    again = (await bench.ask("1")).failure
    assert again is not None
    assert (again.count, again.since) == (1, bench.now)


async def test_while_a_part_of_the_site_is_silent_those_who_ask_all_the_time_get_an_answer_less_often(
    bench: Bench,
) -> None:
    bench.answers = {"1": could_not_ask("slurm.unavailable")}
    for _ in range(120):
        await bench.ask("1", max_age_s=CLOCKS.floor_s)
        bench.later(5)
    assert len(bench.asked) <= 7  # of 40 that the floor allows
    assert bench.ledger.peek(KEY).silent == len(bench.asked)
    bench.answers = {"1": could_not_ask("slurm.accounting_behind")}
    bench.later(200)
    assert (await bench.ask("1", max_age_s=CLOCKS.floor_s)).silent == 0


async def test_a_new_job_is_asked_about_though_a_part_of_the_site_is_silent(bench: Bench) -> None:
    bench.answers = {"1": could_not_ask("slurm.accounting_unavailable")}
    await bench.ask("1")
    bench.later(20)
    assert sorted((await bench.ask("2")).answered) == ["1", "2"]


async def test_a_person_need_not_wait_out_the_pause_but_the_floor_holds(bench: Bench) -> None:
    bench.error = SourceUnavailableError("slurmctld is down.")
    await bench.ask("1")
    bench.later(CLOCKS.floor_s - 1)
    await bench.ask("1", person=True)
    assert len(bench.asked) == 1
    bench.later(1)
    await bench.ask("1", person=True)
    assert len(bench.asked) == 2


async def test_a_new_id_does_not_break_the_pause(bench: Bench) -> None:
    bench.error = ConnectError("no")
    await bench.ask("1")
    bench.later(20)
    await bench.ask("2")
    assert len(bench.asked) == 1


async def test_pauses_are_spread(benches: Callable[[Clocks], Bench]) -> None:
    bench = benches(Clocks(jitter=0.2))
    pauses = set[float]()
    for seed in range(20):
        bench.error = ConnectError("no")
        bench.now = START + timedelta(days=seed)
        failure = (await bench.ask("1", ledger=bench.process(rng=random.Random(seed)))).failure
        assert failure is not None
        pauses.add((failure.next_try_at - failure.at).total_seconds())
        bench.error = None
        bench.later(10_000)
        await bench.ask("1")
    assert len(pauses) > 10
    assert all(24.0 <= pause <= 36.0 for pause in pauses)


async def test_the_pause_begins_when_the_failure_was_seen(bench: Bench) -> None:
    """Slurm takes 50 s to say that munge is stale: as long as a pause itself."""

    async def slow(_: object) -> dict[str, Seen]:
        bench.later(50)
        raise ConnectError("no")

    snapshot = await bench.ledger.ask(LedgerKey("slurm", "x"), [wanted("1")], slow, max_age_s=60.0)
    assert snapshot.failure is not None
    assert snapshot.failure.at == at(0)
    assert snapshot.failure.next_try_at == at(80)


async def test_a_failure_of_this_process_alone_is_told_to_nobody_else(bench: Bench) -> None:
    await bench.ask("1")
    mine, theirs = bench.process(), bench.process()
    bench.later(61)
    bench.error = AuthRejectedError("Login refused.", hint="ssh c")
    failure = (await bench.ask("1", ledger=mine)).failure
    assert failure is not None
    assert (failure.code, failure.shared, failure.count) == ("ssh.auth_rejected", False, 1)
    assert theirs.peek(KEY).failure is None
    bench.later(16)
    again = await bench.ask("1", ledger=mine, max_age_s=0.0)
    assert again.failure == failure
    assert len(bench.asked) == 2  # it waits out its own pause
    bench.error = None
    fresh = await bench.ask("1", ledger=theirs)
    assert fresh.failure is None
    assert len(bench.asked) == 3  # which is nobody else's
    bench.error = AuthRejectedError("Login refused.")
    bench.later(20)
    served = await bench.ask("1", ledger=mine)
    assert served == fresh
    assert len(bench.asked) == 3  # what others have learned is good enough, its pause over or not


async def test_once_this_process_can_ask_again_its_failures_are_forgotten(bench: Bench) -> None:
    bench.error = AuthRejectedError("Login refused.")
    for _ in range(4):
        failure = (await bench.ask("1", person=True)).failure
        assert failure is not None
        bench.later(20)
    assert failure_pause_s(bench) == 240
    bench.error = None
    await bench.ask("1", person=True)
    bench.later(61)
    assert (await bench.ask("1")).asked_at == bench.now
    bench.later(61)
    bench.error = AuthRejectedError("Login refused.")
    assert (await bench.ask("1")).failure is not None
    assert failure_pause_s(bench) == 30


def failure_pause_s(bench: Bench) -> float:
    failure = bench.ledger.peek(KEY).failure
    assert failure is not None
    return (failure.next_try_at - failure.at).total_seconds()


async def test_other_errors_are_the_callers_and_leave_no_trace(bench: Bench) -> None:
    bench.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await bench.ask("1")
    bench.error = None
    assert (await bench.ask("1", ledger=bench.process())).failure is None
    assert len(bench.asked) == 2


# -- files


async def test_files_are_the_users_own(bench: Bench) -> None:
    await bench.ask("1")
    assert stat.S_IMODE(bench.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in bench.folder.iterdir()} == {0o600}
    assert not list(bench.folder.glob("*.new"))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b'{"key": "another"}', b"[]", b'{"v": 1}'])
async def test_a_file_that_cannot_be_believed_is_no_answer_and_is_rewritten(bench: Bench, content: bytes) -> None:
    await bench.ask("1")
    for path in bench.folder.glob("*.json"):
        path.write_bytes(content)
    ledger = bench.process()
    assert ledger.peek(KEY) == Snapshot()
    assert sorted((await bench.ask("1", ledger=ledger)).answered) == ["1"]
    assert bench.process().peek(KEY).asked_at == at(0)


async def test_an_answer_under_another_keys_name_is_not_believed(bench: Bench) -> None:
    await bench.ask("1")
    other = LedgerKey("slurm", "bob@c:22")
    await bench.ledger.ask(other, [wanted("1")], bench.source, max_age_s=60.0)
    ours, theirs = sorted(bench.folder.glob("*.answer.json"))
    ours.write_bytes(theirs.read_bytes())
    believed = [bench.process().peek(key).asked_at for key in (KEY, other)]
    assert sorted(believed, key=str) == [at(0), None]


async def test_keys_that_differ_anywhere_share_nothing(bench: Bench) -> None:
    for key in (LedgerKey("a", "b"), LedgerKey("a", "b", "c"), LedgerKey("ab", ""), LedgerKey("", "ab")):
        await bench.ledger.ask(key, [wanted("1")], bench.source, max_age_s=60.0)
    assert len(bench.asked) == 4


async def test_what_a_killed_writer_left_is_written_over(bench: Bench) -> None:
    await bench.ask("1")
    [answer] = bench.folder.glob("*.answer.json")
    answer.with_suffix(".new").write_bytes(b'{"half')
    bench.later(61)
    await bench.ask("1")
    assert bench.process().peek(KEY).asked_at == at(61)
    assert not list(bench.folder.glob("*.new"))


async def test_where_nothing_can_be_stored_there_are_answers_and_the_floor_holds(bench: Bench) -> None:
    bench.folder.write_text("not a folder", encoding="utf-8")
    first = await bench.ask("1")
    assert sorted(first.answered) == ["1"]
    bench.later(10)
    assert await bench.ask("1", max_age_s=0.0) == first
    assert len(bench.asked) == 1
    bench.later(51)
    await bench.ask("1")
    assert len(bench.asked) == 2


async def test_a_clock_that_was_set_back_asks_at_once(bench: Bench) -> None:
    await bench.ask("1")
    bench.later(-3600)
    snapshot = await bench.ask("1")
    assert snapshot.asked_at == at(-3600)
    bench.error = ConnectError("no")
    bench.later(61)
    await bench.ask("1")
    bench.later(-3600)
    bench.error = None
    assert (await bench.ask("1")).failure is None


async def test_a_big_answer_is_stored_without_its_raw_lines(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwarden.ledger.files.MAX_BYTES", 20_000)
    bench.answers["1"] = seen("RUNNING").model_copy(
        update={"evidence": seen("RUNNING").evidence.model_copy(update={"lines": ("x" * 30_000,)})}
    )
    await bench.ask("1")
    kept = bench.process().peek(KEY).answered["1"]
    assert isinstance(kept, Seen)
    assert (kept.status, kept.evidence.lines) == ("RUNNING", ())


async def test_ten_thousand_jobs_that_pass_through_leave_nothing_behind(bench: Bench) -> None:
    sizes = list[tuple[int, int]]()
    for batch in range(10):
        ids = [f"{batch}-{number}" for number in range(1000)]
        bench.answers = {job_id: seen("RUNNING") for job_id in ids}
        await bench.ask(*ids, registered=batch * 600)
        bench.later(100)
        bench.answers = {job_id: seen("COMPLETED") for job_id in ids}
        known = await bench.ask(*ids, registered=batch * 600)
        sizes.append((len(known.answered), sum(path.stat().st_size for path in bench.folder.glob("*.json"))))
        bench.later(500)  # nobody wants them any more: after 8 minutes that is so
    assert max(count for count, _ in sizes) <= 1000
    assert max(size for _, size in sizes) < 1.1 * sizes[0][1]
    assert len(bench.asked[-1]) == 1000
    await bench.ask("last")
    assert list(bench.ledger.peek(KEY).answered) == ["last"]


def test_every_kind_of_sighting_comes_back_from_the_file_as_it_was() -> None:
    hanging = DependsOn(evidence=proof(), slurm_ids=("5",), facts={"nothing": None}, memo={"nothing": None})
    ended = seen("FAILED", ended_at=START, newer=(seen("RUNNING"),))
    kinds: list[Sighting] = [ended, absent(), could_not_ask(), hanging]
    stored = Stored(key="k", asked_at=at(0.5), answered={one.kind: one for one in kinds})
    assert Stored.model_validate_json(stored.model_dump_json()) == stored


async def test_a_part_that_has_ended_is_asked_about_again_while_the_whole_lives(bench: Bench) -> None:
    """Requeued by hand it lives again; what cannot be asked takes no end back."""

    async def target(host: str) -> Target:
        return Target(KEY, host)

    slurm = SlurmThroughLedger(bench.ledger, target, lambda _: bench.source, "c", 0.0, lambda: bench.now)
    bench.answers = {"1": seen("FAILED", ended_at=START)}
    for part in (could_not_ask(), absent()):
        assert (await slurm.resolve("", ["1", "2"]))["1"] == seen("FAILED", ended_at=START)
        bench.later(60)
        bench.answers["1"] = part
    bench.answers["1"] = seen("PENDING")
    assert (await slurm.resolve("", ["1", "2"]))["1"] == seen("PENDING")
    assert bench.asked == [("1", "2")] * 3


async def test_a_part_that_is_given_again_is_of_when_it_was_asked_for_last(bench: Bench) -> None:
    async def target(host: str) -> Target:
        return Target(KEY, host)

    slurm = SlurmThroughLedger(bench.ledger, target, lambda _: bench.source, "c", 0.0, lambda: bench.now)
    bench.answers = {"1": seen("RUNNING", stands=True)}
    for seconds in (0, 60):
        assert (await slurm.resolve("", ["1"]))["1"].evidence.asked_at == at(seconds)
        bench.later(60)
