"""What sacct says of an end, read from text of the forms that 20.11 and 22.05 print."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.post_mortem import PostMortem
from jobwarden.sources.slurm.ids import parse_id
from jobwarden.sources.slurm.post_mortem import FIELDS, post_mortem_argv, post_mortem_of, read_accounted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.sources.slurm.step_logs import StepRun, expand_nodes, step_logs
from support.file_transport import FileTransport

NONCE = "jw00"
GIB = 2**30


def row(job: str, **fields: str) -> dict[str, str]:
    plain = {
        "JobIDRaw": job.partition("_")[0], "JobID": job, "User": "alice", "State": "FAILED", "ExitCode": "1:0",
        "ElapsedRaw": "60", "TimelimitRaw": "30", "ReqMem": "4G", "NNodes": "2",
        "ReqTRES": "billing=8,cpu=8,mem=8G,node=2", "AllocTRES": "billing=8,cpu=8,mem=8G,node=2",
        "NodeList": "c[1-2]", "Reason": "None", "WorkDir": "/home/alice/run", "JobName": "train",
        "SubmitLine": "sbatch train.sh",
    }  # fmt: skip
    return {**dict.fromkeys((*FIELDS, "SubmitLine"), ""), **plain, **fields}


def step(job: str, **fields: str) -> dict[str, str]:
    nothing = {"User": "", "TimelimitRaw": "", "ReqMem": "", "ReqTRES": "", "Reason": "", "WorkDir": ""}
    return {**row(job), **nothing, **fields}


def parts(*rows: Mapping[str, str], line: bool = True, uid: str = "1001") -> dict[str, Part]:
    columns = (*FIELDS, "SubmitLine") if line else FIELDS
    text = "".join(NONCE.join(one[name] for name in columns) + "\n" for one in rows)
    return {
        "sacct": Part(0, text.encode(), ""),
        "user": Part(0, b"alice\n", ""),
        "uid": Part(0, f"{uid}\n".encode(), ""),
    }


def told(job: str, *rows: Mapping[str, str], line: bool = True) -> PostMortem:
    found = post_mortem_of(Wanted(id=job), parse_id(job), read_accounted(parts(*rows, line=line), NONCE))
    assert found is not None
    return found


def test_what_was_asked_for_and_used_is_read_of_the_job_and_all_its_steps() -> None:
    one = told(
        "12",
        row("12"),
        step("12.batch", JobName="batch", MaxRSS="2048K", NTasks="1"),
        step("12.0", JobName="python", MaxRSS="3G", NTasks="8", State="CANCELLED", ExitCode="0:9"),
    )
    assert (one.time_limit_s, one.elapsed_s, one.exit) == (1800.0, 60.0, "1:0")
    assert (one.memory_limit_bytes, one.max_rss_bytes) == (4 * GIB, 3 * GIB)
    assert one.asked == "cpu=8,node=2"
    assert [(each.name, each.status, each.exit, each.tasks) for each in one.steps] == [
        ("batch", "FAILED", "1:0", 1),
        ("0 (python)", "CANCELLED", "0:9", 8),
    ]


def test_the_largest_task_may_stand_in_the_usage_alone() -> None:
    one = told("12", row("12"), step("12.0", TRESUsageInMax="cpu=00:00:01,fs/disk=12,mem=1536M,pages=0"))
    assert one.max_rss_bytes == 1536 * 2**20


@pytest.mark.parametrize(("text", "nodes", "size"), [("4Gn", "2", 4 * GIB), ("2Gc", "2", None), ("4G", "1", 4 * GIB)])
def test_memory_is_per_node_in_the_forms_of_both_releases(text: str, nodes: str, size: int | None) -> None:
    assert told("12", row("12", ReqMem=text, NNodes=nodes, AllocTRES="", ReqTRES="")).memory_limit_bytes == size


def test_of_an_array_the_first_element_that_failed_is_spoken_of() -> None:
    one = told(
        "12",
        row("12_0", State="COMPLETED"),
        row("12_7", State="CANCELLED by 0"),
        row("12_3"),
        row("12_2", ExitCode="3:0"),
        step("12_2.batch", NTasks="1"),
    )
    assert (one.part, one.exit) == ("12_2", "3:0")
    assert len(one.steps) == 1


def test_who_cancelled_is_named_as_far_as_it_is_known() -> None:
    assert told("12", row("12", State="CANCELLED by 0")).cancelled_by == "root"
    assert told("12", row("12", State="CANCELLED by 1001")).cancelled_by == "alice (uid 1001)"
    assert told("12", row("12", State="CANCELLED by 7")).cancelled_by == "uid 7"
    assert told("12", row("12")).cancelled_by == ""


def test_without_submit_lines_and_with_newlines_in_names_records_stay_whole() -> None:
    one = told("12", row("12", JobName="a\n13|b"), row("13"), line=False)
    assert one.state == "FAILED"
    assert told("13", row("12", JobName="a\nb"), row("13", State="TIMEOUT"), line=False).state == "TIMEOUT"


def test_a_job_that_accounting_does_not_know_has_no_post_mortem() -> None:
    assert post_mortem_of(Wanted(id="99"), parse_id("99"), read_accounted(parts(row("12")), NONCE)) is None


def test_the_end_of_a_later_job_under_the_same_id_is_not_this_jobs() -> None:
    mine = Wanted(id="12", name="train", submitted_at=datetime(2026, 11, 1, tzinfo=UTC))
    later = parts(row("12", Submit="1795219200", JobName="theirs"))
    assert post_mortem_of(mine, parse_id("12"), read_accounted(later, NONCE)) is None
    requeued = parts(row("12", Submit="1795219200", JobName="train"))
    assert post_mortem_of(mine, parse_id("12"), read_accounted(requeued, NONCE)) is not None


@pytest.mark.parametrize(
    "answer", [{}, {"sacct": Part(1, b"", "slurmdbd is down")}, {"sacct": Part(0, b"12jw00FAILED\n", "")}]
)
def test_an_answer_that_is_none_or_torn_is_refused(answer: dict[str, Part]) -> None:
    with pytest.raises(UnreadableAnswerError):
        read_accounted(answer, NONCE)


@pytest.mark.parametrize(("known", "elements"), [("SubmitLine", None), ("SubmitLine", 5000), ("", None)])
async def test_sacct_is_asked_for_what_it_knows_and_of_a_large_array_for_no_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str, elements: int | None
) -> None:
    """The script is run with a sacct of paper: it prints what it was asked."""
    sacct = tmp_path / "sacct"
    sacct.write_text(f'#!/bin/sh\n[ "$1" = --helpformat ] && echo "{known}" && exit\necho "$@" > {tmp_path}/asked\n')
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    host = Host(FileTransport(), "here", timeout_s=20)
    assert await SlurmSource().post_mortem(host, [Wanted(id="12", elements=elements), Wanted(id="13_4")]) == {}
    asked = (tmp_path / "asked").read_text().split()
    assert asked[-2:] == ["-j", "12,13"]
    assert ("-X" in asked) is (elements is not None)
    assert any(word.endswith("JobName,SubmitLine") for word in asked) is bool(known)


def test_sacct_is_never_asked_without_an_id() -> None:
    with pytest.raises(ValueError, match="needs an id"):
        post_mortem_argv(NONCE, ids=[], cluster="", limit_s=5)


def run(line: str, **fields: object) -> StepRun:
    given = {"step": "0", "raw": 12, "work_dir": "/w", "nodes": "c[1-2]", "tasks": 3, "name": "train", "user": "alice"}
    return StepRun(line=line, **{**given, **fields})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("srun python train.py", []),
        ("srun python train.py --output results", []),
        ("srun -l -n4 python train.py -o results", []),
        ("srun -n 3 -o train.log python train.py", ["/w/train.log"]),
        ("srun --output=logs/%j-%t.out ./a", ["/w/logs/12-0.out", "/w/logs/12-1.out", "/w/logs/12-2.out"]),
        ("srun --mpi pmix -o/s/%3t.out ./a", ["/s/000.out", "/s/001.out", "/s/002.out"]),
        ("srun -e /s/%N.err ./a", ["/s/c1.err", "/s/c2.err"]),
        ("srun -o ../up/%x.%s.%u ./a", ["/up/train.0.alice"]),
        ("srun -o none -e 0 ./a", []),
        ("srun -o logs/%a.out ./a", []),
        ("sbatch -o a.out x.sh", []),
        ("srun -o 'a b.out", ["/w/'a"]),
    ],
)
def test_the_files_of_a_step_are_those_that_its_own_options_name(line: str, files: list[str]) -> None:
    assert [one.path for one in step_logs(run(line))] == files


def test_ranks_and_nodes_are_labelled_and_never_too_many() -> None:
    found = step_logs(run("srun -o %t.out ./a", tasks=5000))
    assert len(found) == 64
    assert found[3].label == "rank 3"
    assert [one.label for one in step_logs(run("srun -o %N.out ./a"))] == ["node c1", "node c2"]


def test_compact_nodes_are_told_apart() -> None:
    assert expand_nodes("c[01-03,7],m1,x[2-3]y") == ["c01", "c02", "c03", "c7", "m1", "x2y", "x3y"]
    assert expand_nodes("None assigned") == []
    assert len(expand_nodes("n[1-100000]")) == 64
