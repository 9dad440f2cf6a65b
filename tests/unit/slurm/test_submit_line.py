"""What a submit line is read as, and what is refused because nobody can be certain (`slurm.submit_line`).

The lines are as sacct of Slurm 22.05.8 prints them: the quoting is gone.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.framing import Part, read_parts
from jobwarden.sources.resubmitting import NotAgainError, Original
from jobwarden.sources.slurm.submit_line import comment_with, read_submit_line, without_memory
from jobwarden.sources.slurm.submitting import read_original, read_submission, submit_argv, submit_script_argv
from jobwarden.sources.submitting import Submission

SCRIPT = "#!/bin/bash\n#SBATCH --mem=50M\ntrain\n"
WRAP = "#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{text}\n\n"


@pytest.mark.parametrize(
    ("line", "options", "arguments"),
    [
        ("sbatch run.sh", (), ()),
        ("sbatch --parsable --time=5 run.sh a b", ("--time=5",), ("a", "b")),
        ("sbatch --time 5 -p long -N2 run.sh c.yaml --lr 1", ("--time=5", "-plong", "-N2"), ("c.yaml", "--lr", "1")),
        ("/usr/bin/sbatch -J x --dependency=afterok:7 -d afterany:8 --hold -H run.sh", (), ()),
        ("sbatch --exclusive --requeue run.sh", ("--exclusive", "--requeue"), ()),
        ("sbatch -o %j.out -e %j.err run.sh", ("-o%j.out", "-e%j.err"), ()),
        ("sbatch --time=3 /dev/stdin q s", ("--time=3",), ("q", "s")),
        ("sbatch --time=3", ("--time=3",), ()),
        ("sbatch --export=ALL,A=b run.sh", ("--export=ALL,A=b",), ()),
        ("sbatch --export NONE --mem=2G run.sh a", ("--export=NONE", "--mem=2G"), ("a",)),
    ],
)  # fmt: skip
def test_options_and_arguments_are_given_again(line: str, options: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    read = read_submit_line(line, SCRIPT, "")
    assert (read.options, read.arguments) == (options, arguments)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("sbatch --parsable -p long --wrap echo hi --mem=2; sleep 300 --time=7", "echo hi --mem=2; sleep 300"),
        ("sbatch -p long --time=7 --wrap=sleep 300", "sleep 300"),
    ],
)
def test_what_is_wrapped_is_known_by_the_script(line: str, text: str) -> None:
    read = read_submit_line(line, WRAP.format(text=text), "(null)")
    assert sorted(read.options) == ["--time=7", "-plong"]
    assert read.arguments == ()


@pytest.mark.parametrize(
    ("line", "script", "command"),
    [
        ("srun -n1 hostname", SCRIPT, ""),
        ("salloc", SCRIPT, ""),
        ("sbatch --array=0-9 run.sh", SCRIPT, ""),
        ("sbatch -a 0-9 run.sh", SCRIPT, ""),
        ("sbatch --arr=0-9 run.sh", SCRIPT, ""),
        ("sbatch --export-file=env run.sh", SCRIPT, ""),
        ("sbatch --export-f env run.sh", SCRIPT, ""),
        ("sbatch -M other run.sh", SCRIPT, ""),
        ("sbatch --job-name=my job run.sh", SCRIPT, "/home/alice/run.sh"),
        ("sbatch run.sh 'a b'", SCRIPT, ""),
        ("sbatch run.sh {\"a\":1}", SCRIPT, ""),
        ("sbatch run.sh $HOME", SCRIPT, ""),
        ("sbatch run.sh a  b", SCRIPT, ""),
        ("sbatch run.sh a;b", SCRIPT, ""),
        ("sbatch other.sh", SCRIPT, "/home/alice/run.sh"),
        ("sbatch --output=my dir/x.out run.sh", SCRIPT, ""),
        ("sbatch --wrap hostname", SCRIPT, ""),
        ("sbatch --wrap hostname", WRAP.format(text="date"), ""),
        ("sbatch --wrap date run.sh", WRAP.format(text="date"), ""),
        ("", SCRIPT, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_read_for_certain_is_refused(line: str, script: str, command: str) -> None:
    with pytest.raises(NotAgainError):
        read_submit_line(line, script, command)


@pytest.mark.parametrize(
    ("line", "script", "comment"),
    [
        ('sbatch --comment={"a": 1} run.sh', SCRIPT, '{"a": 1}'),
        ('sbatch --comment {"a": {"b": [1, 2]}} run.sh', SCRIPT, '{"a": {"b": [1, 2]}}'),
        ("sbatch --comment=paid run.sh", "#!/bin/sh\n#SBATCH --comment=other\n", "paid"),
        ("sbatch run.sh", "#!/bin/sh\n#SBATCH --comment='a b'\n", "a b"),
        ("sbatch --comment=paid by x;jobwarden:jw0123 run.sh", SCRIPT, "paid by x"),
        ("sbatch --comment=jobwarden:jw0123 run.sh", SCRIPT, ""),
    ],
)
def test_a_comment_is_kept_without_an_earlier_token(line: str, script: str, comment: str) -> None:
    read = read_submit_line(line, script, "/x/run.sh")
    assert (read.comment, read.arguments) == (comment, ())


def test_a_name_with_blanks_is_known_and_left_out() -> None:
    line = "sbatch --job-name=my job --chdir=/x --comment=jobwarden:jw01 --dependency=afterany:7 /dev/stdin a"
    read = read_submit_line(line, SCRIPT, "", name="my job")
    assert (read.options, read.arguments, read.comment) == ((), ("a",), "")


def test_a_comment_that_is_json_stays_json() -> None:
    assert json.loads(comment_with('{"OccupiedIdleGPUsJobReaper": {"a": 1}}', "jw1")) == {
        "OccupiedIdleGPUsJobReaper": {"a": 1},
        "jobwarden": "jw1",
    }
    assert comment_with("paid by x", "jw1") == "paid by x;jobwarden:jw1"
    assert comment_with("", "jw1") == "jobwarden:jw1"


def test_one_form_of_memory_takes_the_place_of_another() -> None:
    assert without_memory(("--mem-per-cpu=1G", "--time=5"), ("--mem=2G",)) == ("--time=5",)
    assert without_memory(("--mem-per-cpu=1G",), ("--time=5",)) == ("--mem-per-cpu=1G",)


def test_changes_come_after_the_options_and_before_name_folder_and_comment() -> None:
    original = Original("7", "my job", "/home/a b", ("--time=5",), ("x",), b"#!/bin/sh\n", "paid", alive=True)
    argv = submit_argv("jw0", original, ("--time=10",), "jwtoken", cluster="", limit_s=10)
    words = argv[argv.index("--parsable") :]
    assert words == [
        "--parsable", "--time=5", "--time=10", "--job-name=my job", "--chdir=/home/a b",
        "--comment=paid;jobwarden:jwtoken", "--dependency=afterany:7", "/dev/stdin", "x",
    ]  # fmt: skip


def said(status: int, stdout: str = "", stderr: str = "") -> dict[str, Part]:
    return {"sbatch": Part(status, stdout.encode(), stderr)}


@pytest.mark.parametrize(
    ("parts", "new"),
    [
        (said(0, "123\n"), "123"),
        (said(0, "123;cluster\n"), "123"),
        (said(0, ""), None),
        (said(124), None),
        (said(1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"), None),
        (said(1, "", "sbatch: error: Unable to contact slurm controller (connect failure)"), None),
        ({"there": Part(0, b"yes", "")}, None),
    ],
)
def test_an_answer_that_leaves_it_open_is_no_refusal(parts: dict[str, Part], new: str | None) -> None:
    assert read_submission(parts) == new


@pytest.mark.parametrize(
    ("status", "stderr"),
    [
        (1, 'sacct: error: Invalid field requested: "SubmitLine"'),
        (1, "Slurm accounting storage is disabled"),
        (127, "sacct: not found in PATH=/bin"),
    ],
)
def test_a_site_that_keeps_no_submit_line_is_told_at_once(status: int, stderr: str) -> None:
    with pytest.raises(NotAgainError):
        read_original({"line": Part(status, b"", stderr)}, "jw0", 7, user="alice", name=None, alive=False, twins=())


def answered(*fields: str) -> dict[str, Part]:
    row = "jw0".join(fields) + "\n"
    return {"line": Part(0, row.encode(), ""), "script": Part(0, SCRIPT.encode(), "")}


def test_another_users_job_is_not_submitted_again() -> None:
    held = "cpu=8,gres/gpu:a=2,gres/gpu:b=1,node=1"
    parts = answered("7", "bob", "cpu=1,gres/gpu=1", held, "5", "/home/bob", "train", "normal", "sbatch run.sh")
    with pytest.raises(NotAgainError, match="belongs to bob"):
        read_original(parts, "jw0", 7, user="alice", name=None, alive=False, twins=())
    mine = read_original(parts, "jw0", 7, user="bob", name=None, alive=True, twins=("8",))
    assert (mine.id, mine.name, mine.time_limit_s, mine.twins) == ("7", "train", 300.0, ("8",))
    assert mine.gpus == 3


@pytest.mark.parametrize(
    "answer",
    [{"line": Part(0, b"", "")}, answered("7", "alice", "", "", "", "/home/alice", "allocation", "", "")],
    ids=["nothing", "its steps alone"],
)
def test_a_job_that_accounting_knows_only_the_beginnings_of_is_left_open_and_not_refused(
    answer: dict[str, Part],
) -> None:
    """sacct of 22.05.8 shows a step that came before its job like this for some seconds (SubmitLine is empty)."""
    with pytest.raises(SourceUnavailableError) as caught:
        read_original(answer, "jw0", 7, user="alice", name=None, alive=True, twins=())
    assert caught.value.code == "slurm.accounting_behind"


@pytest.mark.parametrize("text", ["invalid partition specified: x", "Invalid account or account/partition combination"])
def test_what_sbatch_refuses_is_refused(text: str) -> None:
    with pytest.raises(NotAgainError, match=text[:20]):
        read_submission(said(1, "", f"sbatch: error: {text}"))


def test_a_dependency_that_slurm_has_forgotten_since_it_was_looked_for_is_refused_and_not_taken_for_fulfilled() -> None:
    with pytest.raises(NotAgainError, match="forgotten 12"):
        read_submission({"forgotten": Part(0, b"12\n", "")})


@pytest.mark.parametrize(
    ("after", "queue", "submits"),
    [
        ((), "jw-id:5 (null)", True),
        (("afterok:12", "afterany:13"), "jw-id:12 a\njw-id:13 (null)", True),
        (("afterok:12", "afterany:13"), "jw-id:13 a\njw-id:112 b\njw-id:120 (null)", False),
        (("afternotok:12",), "jw-id:12 jobwarden:jwtoken", True),
    ],
)
def test_the_host_itself_looks_for_what_a_job_waits_for_right_before_it_submits(
    tmp_path: Path,
    after: tuple[str, ...],
    queue: str,
    submits: bool,
) -> None:
    """With programs of paper: a real slurmctld forgets a job at a moment that nobody can choose."""
    for name, text in (("squeue", f"printf '%s\\n' '{queue}'"), ("sbatch", "cat >/dev/null; echo 77")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    made = Submission("a", str(tmp_path), (), (), b"#!/bin/sh\n", after=after)
    argv = submit_script_argv("jw0", made, "jwtoken", cluster="", limit_s=10)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    parts = read_parts(subprocess.run(argv, env=env, input=b"", check=True, capture_output=True).stdout, "jw0")
    assert parts.keys() == ({"there"} if "jwtoken" in queue else {"sbatch"} if submits else {"forgotten"})
