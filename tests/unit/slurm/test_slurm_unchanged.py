"""What is seen again of a job is what would be seen anew, and a job with elements costs no run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobwarden.sources.base import CouldNotAsk, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.slurm import source as module
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.combine import see
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.transport.base import Completed
from support.slurm_fake import (
    NO_ACCOUNTING,
    NOW,
    SACCT_DOWN,
    SQUEUE_DOWN,
    T0,
    FakeSlurm,
    Said,
    account_row,
    host,
    queue_row,
)

ARRAY = [
    queue_row("7_[1-3]", "PENDING", start="N/A", end="N/A", nodes="", reason="Resources"),
    queue_row("7_0", "RUNNING", raw=8),
]
DONE = queue_row("7_0", "COMPLETED", raw=8)
QUEUES = st.sampled_from(
    [
        [],
        [queue_row("5", "RUNNING")],
        [queue_row("5", "RUNNING"), *ARRAY],
        [queue_row("5", "RUNNING", name="renamed", submit=T0 - 20), *ARRAY],
        [queue_row("5", "PENDING", submit=T0 - 20, reason="BeginTime", start="N/A", nodes=""), *ARRAY],
        [queue_row("5", "COMPLETED"), ARRAY[0]],
        [queue_row("5", "NO_SUCH_WORD"), *ARRAY],
        SQUEUE_DOWN,
    ]
)
ACCOUNTS = st.sampled_from(
    [
        [],
        [account_row("5", "RUNNING", end="Unknown"), account_row("7_[1-3]", "PENDING", start="Unknown", end="Unknown")],
        [account_row("5", "NODE_FAIL"), account_row("7_0", "FAILED", raw=8, code="3:0")],
        [account_row("5", "REQUEUED", end=T0 - 20), account_row("5", "PENDING", submit=T0 - 20, end="Unknown")],
        SACCT_DOWN,
        NO_ACCOUNTING,
    ]
)
WANTED = st.sampled_from(
    [
        (Wanted(id="5", log_known=True), Wanted(id="7", elements=4)),
        (Wanted(id="5", submitted_at=NOW - timedelta(seconds=600), name="train"), Wanted(id="7")),
        (Wanted(id="5", registered_at=NOW - timedelta(seconds=300), name="train"), Wanted(id="7_0", log_known=True)),
    ]
)
MOMENTS = st.lists(
    st.tuples(QUEUES, ACCOUNTS, WANTED, st.lists(st.sampled_from([1, 5, 20, 4000]), min_size=1, max_size=3)), max_size=6
)


@dataclass
class Moving:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class HeldSlurm(FakeSlurm):
    """Holds the first question that asks sacct alone, until it may go on."""

    holds: bool = False
    held: anyio.Event = field(default_factory=anyio.Event)
    go_on: anyio.Event = field(default_factory=anyio.Event)

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        if self.holds and "part user" not in argv[2] and 'ask_sacct "$fields"' in argv[2]:
            self.holds = False
            self.held.set()
            await self.go_on.wait()
        return await super().run(argv, timeout_s=timeout_s, stdin=stdin)


async def told(source: SlurmSource, slurm: FakeSlurm, wanted: Sequence[Wanted]) -> Mapping[str, Sighting] | str:
    """Give what is said, all of one moment, and with no more of the questions than who was asked."""
    try:
        return {name: dated(one) for name, one in (await source.observe(host(slurm), wanted)).items()}
    except SourceUnavailableError as error:
        return error.text


def dated(sighting: Sighting) -> Sighting:
    sighting = sighting.as_of(NOW) if isinstance(sighting, Seen) else sighting
    programs = tuple(question.split()[0] for question in sighting.evidence.question)
    evidence = sighting.evidence.model_copy(update={"asked_at": NOW, "question": programs})
    return sighting.model_copy(update={"evidence": evidence})


LATER = queue_row("9", "RUNNING", submit=T0 - 20)
LONE = (Wanted(id="7", elements=1, work_dir="/home/alice", submitted_at=NOW - timedelta(seconds=600)),)


@settings(max_examples=100, deadline=None)
@given(moments=MOMENTS)
@example(moments=[(ARRAY, [], LONE, [1, 1]), (ARRAY, SACCT_DOWN, LONE, [1])])
@example(moments=[([DONE], [], LONE, [1, 1]), ([DONE, LATER], [], LONE, [1])])
async def test_whatever_is_answered_what_is_seen_again_is_what_is_seen_anew(
    moments: list[tuple[Said, Said, tuple[Wanted, ...], list[int]]],
) -> None:
    clock = Moving()
    old = SlurmSource(clock)
    for queue, account, wanted, steps in moments:
        for step_s in steps:
            clock.now += timedelta(seconds=step_s)
            slurm = FakeSlurm(queue=queue, account=account, clock=int(clock.now.timestamp()))
            assert await told(old, slurm, wanted) == await told(SlurmSource(clock), slurm, wanted)


async def test_a_job_is_made_out_anew_only_when_a_row_about_it_or_what_is_wanted_of_it_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def counted(wanted: Wanted, job: SlurmId, asked: Asked) -> Sighting:
        made.append(wanted.id)
        return see(wanted, job, asked)

    monkeypatch.setattr(module, "see", counted)
    source, clock = SlurmSource(moving := Moving()), int(NOW.timestamp())
    slurm = FakeSlurm(queue=[queue_row("5", "RUNNING"), *ARRAY], clock=clock)
    wanted = [Wanted(id="5", log_known=True), Wanted(id="7", elements=4)]
    for _ in range(3):
        moving.now += timedelta(seconds=1)
        sightings = await source.observe(host(slurm), wanted)
        of_now = [one.as_of(moving.now) for one in sightings.values() if isinstance(one, Seen) and one.stands]
        assert [one.evidence.asked_at for one in of_now] == [moving.now, moving.now]
    assert made == ["5", "7"]
    slurm.account = [account_row("7_0", "FAILED", raw=8, code="3:0")]
    await source.observe(host(slurm), wanted)
    assert made == ["5", "7", "7"]
    await source.observe(host(slurm), [wanted[0].model_copy(update={"name": "another"}), wanted[1]])
    assert made == ["5", "7", "7", "5"]


async def test_a_look_that_begins_and_ends_while_another_waits_for_sacct_breaks_neither() -> None:
    """A rule that submits again looks at its new job while the watcher's round is on its way, with the same source."""
    slurm = HeldSlurm(queue=[queue_row("5", "RUNNING"), queue_row("6", "RUNNING")])
    source, wanted = SlurmSource(lambda: NOW), [Wanted(id="5", log_known=True), Wanted(id="6", log_known=True)]
    await source.observe(host(slurm), wanted)
    slurm.queue = [queue_row("5", "RUNNING"), queue_row("9", "RUNNING")]
    slurm.account = [account_row("6", "FAILED", code="3:0")]
    seen: dict[str, Sighting] = {}

    async def round_() -> None:
        seen.update(await source.observe(host(slurm), wanted))

    slurm.holds = True
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(round_)
            await slurm.held.wait()
            seen.update(await source.observe(host(slurm), [Wanted(id="9", user="alice")]))
            slurm.go_on.set()
    assert {name: one.status for name, one in seen.items() if isinstance(one, Seen)} == {
        "5": "RUNNING",
        "6": "FAILED",
        "9": "RUNNING",
    }


async def test_the_elements_of_a_known_array_are_asked_about_in_the_run_that_asks_squeue() -> None:
    slurm = FakeSlurm(queue=ARRAY, account=[account_row("7_4", "COMPLETED")])
    sightings = await SlurmSource(lambda: NOW).observe(host(slurm), [Wanted(id="7", elements=5)])
    (seen,) = sightings.values()
    assert isinstance(seen, Seen)
    assert (seen.status, len(slurm.asked)) == ("RUNNING 1, PENDING 3, COMPLETED 1", 1)


@pytest.mark.parametrize(("account", "runs"), [([account_row("7_0", "COMPLETED", end=T0 - 600)], 1), (SACCT_DOWN, 2)])
async def test_sacct_is_asked_again_beside_a_squeue_that_failed_only_where_it_has_failed_too(
    account: Said, runs: int
) -> None:
    """Its time may have run out while it waited for squeue's: alone it may answer."""
    slurm = FakeSlurm(queue=SQUEUE_DOWN, account=account)
    said = await told(SlurmSource(lambda: NOW), slurm, [Wanted(id="7", elements=1)])
    assert len(slurm.asked) == runs
    statuses = [one.status for one in said.values() if isinstance(one, Seen)] if isinstance(said, Mapping) else None
    assert statuses == (["COMPLETED 1"] if runs == 1 else None)


@pytest.mark.parametrize(("queue_s", "runs"), [(5, 1), (6, 2)])
async def test_what_sacct_said_long_before_squeue_answered_is_asked_for_anew(queue_s: int, runs: int) -> None:
    """Else an element that has ended twice meanwhile, and been forgotten, would have the first end."""
    slurm = FakeSlurm(queue=ARRAY, account=[account_row("7_4", "COMPLETED")], queue_s=queue_s)
    await told(SlurmSource(lambda: NOW), slurm, [Wanted(id="7", elements=5)])
    assert len(slurm.asked) == runs


async def test_a_sacct_that_did_not_answer_about_the_arrays_is_not_asked_about_the_other_jobs() -> None:
    """It may hang for most of a minute, each time."""
    slurm = FakeSlurm(queue=ARRAY, account=SACCT_DOWN)
    sightings = await SlurmSource(lambda: NOW).observe(host(slurm), [Wanted(id="7", elements=5), Wanted(id="5")])
    assert all(isinstance(one, CouldNotAsk) for one in sightings.values())
    assert {getattr(one, "code", "") for one in sightings.values()} == {"slurm.accounting_unavailable"}
    assert not any(words[2:3] == ["5"] and words[1].startswith("JobIDRaw") for words in slurm.asked)


async def test_an_array_for_which_there_was_no_room_in_the_first_question_is_asked_about_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "IDS_PER_QUESTION", 1)
    source, slurm = SlurmSource(lambda: NOW), FakeSlurm(queue=[*ARRAY, queue_row("6_0", "RUNNING", raw=6)])
    later = Wanted(id="7", elements=4)
    await source.observe(host(slurm), [later])
    await source.observe(host(slurm), [later])
    sightings = await source.observe(host(slurm), [Wanted(id="6", elements=1), later])
    assert all("sacct" in " ".join(one.evidence.question) for one in sightings.values())
    assert [words[2] for words in slurm.asked] == ["7", "7", "6", "7"]
