"""Every ordering of what squeue and sacct may say, on a Slurm of paper; faults that a real one shows rarely."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.sources.base import Absent, CouldNotAsk, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceUnavailableError, UnreadableAnswerError
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.sources.slurm.vocabulary import PHASES, Word
from jobwarden_registry.phases import Phase
from support.slurm_fake import (
    NO_ACCOUNTING,
    NOW,
    SACCT_DOWN,
    SQUEUE_DOWN,
    T0,
    FakeSlurm,
    Said,
    Trouble,
    account_row,
    host,
    queue_row,
)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def observe(slurm: FakeSlurm, *wanted: Wanted | str) -> Mapping[str, Sighting]:
    jobs = [Wanted(id=one, log_known=True) if isinstance(one, str) else one for one in wanted]
    return await SlurmSource(clock=lambda: NOW).observe(host(slurm), jobs)


async def seen(slurm: FakeSlurm, wanted: Wanted | str = "7") -> Seen:
    one = await told(slurm, wanted)
    assert isinstance(one, Seen), one
    return one


async def told(slurm: FakeSlurm, wanted: Wanted | str = "7") -> Sighting:
    sightings = await observe(slurm, wanted)
    assert len(sightings) == 1
    return next(iter(sightings.values()))


async def code(slurm: FakeSlurm, wanted: Wanted | str = "7") -> str:
    one = await told(slurm, wanted)
    assert isinstance(one, CouldNotAsk), one
    assert one.evidence.rule
    return one.code


# -- alive


@pytest.mark.parametrize("ended", ["COMPLETED", "FAILED", "PREEMPTED", "NODE_FAIL", "REQUEUED", "CANCELLED by 0"])
@pytest.mark.parametrize("alive", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUE_HOLD", "NEW_WORD"])
async def test_alive_in_squeue_wins_over_any_end_in_sacct(alive: str, ended: str) -> None:
    slurm = FakeSlurm(queue=[queue_row("7", alive)], account=[account_row("7", ended)])
    one = await seen(slurm)
    assert (one.status, one.phase.final) == (alive, False)


async def test_running_jobs_cost_one_question() -> None:
    slurm = FakeSlurm(queue=[queue_row(str(one), "RUNNING") for one in range(1, 500)])
    sightings = await observe(slurm, *(str(one) for one in range(1, 500)))
    assert len(slurm.asked) == 1
    assert all(isinstance(one, Seen) for one in sightings.values())


async def test_nothing_wanted_asks_nothing() -> None:
    slurm = FakeSlurm()
    assert await observe(slurm) == {}
    assert slurm.asked == []


async def test_a_waiting_job_has_not_started_whatever_start_squeue_expects() -> None:
    one = await seen(FakeSlurm(queue=[queue_row("7", "PENDING", start=T0 + 900, reason="Resources")]))
    assert (one.started_at, one.ended_at, one.reason) == (None, None, "Resources")


async def test_a_running_jobs_time_limit_is_not_its_end() -> None:
    assert (await seen(FakeSlurm(queue=[queue_row("7", "RUNNING", end=T0 + 3600)]))).ended_at is None


# -- ended


async def test_squeue_and_sacct_agree() -> None:
    slurm = FakeSlurm(queue=[queue_row("7", "CANCELLED")], account=[account_row("7", "CANCELLED by 1001")])
    one = await seen(slurm)
    assert (one.status, one.phase, one.exit_code) == ("CANCELLED by 1001", Phase.CANCELLED, None)


async def test_who_cancelled_it_is_waited_for_as_long_as_accounting_may_need() -> None:
    fresh, older = [queue_row("7", "CANCELLED", end=T0 - 2)], [queue_row("7", "CANCELLED", end=T0 - 10)]
    assert await code(FakeSlurm(queue=fresh)) == "slurm.accounting_behind"
    assert await code(FakeSlurm(queue=fresh, account=[account_row("7", "PENDING")])) == "slurm.accounting_behind"
    for nobody_tells in (NO_ACCOUNTING, SACCT_DOWN):
        assert (await seen(FakeSlurm(queue=fresh, account=nobody_tells))).status == "CANCELLED"
    assert (await seen(FakeSlurm(queue=older))).status == "CANCELLED"


async def test_what_ended_without_a_node_never_started() -> None:
    waited, told = queue_row("7", "DEADLINE", nodes=""), account_row("7", "DEADLINE", nodes="None assigned")
    assert (await seen(FakeSlurm(queue=[waited]))).started_at is None
    assert (await seen(FakeSlurm(account=[told]))).started_at is None
    assert (await seen(FakeSlurm(queue=[queue_row("7", "FAILED")]))).started_at is not None


@pytest.mark.parametrize("lag", [[], [account_row("7", "RUNNING")], [account_row("7", "PENDING", partition="")]])
async def test_an_end_in_squeue_counts_before_sacct_has_it(lag: list[tuple[str, ...]]) -> None:
    one = await seen(FakeSlurm(queue=[queue_row("7", "COMPLETED")], account=lag))
    assert (one.phase, one.exit_code) == (Phase.SUCCEEDED, 0)


@pytest.mark.parametrize("word", ["PREEMPTED", "NODE_FAIL", "BOOT_FAIL"])
async def test_what_may_be_requeued_waits_for_both(word: str) -> None:
    queue = [queue_row("7", word)]
    assert await code(FakeSlurm(queue=queue, account=[account_row("7", "RUNNING")])) == "slurm.accounting_behind"
    assert await code(FakeSlurm(queue=queue, account=SACCT_DOWN)) == "slurm.accounting_behind"
    assert await code(FakeSlurm(queue=SQUEUE_DOWN, account=[account_row("7", word)])) == "slurm.unavailable"
    assert (await seen(FakeSlurm(queue=queue, account=[account_row("7", word)]))).phase is Phase.FAILED
    assert (await seen(FakeSlurm(account=[account_row("7", word)]))).phase is Phase.FAILED
    assert (await seen(FakeSlurm(queue=queue, account=NO_ACCOUNTING))).phase is Phase.FAILED


async def test_another_users_preempted_job_is_looked_for_by_id() -> None:
    row = account_row("7", "PREEMPTED", user="bob")
    waiting = FakeSlurm(account=[row], by_id=[queue_row("7", "PENDING", user="bob")])
    assert (await seen(waiting)).phase is Phase.PENDING
    assert (await seen(FakeSlurm(account=[row]))).phase is Phase.FAILED
    assert await code(FakeSlurm(account=[row], by_id=SQUEUE_DOWN)) == "slurm.unavailable"


async def test_another_users_fresh_end_is_believed_once_squeue_was_asked_by_id() -> None:
    """A requeue reaches accounting up to 5 seconds late (22.05.8), and squeue was asked for our own jobs alone."""
    ended = [account_row("7", "FAILED", user="bob", end=T0 - 3)]
    lives = queue_row("7", "PENDING", user="bob", submit=T0 - 3)
    assert (await seen(FakeSlurm(account=ended, by_id=[lives]))).phase is Phase.PENDING
    assert (await seen(FakeSlurm(account=ended))).phase is Phase.FAILED
    assert isinstance(await told(FakeSlurm(account=ended, by_id=SQUEUE_DOWN)), CouldNotAsk)
    old = FakeSlurm(account=[account_row("7", "FAILED", user="bob", end=T0 - 60)])
    assert (await seen(old)).phase is Phase.FAILED
    assert len(old.asked) == 2


async def test_requeued_in_sacct_alone_is_no_end() -> None:
    assert not (await seen(FakeSlurm(account=[account_row("7", "REQUEUED")]))).phase.final


async def test_running_in_sacct_alone_is_a_contradiction_and_no_end() -> None:
    one = await seen(FakeSlurm(account=[account_row("7", "RUNNING", end="Unknown")]))
    assert one.phase is Phase.RUNNING
    assert "contradict" in one.evidence.rule


@pytest.mark.parametrize("word", ["PENDING", "COMPLETED"])
async def test_a_stub_of_sacct_settles_nothing_while_it_is_fresh(word: str) -> None:
    stub = account_row("7", word, partition="", name="allocation")
    assert await code(FakeSlurm(account=[stub])) == "slurm.accounting_behind"


async def test_an_old_stub_is_all_there_will_be() -> None:
    stub = account_row("7", "FAILED", partition="", code="3:0", end=T0 - 3600)
    assert (await seen(FakeSlurm(account=[stub]))).exit_code == 3


async def test_a_job_requeued_after_squeue_was_asked_has_not_ended() -> None:
    rows = [account_row("7", "COMPLETED"), account_row("7", "PENDING", submit=T0 - 1, start="Unknown", end="Unknown")]
    assert await code(FakeSlurm(queue=[queue_row("7", "COMPLETED")], account=rows)) == "slurm.accounting_behind"


@pytest.mark.parametrize(
    ("state", "exit_text", "expected"),
    [
        ("COMPLETED", "0:0", (0, None)),
        ("FAILED", "3:0", (3, None)),
        ("FAILED", "0:9", (None, 9)),
        ("FAILED", "0:53", (None, None)),
        ("FAILED", "0:0", (None, None)),
        ("OUT_OF_MEMORY", "0:125", (None, None)),
        ("DEADLINE", "1:0", (None, None)),
        ("CANCELLED by 0", "0:15", (None, None)),
    ],
)
async def test_only_the_programs_own_exit_code_is_told(
    state: str, exit_text: str, expected: tuple[int | None, int | None]
) -> None:
    one = await seen(FakeSlurm(account=[account_row("7", state, code=exit_text)]))
    assert (one.exit_code, one.signal) == expected


async def test_scontrols_exit_code_stands_before_saccts() -> None:
    slurm = FakeSlurm(
        queue=[queue_row("7", "FAILED", reason="NonZeroExitCode")],
        account=[account_row("7", "FAILED", code="72:0")],
        scontrol="JobId=7 JobName=train\n   UserId=alice(1001)\n"
        "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=200:0\n",
    )
    assert (await seen(slurm)).exit_code == 200


# -- nowhere, and not asked


async def test_absence_needs_a_whole_answer_of_both() -> None:
    assert isinstance(await told(FakeSlurm()), Absent)
    assert await code(FakeSlurm(account=SACCT_DOWN)) == "slurm.accounting_unavailable"
    assert await code(FakeSlurm(queue=SQUEUE_DOWN)) == "slurm.unavailable"
    assert await code(FakeSlurm(by_id=SQUEUE_DOWN)) == "slurm.unavailable"


async def test_an_error_with_exit_status_zero_is_no_whole_answer() -> None:
    assert await code(FakeSlurm(queue=Trouble(0, "squeue: error: Invalid user: 1001"))) == "slurm.unavailable"
    quiet = FakeSlurm(account=Trouble(0, "sacct: error: Problem talking to the database"))
    assert await code(quiet) == "slurm.accounting_unavailable"


async def test_without_accounting_squeue_by_id_has_the_last_word() -> None:
    for none in (NO_ACCOUNTING, Trouble(127, "sacct: not found")):
        one = await told(FakeSlurm(account=none))
        assert isinstance(one, Absent)
        assert one.where == ("squeue", "squeue -j", "scontrol")


async def test_both_down_is_an_error_for_all() -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        await observe(FakeSlurm(queue=SQUEUE_DOWN, account=SACCT_DOWN), "7")
    assert caught.value.code == "slurm.unavailable"
    with pytest.raises(SourceUnavailableError):
        await observe(FakeSlurm(queue=SQUEUE_DOWN, account=NO_ACCOUNTING), "7")


async def test_known_ends_are_used_while_squeue_is_down() -> None:
    one = await seen(FakeSlurm(queue=SQUEUE_DOWN, account=[account_row("7", "TIMEOUT")]))
    assert one.phase is Phase.FAILED


async def test_munge_down_asks_no_second_program() -> None:
    slurm = FakeSlurm(queue=Trouble(1, "slurm_load_jobs error: Protocol authentication error"))
    with pytest.raises(SourceUnavailableError):
        await observe(slurm, "7")
    assert len(slurm.asked) == 1


async def test_a_torn_answer_says_nothing_of_any_job() -> None:
    for cut in range(-700, 0, 23):
        with pytest.raises(UnreadableAnswerError):
            await observe(FakeSlurm(queue=[queue_row("7", "RUNNING")], cut=cut), "7")


async def test_noise_of_login_files_is_passed_over() -> None:
    slurm = FakeSlurm(queue=[queue_row("7", "RUNNING")], noise="\n7|COMPLETED\nWelcome\n")
    assert (await seen(slurm)).phase is Phase.RUNNING


async def test_an_impossible_id_harms_no_other() -> None:
    sightings = await observe(FakeSlurm(queue=[queue_row("7", "RUNNING")]), "7", "--help")
    assert isinstance(sightings["7"], Seen)
    assert isinstance(sightings["--help"], CouldNotAsk)


# -- requeues and reused ids


async def test_each_run_is_an_attempt() -> None:
    rows = [
        account_row("7", "PREEMPTED", submit=T0 - 900, end=T0 - 500),
        account_row("7", "REQUEUED", submit=T0 - 500, end=T0 - 300),
        account_row("7", "COMPLETED", submit=T0 - 300),
    ]
    one = await seen(FakeSlurm(account=rows))
    assert [run.status for run in one.attempts] == ["PREEMPTED", "REQUEUED", "COMPLETED"]
    assert all(run.started_at for run in one.attempts)
    assert one.submitted_at == NOW - timedelta(seconds=300)  # of the run that its state is about


async def test_a_requeued_job_keeps_its_record_though_its_submit_time_is_new() -> None:
    wanted = Wanted(id="7", submitted_at=NOW - timedelta(days=2), log_known=True)
    rows = [
        account_row("7", "NODE_FAIL", submit=T0 - 172800, end=T0 - 3600),
        account_row("7", "PENDING", submit=T0 - 3600),
    ]
    one = await seen(FakeSlurm(queue=[queue_row("7", "PENDING", submit=T0 - 3600)], account=rows), wanted)
    assert (one.phase, len(one.attempts)) == (Phase.PENDING, 2)


async def test_a_reused_id_is_not_followed() -> None:
    wanted = Wanted(id="7", submitted_at=NOW - timedelta(days=2), log_known=True)
    rows = [
        account_row("7", "COMPLETED", submit=T0 - 172800, end=T0 - 90000),
        account_row("7", "RUNNING", submit=T0 - 3600, user="bob"),
    ]
    one = await seen(FakeSlurm(queue=[queue_row("7", "RUNNING", submit=T0 - 3600, user="bob")], account=rows), wanted)
    assert (one.phase, one.user) == (Phase.SUCCEEDED, "alice")


async def test_an_id_reused_by_ones_own_other_job_is_not_followed() -> None:
    wanted = Wanted(id="7", submitted_at=NOW - timedelta(days=2), log_known=True)
    old = account_row("7", "COMPLETED", submit=T0 - 172800, end=T0 - 90000)
    rows = [old, account_row("7", "FAILED", submit=T0 - 3600, name="other")]
    slurm = FakeSlurm(queue=[queue_row("7", "RUNNING", submit=T0 - 3600, name="other")], account=rows)
    assert (await seen(slurm, wanted)).phase is Phase.SUCCEEDED
    assert (await seen(FakeSlurm(account=rows), wanted)).phase is Phase.SUCCEEDED


async def test_an_id_reused_at_once_by_a_controller_that_lost_its_state_is_not_followed() -> None:
    """slurmdbd notes the lost ones as CANCELLED at that moment (22.05.8), just before the ids begin anew."""
    wanted = Wanted(id="7", submitted_at=NOW - timedelta(seconds=600), log_known=True)
    rows = [
        account_row("7", "CANCELLED", submit=T0 - 600, end=T0 - 60),
        account_row("7", "COMPLETED", submit=T0 - 58, start=T0 - 50, name="other"),
    ]
    assert (await seen(FakeSlurm(account=rows), wanted)).status == "CANCELLED"


async def test_a_renamed_job_that_is_requeued_is_still_ours() -> None:
    wanted = Wanted(id="7", submitted_at=NOW - timedelta(days=2), log_known=True)
    old = account_row("7", "PREEMPTED", submit=T0 - 172800, end=T0 - 3600)
    slurm = FakeSlurm(queue=[queue_row("7", "PENDING", submit=T0 - 3599, name="new name")], account=[old])
    assert (await seen(slurm, wanted)).phase is Phase.PENDING


async def test_an_older_job_of_the_same_id_is_not_ours() -> None:
    wanted = Wanted(id="1", submitted_at=NOW - timedelta(seconds=20), log_known=True)
    old = account_row("1", "FAILED", submit=T0 - 90000, end=T0 - 80000)
    assert isinstance(await told(FakeSlurm(account=[old]), wanted), Absent)


# -- arrays


async def test_an_array_is_counted_from_both() -> None:
    slurm = FakeSlurm(
        queue=[queue_row("7_[4-8%2]", "PENDING", reason="JobArrayTaskLimit"), queue_row("7_3", "RUNNING", raw=10)],
        account=[
            account_row("7_1", "COMPLETED", raw=8),
            account_row("7_2", "FAILED", raw=9),
            account_row("7_[3-8%2]", "PENDING"),
        ],
    )
    one = await seen(slurm)
    assert one.status == "RUNNING 1, PENDING 5, COMPLETED 1, FAILED 1"
    assert (one.phase, one.reason) == (Phase.RUNNING, "failed: 2; JobArrayTaskLimit")


CUT = "7_[1,8,15,22,29,36,43,50,57,64,71"
"""sacct 20.11 cuts an id at 33 characters, whatever SLURM_BITSTR_LEN says."""


async def test_a_range_that_sacct_has_cut_hides_no_other_job() -> None:
    slurm = FakeSlurm(account=[account_row(CUT, "CANCELLED by 5"), account_row("9", "FAILED", code="3:0")])
    assert (await seen(slurm, "9")).exit_code == 3
    one = await seen(slurm, "7")
    assert (one.phase, one.status) == (Phase.CANCELLED, "CANCELLED 10+")


async def test_an_element_that_was_cut_off_a_range_ends_with_it_once_squeue_lacks_it_and_not_before() -> None:
    rows = [account_row(CUT, "CANCELLED by 5"), account_row("7_92", "COMPLETED", raw=9)]
    assert (await seen(FakeSlurm(account=rows), "7_99")).phase is Phase.CANCELLED
    assert (await seen(FakeSlurm(account=rows), "7_92")).phase is Phase.SUCCEEDED
    assert isinstance(await told(FakeSlurm(account=rows), "7_2"), Absent)
    assert isinstance(await told(FakeSlurm(queue=SQUEUE_DOWN, account=rows), "7_99"), CouldNotAsk)


@pytest.mark.parametrize(
    ("words", "phase"),
    [
        (("COMPLETED", "COMPLETED"), Phase.SUCCEEDED),
        (("COMPLETED", "CANCELLED by 5"), Phase.CANCELLED),
        (("CANCELLED by 5", "TIMEOUT"), Phase.FAILED),
        (("COMPLETED", "RUNNING"), Phase.RUNNING),
        (("COMPLETED", "SOMETHING"), Phase.UNKNOWN),
    ],
)
async def test_an_array_has_ended_when_every_element_has(words: tuple[str, str], phase: Phase) -> None:
    rows = [account_row(f"7_{at}", word, raw=7 + at, end=T0 - 100) for at, word in enumerate(words)]
    assert (await seen(FakeSlurm(account=rows))).phase is phase


async def test_ten_thousand_ended_elements_are_told_in_a_few_words() -> None:
    """Rows of paper: to run so many takes half an hour."""
    words = ["FAILED" if index % 3 == 0 else "COMPLETED" for index in range(10_000)]
    rows = [account_row(f"7_{index}", word, raw=100 + index) for index, word in enumerate(words)]
    one = await seen(FakeSlurm(account=rows), Wanted(id="7", registered_at=NOW))  # a minute, when rows meet all rows
    assert (one.status, one.phase) == ("COMPLETED 6666, FAILED 3334", Phase.FAILED)
    assert one.reason is not None
    assert one.reason.startswith("failed: 0,3,6,9,12,")
    assert one.reason.endswith(",… (3334 in all)")
    assert len(one.reason) < 200
    assert len(one.model_dump_json()) < 8000


async def test_elements_cancelled_while_waiting_stay_one_row() -> None:
    rows = [account_row("7_1", "COMPLETED", raw=8), account_row("7_[2-4%1]", "CANCELLED by 1001")]
    assert (await seen(FakeSlurm(account=rows))).status == "COMPLETED 1, CANCELLED 3"
    assert (await seen(FakeSlurm(account=rows), "7_3")).status == "CANCELLED by 1001"
    assert isinstance(await told(FakeSlurm(account=rows), "7_9"), Absent)


async def test_elements_that_vanish_are_counted_and_make_no_success() -> None:
    """Cancelled one by one while they waited, they are in no answer any more (22.05.8)."""
    wanted = Wanted(id="7", elements=3, log_known=True)
    rows = [account_row("7_1", "COMPLETED", raw=8, end=T0 - 100)]
    one = await seen(FakeSlurm(account=rows), wanted)
    assert (one.phase, one.status, one.elements) == (Phase.CANCELLED, "COMPLETED 1", 3)
    assert one.reason == "2 of 3 elements left no record: cancelled while they waited"
    alive = await seen(FakeSlurm(queue=[queue_row("7_2", "RUNNING", raw=9)], account=rows), wanted)
    assert (alive.phase, alive.elements) == (Phase.RUNNING, 3)
    fresh = [account_row("7_1", "COMPLETED", raw=8, end=T0 - 3)]
    assert await code(FakeSlurm(account=fresh), wanted) == "slurm.accounting_behind"


async def test_one_element_is_a_job_of_its_own() -> None:
    slurm = FakeSlurm(queue=[queue_row("7_[4-8%2]", "PENDING"), queue_row("7_3", "RUNNING", raw=10)])
    assert (await seen(slurm, "7_3")).status == "RUNNING"
    assert (await seen(slurm, "7_5")).status == "PENDING"
    assert (await seen(slurm, "10")).status == "RUNNING"


async def test_a_stub_does_not_end_an_array() -> None:
    stub = account_row("7", "COMPLETED", partition="", name="allocation")
    rows = [stub, account_row("7_1", "COMPLETED", raw=8)]
    assert await code(FakeSlurm(account=rows)) == "slurm.accounting_behind"


async def test_without_accounting_an_array_is_not_called_a_success() -> None:
    rows = [queue_row("7_1", "COMPLETED", raw=8), queue_row("7_2", "COMPLETED", raw=7)]
    assert await code(FakeSlurm(queue=rows, account=NO_ACCOUNTING)) == "slurm.no_accounting"


async def test_an_arrays_counts_do_not_change_while_accounting_is_down() -> None:
    slurm = FakeSlurm(queue=[queue_row("7_1", "RUNNING", raw=8)], account=SACCT_DOWN)
    assert await code(slurm) == "slurm.accounting_unavailable"


async def test_a_federations_other_row_wins_over_revoked() -> None:
    slurm = FakeSlurm(queue=[queue_row("7", "REVOKED"), queue_row("7", "RUNNING")])
    assert (await seen(slurm)).status == "RUNNING"
    assert (await seen(FakeSlurm(queue=[queue_row("7", "REVOKED")]))).phase is Phase.UNKNOWN


# -- for every combination

WORDS = st.sampled_from([*(word.value for word in Word), "CANCELLED by 0", "NEW_WORD", "?"])
IDS = st.sampled_from(["7", "7_1", "7_[2-4%2]", "7+0", "8"])
QUEUE: st.SearchStrategy[Said] = st.one_of(
    st.just(SQUEUE_DOWN), st.lists(st.builds(queue_row, IDS, WORDS, raw=st.integers(1, 9)), max_size=4)
)
ACCOUNT: st.SearchStrategy[Said] = st.one_of(
    st.sampled_from([SACCT_DOWN, NO_ACCOUNTING]),
    st.lists(
        st.builds(
            account_row, IDS, WORDS, raw=st.integers(1, 9), partition=st.sampled_from(["", "normal"]),
            submit=st.integers(T0 - 900, T0 - 100),
        ),
        max_size=4,
    ),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(queue=QUEUE, account=ACCOUNT, by_id=QUEUE)
async def test_every_job_gets_one_sighting_and_no_word_ends_it_that_is_no_end(
    queue: Said, account: Said, by_id: Said
) -> None:
    slurm = FakeSlurm(queue=queue, account=account, by_id=by_id)
    ids = ["7", "7_1", "7_3", "8", "99"]
    try:
        sightings = await observe(slurm, *ids)
    except SourceUnavailableError:
        assert isinstance(queue, Trouble)
        assert isinstance(account, Trouble)
        return
    assert set(sightings) == set(ids)
    down = isinstance(queue, Trouble) or (isinstance(account, Trouble) and account is SACCT_DOWN)
    # REVOKED beside another row of the job is what a federation's sibling says of it.
    rows = [] if isinstance(queue, Trouble) else [row for row in queue if row[4] != "REVOKED"]
    alive = [row for row in rows if not _ends(row[4])]
    for id_, one in sightings.items():
        assert not (down and isinstance(one, Absent))
        if isinstance(one, Seen) and one.phase.final:
            assert "NEW_WORD" not in one.status
            assert not any(row[0] == id_ for row in alive), "alive in squeue"


def _ends(text: str) -> bool:
    word = text.partition(" ")[0]
    return any(PHASES[one].final for one in Word if one.value == word)


# -- cancelling


async def test_only_ones_own_living_jobs_are_cancelled() -> None:
    slurm = FakeSlurm(
        queue=[queue_row("1", "RUNNING"), queue_row("2", "COMPLETED"), queue_row("5", "PENDING")],
        by_id=[queue_row("3", "RUNNING", user="bob")],
        scancel=Trouble(210, "scancel: error: Kill job error on job id 5: Access/permission denied"),
    )
    wanted = [Wanted(id=one) for one in ("1", "2", "3", "4", "5", "x")]
    outcomes = await SlurmSource().cancel(host(slurm), wanted)
    assert {id_: one.accepted for id_, one in outcomes.items()} == {
        "1": True, "2": False, "3": False, "4": False, "5": False, "x": False,
    }  # fmt: skip
    assert slurm.asked[-1][1:] == ["1", "5"]
    assert "COMPLETED" in outcomes["2"].text
    assert "bob" in outcomes["3"].text
    assert "permission" in outcomes["5"].text


async def test_nothing_is_cancelled_unseen() -> None:
    slurm = FakeSlurm(queue=SQUEUE_DOWN)
    with pytest.raises(SourceUnavailableError):
        await SlurmSource().cancel(host(slurm), [Wanted(id="1")])
    assert len(slurm.asked) == 1
