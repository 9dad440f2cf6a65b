"""What running jobs use, read from what Slurm 22.05.8 printed on the test cluster, and from nvidia-smi's CSV forms.

There was no GPU at hand: its lines are of the forms that nvidia-smi documents for `--format=csv,noheader,nounits`, with
its own words for what it cannot tell, and its known complaints.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.sources.slurm.using import (
    GPU_JOBS_MOST,
    JOBS_MOST,
    gpu_argv,
    of_jobs,
    read_gpus,
    read_running,
    read_stat,
    stat_argv,
    use_of,
)
from jobwarden.testing.paper import FramedTransport

QUEUE = """\
1   1     1763762673  cpu=2,mem=200M,node=1,billing=2             N/A
2   2     1763762673  cpu=1,mem=200M,node=1,billing=1,gres/gpu=2  gres:gpu:2
4   3_0   1763762673  cpu=1,mem=100M,node=1,billing=1             N/A
3   3_1   1763762673  cpu=1,mem=100M,node=1,billing=1             N/A
9   9     1763762673  cpu=8,mem=64G,node=2,billing=8              gres:gpu:h100:4
"""
STAT = """\
1.batch|1|cpu=00:00:03,energy=0,fs/disk=12131,mem=4548K,pages=0,vmem=7692K|energy=0,fs/disk=1
2.batch|1|cpu=00:00:00,energy=0,fs/disk=31150,mem=10672K,pages=1,vmem=219276K|energy=0,fs/disk=1079
2.0|1|cpu=01:00:00,energy=0,fs/disk=3981,mem=1412K,pages=0,vmem=2500K|energy=0,fs/disk=1
4.batch|1|cpu=00:00:00,energy=0,fs/disk=8091,mem=2752K,pages=0,vmem=5092K|energy=0,fs/disk=1
3.batch|1|cpu=1-00:00:00,energy=0,fs/disk=8091,mem=2888K,pages=0,vmem=5092K|energy=0,fs/disk=1
"""


def part(text: str, *, status: int = 0, stderr: str = "") -> Part:
    return Part(status, text.encode(), stderr)


def queue(text: str = QUEUE) -> dict[str, Part]:
    return {"clock": part("1763762773\n"), "squeue": part(text)}


def test_every_running_job_and_element_is_read_with_what_it_has() -> None:
    rows = {row.raw: row for row in read_running(queue())}
    assert (rows[1].cpus, rows[1].memory_bytes, rows[1].ran_s, rows[1].gpus) == (2, 200 * 2**20, 100.0, 0)
    assert rows[2].gpus == 2
    assert (rows[9].gpus, rows[9].nodes) == (1, 2)  # asked for, and this site does not count them
    jobs = of_jobs([Wanted(id="3"), Wanted(id="3_0"), Wanted(id="1"), Wanted(id="77")], list(rows.values()))
    assert {name: [row.raw for row in each] for name, each in jobs.items()} == {"3": [4, 3], "3_0": [4], "1": [1]}


def test_steps_are_added_up_for_each_job() -> None:
    rows, stat = read_running(queue()), read_stat({"sstat": part(STAT)})
    use = use_of([row for row in rows if row.raw == 2], stat, {})
    assert set(use.parts) == {"2.batch", "2.0"}
    assert (use.cpu_s, use.memory_bytes) == (3600.0, (10672 + 1412) * 1024)
    assert use.parts["2.batch"].io_bytes == 31150 + 1079
    array = use_of([row for row in rows if row.id.id.base == 3], stat, {})
    assert (array.cpu_s, array.cpus, array.memory_limit_bytes) == (86400.0, 2, 200 * 2**20)


def test_what_sstat_could_not_see_is_said_and_is_no_zero() -> None:
    stderr = "sstat: error: slurm_job_step_stat: there was an error with the request to c1 rc = Invalid user id"
    stat = read_stat({"sstat": part("", stderr=stderr)})
    [row] = [row for row in read_running(queue()) if row.raw == 1]
    use = use_of([row], stat, {})
    assert (use.cpu_s, use.memory_bytes, use.note) == (None, None, "sstat told nothing of it.")


def test_a_site_without_sstat_is_an_error_and_no_measurement() -> None:
    with pytest.raises(UnreadableAnswerError, match="not found"):
        read_stat({"sstat": part("", status=127, stderr="sstat: not found in PATH=/bin")})
    with pytest.raises(UnreadableAnswerError):
        read_running({"squeue": part("", status=1, stderr="slurm_load_jobs error")})


TWO = [("0", 0.0, 4, 40960), ("1", 100.0, 39000, 40960)]
NOTHING = [("0", None, None, None)]
GPU_FORMS = {
    "one": ("0: 0, NVIDIA H100 80GB HBM3, 37, 40210, 81559\n", [("0", 37.0, 40210, 81559)]),
    "several": ("0: 0, NVIDIA A100, 0, 4, 40960\n0: 1, NVIDIA A100, 100, 39000, 40960\n", TWO),
    "mig": ("0: 0, NVIDIA A100-SXM4-40GB MIG 1g.5gb, [N/A], 3, 4864\n", [("0", None, 3, 4864)]),
    "not supported": ("0: 0, Tesla K80, [Not Supported], [Not Supported], [Not Supported]\n", NOTHING),
    "unknown error": ("0: 0, NVIDIA L4, [Unknown Error], 10, 23034\n", [("0", None, 10, 23034)]),
    "with units": ("0: 0, NVIDIA L4, 5 %, 10 MiB, 23034 MiB\n", [("0", 5.0, 10, 23034)]),
    "insufficient": ("0: 0, NVIDIA L4, [Insufficient Permissions], 10, 23034\n", [("0", None, 10, 23034)]),
    "without a label": ("0, NVIDIA L4, 7, 10, 23034\n", [("0", 7.0, 10, 23034)]),
}  # fmt: skip


@pytest.mark.parametrize("form", GPU_FORMS)
def test_every_form_of_nvidia_smi_is_read(form: str) -> None:
    text, expected = GPU_FORMS[form]
    gpus, note = read_gpus(part(text))
    found = [
        (
            one.index,
            one.percent,
            None if one.memory_used_bytes is None else one.memory_used_bytes // 2**20,
            None if one.memory_bytes is None else one.memory_bytes // 2**20,
        )
        for one in gpus
    ]
    assert (found, note) == (expected, "")


def test_the_gpus_of_several_nodes_are_told_apart() -> None:
    gpus, _ = read_gpus(part("0: 0, A, 1, 1, 2\n1: 0, A, 0, 1, 2\n"), nodes=2)
    assert [one.label for one in gpus] == ["0:0", "1:0"]


@pytest.mark.parametrize(
    ("text", "stderr", "status", "said"),
    [
        ("", "srun: error: Unable to create step for job 2: Job/step already completing or completed", 1, "already"),
        ("", "sh: 1: exec: nvidia-smi: not found", 127, "nvidia-smi: not found"),
        ("0: No devices were found\n", "", 6, "No devices were found"),
        ("0: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver\n", "", 9, "NVIDIA driver"),
        ('0: Field "utilization.gpu" is not a valid field to query.\n', "", 2, "not a valid field"),
        ("", "", 124, "exit 124"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_of_a_look_at_gpus_is_said(text: str, stderr: str, status: int, said: str) -> None:
    gpus, note = read_gpus(part(text, status=status, stderr=stderr))
    assert gpus == ()
    assert note.startswith("Its GPUs could not be looked at: ")
    assert said in note


def test_what_one_node_told_stands_where_another_failed() -> None:
    gpus, note = read_gpus(part("0: 0, A, 50, 1, 2\n", status=1, stderr="srun: error: c2: task 1: Exited"), nodes=2)
    assert [one.percent for one in gpus] == [50.0]
    assert note.startswith("Its GPUs could not all be looked at: ")


def test_no_question_is_longer_than_a_look_may_be() -> None:
    with pytest.raises(ValueError, match="needs an id"):
        stat_argv("jw0", [], cluster="", limit_s=10)
    words = stat_argv("jw0", list(range(1, 200)), cluster="", limit_s=10)
    assert len(words[-1].split(",")) == JOBS_MOST
    rows = [row for row in read_running(queue()) for _ in range(5)]
    assert len([word for word in gpu_argv("jw0", rows, limit_s=10) if word.count("=") == 1 and word[0].isdigit()]) == (
        GPU_JOBS_MOST
    )


async def test_no_step_is_added_unless_the_user_has_allowed_it() -> None:
    gpus = {"gpu.2": part("0: 0, A, 9, 1, 2\n"), "gpu.9": part("", status=1, stderr="srun: error: busy")}
    transport = FramedTransport({**queue(), "sstat": part(STAT), **gpus})
    wanted = [Wanted(id="1"), Wanted(id="2"), Wanted(id="9"), Wanted(id="77")]
    without = await SlurmSource().measure(Host(transport, "m"), wanted, gpus=False)
    assert len(transport.asked) == 2
    assert not any("srun" in word for words in transport.asked for word in words)
    assert set(without) == {"1", "2", "9"}
    assert without["2"].gpu == ()
    looked = await SlurmSource().measure(Host(transport, "m"), wanted, gpus=True)
    assert len(transport.asked) == 5
    assert [word for word in transport.asked[-1] if word in ("1=1", "2=1", "9=2")] == ["2=1", "9=2"]
    assert [one.percent for one in looked["2"].gpu] == [9.0]
    assert "busy" in looked["9"].note


async def test_where_nothing_runs_nobody_is_asked_what_it_uses() -> None:
    transport = FramedTransport(queue(""))
    assert await SlurmSource().measure(Host(transport, "m"), [Wanted(id="1")], gpus=True) == {}
    assert len(transport.asked) == 1
    assert await SlurmSource().measure(Host(transport, "m"), [], gpus=True) == {}
    assert len(transport.asked) == 1


@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_bytes_of_nvidia_smi_give_gpus_or_a_sentence(answer: bytes, status: int) -> None:
    gpus, note = read_gpus(Part(status, answer, ""))
    assert all(one.percent is None or 0 <= one.percent <= 100 for one in gpus)
    assert bool(note) or status == 0


@given(st.text(alphabet="0123456789.|_-:=,KMGTPcpumemgresfsdisk/ \n", max_size=400))
def test_any_text_of_sstat_or_squeue_gives_rows_or_none(text: str) -> None:
    stat = read_stat({"sstat": part(text)})
    for row in read_running(queue(text)):
        use = use_of([row], stat, {})
        assert use.cpu_s is None or use.cpu_s >= 0
