"""What a run used of what it had: sacct's rows as 22.05.8 printed them, and as other sites have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.sources.slurm.post_mortem import FIELDS
from jobwarden.sources.slurm.sizes import count_of, gpus_of, size_of, time_of, tres_of
from jobwarden.sources.slurm.used import used_of
from jobwarden.verdict.efficiency import efficiency, remark
from jobwarden_registry.model import Used

GIB = 2**30


def row(job: str = "1", **fields: str) -> dict[str, str]:
    plain = {
        "JobID": job, "State": "COMPLETED", "ElapsedRaw": "1000", "AllocCPUS": "4", "TotalCPU": "33:20", "NNodes": "1",
        "ReqMem": "64G", "AllocTRES": "billing=4,cpu=4,mem=64G,node=1",
    }  # fmt: skip
    return {**dict.fromkeys(FIELDS, ""), **plain, **fields}


def step(job: str = "1.batch", rss: str = "2G", tasks: str = "1", **fields: str) -> dict[str, str]:
    return row(job, **{"MaxRSS": rss, "NTasks": tasks, "ReqMem": "", **fields})


def told(*steps: dict[str, str], **fields: str) -> Used:
    found = used_of([(row(**fields), steps or (step(),))])
    assert found is not None
    return found


def test_cpu_and_memory_are_those_that_seff_would_show() -> None:
    used = told(step(rss="1G", tasks="1"), step("1.0", rss="2G", tasks="8"))
    assert (used.cpu_s, used.core_s, used.memory_bytes, used.memory_limit_bytes) == (2000, 4000, 16 * GIB, 64 * GIB)
    assert efficiency(used) == "CPU 50 % of 4.0 cores, memory 25 % of 64.0G"
    assert remark(used) == ""


def test_what_is_nearly_full_or_hardly_used_is_remarkable() -> None:
    assert remark(told(step(rss="63G"))) == "It used memory 98 % of 64.0G asked for."
    assert remark(told(step(rss="63G"), ElapsedRaw="5")) == "It used memory 98 % of 64.0G asked for."
    assert remark(told(TotalCPU="00:40")) == "It used memory 3 % of 64.0G asked for, CPU 1 % of 4.0 cores."
    small = {"AllocTRES": "cpu=4,mem=1G,node=1"}
    assert remark(told(step(rss="10M"), **small)) == ""


def test_what_a_short_run_or_the_cpu_of_a_gpu_job_did_not_use_is_no_remark() -> None:
    assert remark(told(TotalCPU="00:01", ElapsedRaw="100")) == ""
    gpus = "cpu=4,gres/gpu:h100=2,mem=4G,node=1"
    assert remark(told(TotalCPU="00:40", AllocTRES=gpus)) == ""
    assert told(AllocTRES=gpus).gpus == 2


def test_nothing_is_said_where_nothing_was_measured_or_it_goes_on() -> None:
    assert used_of([(row(TotalCPU="00:00:00"), [step(rss="")])]) is None
    assert used_of([(row(State="RUNNING"), [step()])]) is None
    assert used_of([(row(ElapsedRaw="0"), [])]) is None
    assert used_of([(row(), [step()]), (row("2", State="PENDING", ElapsedRaw="0"), [])]) is None


def test_of_an_array_core_time_is_the_sum_and_memory_the_nearest_to_its_limit() -> None:
    used = used_of([(row("1_0"), [step("1_0.batch", "60G")]), (row("1_1"), [step("1_1.batch", "1G")])])
    assert used is not None
    assert (used.cpu_s, used.core_s, used.memory_bytes) == (4000, 8000, 60 * GIB)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:03.002", 3.002), ("01:00:12", 3612), ("2-03:04:05", 183845), ("33:20", 2000), ("", None), ("INVALID", None)],
)
def test_times_are_read_in_every_form(text: str, seconds: float | None) -> None:
    assert time_of(text) == seconds


@given(st.text(max_size=40))
def test_any_text_is_read_or_none(text: str) -> None:
    for size in (size_of(text), count_of(text), time_of(text)):
        assert size is None or size >= 0
    assert gpus_of(tres_of(text)) >= 0


@given(st.dictionaries(st.sampled_from([*FIELDS]), st.text(alphabet="0123456789:.-KMG=,ab", max_size=12)))
def test_any_row_gives_figures_or_nothing(fields: dict[str, str]) -> None:
    used = used_of([(row(**fields), [step(**{key: value for key, value in fields.items() if key != "JobID"})])])
    if used is not None:
        assert isinstance(efficiency(used), str)
        assert isinstance(remark(used), str)
