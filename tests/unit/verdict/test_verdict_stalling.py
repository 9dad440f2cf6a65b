"""When a running job is suspected to hang: only on what was measured, over several looks, and never on what was not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from jobwarden.config.clocks import Clocks
from jobwarden.sources.using import GpuUse, PartUse, Use
from jobwarden.verdict.stalling import Look, goes_on, suspicion, with_look

CLOCKS = Clocks()
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTES = 10


def use(
    cpu_s: float | None = 3.0, *, io: int | None = 100, memory: int | None = 5, gpus: tuple[float | None, ...] = ()
) -> Use:
    part = PartUse(cpu_s=cpu_s, memory_bytes=memory, io_bytes=io)
    return Use(parts={"1.batch": part}, gpu=tuple(GpuUse(index=str(at), percent=one) for at, one in enumerate(gpus)))


def looks(*uses: Use, minutes: float = MINUTES) -> tuple[Look, ...]:
    found: tuple[Look, ...] = ()
    for at, one in enumerate(uses):
        found = with_look(found, Look(START + timedelta(minutes=at * minutes), one), CLOCKS)
    return found


def test_a_job_that_did_nothing_over_several_looks_may_hang() -> None:
    told = suspicion(looks(use(1.0), *[use(203.0)] * 4), CLOCKS)
    assert told is not None
    assert (told.since, told.looks, told.by_log) == (START + timedelta(minutes=MINUTES), 4, True)
    assert told.text == (
        "since 2026-11-21 12:10 UTC (4 looks) its CPU time has stood at 203 s, and it read and wrote nothing"
    )


def test_a_few_looks_or_a_short_time_are_not_enough() -> None:
    assert suspicion(looks(use(), use(), use()), CLOCKS) is None
    assert suspicion(looks(*[use()] * 10, minutes=2), CLOCKS) is None
    assert suspicion((), CLOCKS) is None


def test_whoever_waits_on_a_disk_and_reads_meanwhile_does_not_hang() -> None:
    assert suspicion(looks(*(use(io=at * 50 * 2**20) for at in range(8))), CLOCKS) is None


def test_a_little_cpu_time_is_no_work_and_a_hundredth_of_a_core_is() -> None:
    assert suspicion(looks(*(use(3.0 + at) for at in range(6))), CLOCKS) is not None
    assert suspicion(looks(*(use(3.0 + 10 * at) for at in range(6))), CLOCKS) is None


def test_what_is_not_measured_speaks_against_a_suspicion() -> None:
    assert suspicion(looks(*[use(None)] * 6), CLOCKS) is None
    assert suspicion(looks(*[use(0.0, memory=None)] * 6), CLOCKS) is None
    assert suspicion(looks(*[use(0.0, memory=0)] * 6), CLOCKS) is None
    assert suspicion(looks(*[Use()] * 6), CLOCKS) is None


def test_a_step_that_came_or_went_is_something_that_happened() -> None:
    other = Use(parts={"1.0": PartUse(cpu_s=3.0, memory_bytes=5, io_bytes=100)})
    assert suspicion(looks(use(), use(), other, use(), use()), CLOCKS) is None


def test_after_a_gap_the_looks_begin_anew() -> None:
    before = looks(use(), use(), use())
    after = with_look(before, Look(before[-1].at + timedelta(hours=2), use()), CLOCKS)
    assert len(after) == 1
    assert suspicion(after, CLOCKS) is None


def test_a_service_that_waits_for_requests_does_its_work() -> None:
    assert suspicion(looks(*[use(gpus=(0.0,))] * 6), CLOCKS, service=True) is None


def test_gpus_at_nought_in_every_look_are_idle() -> None:
    told = suspicion(looks(*(use(60.0 * at, gpus=(0.0, 0.0)) for at in range(4))), CLOCKS)
    assert told is not None
    assert told.text == "its 2 GPUs were at 0 % in each of 4 looks since 2026-11-21 12:00 UTC"
    assert not told.by_log
    one = suspicion(looks(*(use(60.0 * at, gpus=(0.0,)) for at in range(4))), CLOCKS)
    assert one is not None
    assert one.text.startswith("its GPU was at 0 %")


def test_some_idle_gpus_among_busy_ones_are_named() -> None:
    told = suspicion(looks(*(use(60.0 * at, gpus=(97.0, 0.0, 95.0 * (at % 2), 0.0)) for at in range(6))), CLOCKS)
    assert told is not None
    assert told.text == "2 of its 4 GPUs (1, 3) were at 0 % in each of 6 looks since 2026-11-21 12:00 UTC"


def test_gpus_that_work_now_and_then_or_cannot_be_measured_are_not_idle() -> None:
    assert suspicion(looks(*(use(60.0 * at, gpus=(0.0 if at % 3 else 50.0,)) for at in range(9))), CLOCKS) is None
    assert suspicion(looks(*(use(60.0 * at, gpus=(None,)) for at in range(9))), CLOCKS) is None


def test_a_still_process_whose_gpu_works_does_not_hang() -> None:
    assert suspicion(looks(*(use(gpus=(90.0,)) for _ in range(6))), CLOCKS) is None


def test_it_goes_on_only_where_that_was_seen() -> None:
    cpu = "since 12:10 UTC (4 looks) its CPU time has stood at 3 s"
    assert not goes_on(cpu, looks(use(9.0)))
    assert not goes_on(cpu, looks(use(), use()))
    assert not goes_on(cpu, looks(use(), use(None)))
    assert not goes_on(cpu, looks(use(), Use()))
    assert goes_on(cpu, looks(use(), use(50.0)))
    gpu = "its 2 GPUs were at 0 % in each of 4 looks"
    assert not goes_on(gpu, looks(use(), use(99.0)))
    assert not goes_on(gpu, looks(use(), use(gpus=(0.0, 9.0))))
    assert goes_on(gpu, looks(use(), use(gpus=(7.0, 9.0))))


COUNTS = st.none() | st.integers(0, 2**40)
PARTS = st.builds(PartUse, cpu_s=st.none() | st.floats(0, 1e6), memory_bytes=COUNTS, io_bytes=COUNTS)
USES = st.builds(
    Use,
    parts=st.dictionaries(st.sampled_from(["1.0", "1.batch"]), PARTS),
    gpu=st.lists(st.builds(GpuUse, index=st.sampled_from(["0", "1"]), percent=st.none() | st.floats(0, 100))).map(
        tuple
    ),
)


@given(st.lists(USES, max_size=12))
def test_a_suspicion_rests_on_looks_enough_whatever_was_seen(uses: list[Use]) -> None:
    told = suspicion(looks(*uses), CLOCKS)
    if told is not None:
        assert told.looks >= CLOCKS.stalled_looks
        assert looks(*uses)[-1].at - told.since >= timedelta(seconds=CLOCKS.stalled_after_s)


@given(st.lists(USES, min_size=1, max_size=8), st.floats(7.0, 1e4))
def test_nothing_is_suspected_of_a_job_that_works(uses: list[Use], step_s: float) -> None:
    working = [use(at * step_s, gpus=(50.0,)) for at in range(len(uses))]
    assert suspicion(looks(*working), CLOCKS) is None
