"""Whatever stands in a command or its output: the hook ends, soon, and hands on only what is plain."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.transport.settings import check_host
from support.hook import Seen, hook_module, run_hook

HERE = Path(tempfile.gettempdir())
IDS = {
    "slurm": r"[1-9][0-9]{0,9}(;[A-Za-z0-9_][A-Za-z0-9_.-]*)?",
    "nel": r"[0-9a-f]{16}",
    "launcher": r"[A-Za-z0-9][A-Za-z0-9._+-]*_[0-9]{10,19}",
}
WORDS = (
    *(
        "sbatch",
        "ssh",
        "--parsable",
        "-p",
        "2222",
        "a",
        "bob@b",
        "x.sh",
        "bash",
        "-c",
        "-lc",
        "echo",
        "$J",
        '"$J"',
        "J=",
    ),
    *("for", "in", "do", "done", "if", "then", "fi", "nel", "run", "uv", "python3", "launch.py", "make", "cat", "eval"),
    *(
        "$(",
        ")",
        "`",
        "'",
        '"',
        "|",
        "||",
        "&&",
        ";",
        "&",
        "\n",
        "<<EOF",
        "<<'E'",
        "EOF",
        "E",
        "<<<",
        ">",
        "2>&1",
        "(",
        "{",
        "}",
    ),
    *(
        "\\",
        "#",
        "*",
        "$((1+1))",
        "${X##* }",
        "<(",
        "xargs",
        "env",
        "sudo",
        "-u",
        "find",
        "-exec",
        "tee",
        "awk",
        "-",
        "--",
        "\0",
    ),
    *("--test-only", "-M", "gpu", "é", "\udcff".encode("utf-8", "replace").decode(), "-oProxyCommand=x", "ssh://a:1"),
)
LINES = (
    *(
        "Submitted batch job 12",
        "Submitted batch job 13 on cluster gpu",
        "12",
        "12;gpu",
        "job 12",
        "Submitted batch job 1;x",
    ),
    *(
        "✓ Job submission successful | Invocation ID: 0b1d99ac8d04df09",
        "id: x_1795170233931334517 ",
        "$(id)",
        "",
        "12 13",
    ),
    "Entering Experiment cicd with id: cicd_1795170233931334517 --",
)


def check(seen: Seen) -> None:
    for job in seen.payload.get("jobs", []):
        check_host(job["host"])
        assert not job["host"].startswith("-")
        if "output" not in job:
            assert re.fullmatch(IDS[job["type"]], job["id"], re.ASCII), job


@settings(max_examples=400)
@given(
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=30),
    st.lists(st.sampled_from(LINES), max_size=6),
    st.sampled_from(["", " "]),
)
def test_any_command_and_output_give_plain_ids_and_hosts_or_nothing(
    words: list[str], lines: list[str], between: str
) -> None:
    check(run_hook(HERE, between.join(["sbatch", *words]), "\n".join(lines), cwd="/nowhere"))


LONG = {
    "lines": ("echo a b c d e f\n" * 3_600 + "sbatch a.sh\n", "Submitted batch job 12"),
    "one word of many parts": ("echo " + "a'b'" * 16_000 + "; sbatch a.sh", "Submitted batch job 12"),
    "many hosts for many commands": ("for a in " + "b " * 16_000 + "; do " + "ssh $a x;" * 3_000, "12"),
    "variables": ("".join(f"A{n}=x;" for n in range(4_000)) + "echo $B;" * 3_500 + "sbatch x", "12"),
    "quotes within substitutions": ('sbatch "$(' * 20_000, "Submitted batch job 12"),
    "substitutions": ("$(" * 50_000 + "sbatch x", "Submitted batch job 12"),
    "backticks": ("`sbatch " * 20_000, "Submitted batch job 12"),
    "assignments": (" ".join(f"A{n}=$A{n - 1}" for n in range(9000)) + " sbatch x", "Submitted batch job 12"),
    "variables in one echo": ("J=$(sbatch --parsable x); echo " + "$J" * 5000, "1" * 2000),
    "unknown variables in one echo": ("J=$(sbatch --parsable x); echo $J" + "$X" * 30, "1" * 2000),
    "an echo for each line": (
        "J=$(sbatch --parsable x);" + "echo x$J$Y$Z;" * 5000,
        "\n".join(["x" + "1" * 1000] * 5000),
    ),
    "here-documents": ("sbatch <<E\n" * 20_000, "Submitted batch job 12"),
    "loops": ("for a in b c; do ssh $a " * 2000 + "sbatch x", "Submitted batch job 12"),
    "loops within ssh": (
        "for a in " + "b " * 50 + "; do " + "ssh $a 'for a in c d; do ssh $a sbatch; done'" * 50,
        "12",
    ),
    "one long line": ("sbatch x", "Entering Experiment " * 40_000),
    "many lines": ("sbatch x", "Submitted batch job 12\n" * 40_000),
}


@pytest.mark.parametrize("what", LONG)
def test_what_is_long_or_deep_ends_soon_and_with_nothing_odd(tmp_path: Path, what: str) -> None:
    command, output = LONG[what]
    check(run_hook(tmp_path, command, output))


def calls(text: str) -> int:
    """Count what reading a text calls: no clock, which a busy machine would bend."""
    count, before = 0, sys.getprofile()

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    lex = hook_module("shell").lex
    sys.setprofile(note)
    try:
        lex(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("text", ["if true\nthen x\nfi\n", "echo 'a'b\n", "x <<E\nE\n", "a'b'"])
def test_reading_takes_work_in_proportion_to_what_is_read(text: str) -> None:
    assert calls(text * 1600) < 5 * calls(text * 400)


TOO_MUCH = {
    "a command": "true\n" * 14_000 + "ssh a sbatch x\n",
    "one for many hosts": "for a in " + "b " * 15_000 + "; do ssh $a true; done; ssh c sbatch x",
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_of_what_is_too_much_to_read_nothing_is_registered_and_the_agent_is_told(tmp_path: Path, what: str) -> None:
    seen = run_hook(tmp_path, TOO_MUCH[what], "Submitted batch job 12")
    assert seen.registered == []
    assert "Slurm job 12" in seen.doubt
    assert "is not clear" in seen.doubt
