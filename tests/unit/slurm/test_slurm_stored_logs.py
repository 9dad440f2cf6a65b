"""Where a forgotten job wrote, by what accounting keeps. The submit lines are as 22.05.8 stores them."""

from __future__ import annotations

import pytest

from jobwarden.sources.slurm.log_paths import LogNames
from jobwarden.sources.slurm.stored import script_of, stored_log

NAMES = LogNames(raw=136, name="ar", user="alice", host="c1")
ELEMENT = LogNames(raw=136, name="ar", user="alice", array=133, element=3, host="c1")
HOME = "/home/alice"


def log(line: str, *, script: str = "", names: LogNames = NAMES, work_dir: str = HOME) -> tuple[str | None, str | None]:
    found = stored_log(line, script, work_dir, names)
    return (None, None) if found is None else (found.stdout, found.stderr)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("sbatch --parsable -J d0 --wrap sleep 8", f"{HOME}/slurm-136.out"),
        (
            "sbatch -o logs/x=%x,j=%j,u=%u,N=%N,n=%n,A=%A.out --wrap x",
            f"{HOME}/logs/x=ar,j=136,u=alice,N=c1,n=0,A=136.out",
        ),
        ("/usr/bin/sbatch --output=/tmp/%8j.out train.sh -o not-ours", "/tmp/00000136.out"),
        ("sbatch -ocli_%j.out --open-mode=append dir.sh", f"{HOME}/cli_136.out"),
        ("sbatch -H -N 2 --mem 4G -p gpu --exclusive --output o.txt run.sh", f"{HOME}/o.txt"),
        ("sbatch -o /dev/null --wrap sleep 8", "/dev/null"),
        ("sbatch train.sh --output elsewhere", f"{HOME}/slurm-136.out"),
        ("srun -J srunj -o srunout_%j.txt -n1 sh -c echo hello; sleep 3", f"{HOME}/srunout_136.txt"),
    ],
)
def test_the_submit_line_tells_where_a_job_wrote(line: str, path: str) -> None:
    assert log(line) == (path, path)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "salloc -N 1",
        "srun -n1 hostname",
        # The quotes of what is wrapped are gone: whose this option is cannot be told.
        "sbatch --wrap python x.py -o out.txt",
        # As those of a path with a blank in it.
        "sbatch --parsable -J pad -o /home/alice/logs/with space/%8j.out --wrap sleep 8",
    ],
)
def test_what_the_submit_line_does_not_tell_for_certain_is_not_told(line: str) -> None:
    assert log(line) == (None, None)


def test_an_element_of_an_array_has_a_default_of_its_own_and_its_own_number() -> None:
    assert log("sbatch -a 3,7 --wrap x", names=ELEMENT)[0] == f"{HOME}/slurm-133_3.out"
    assert log("sbatch -a 3,7 -o logs/ar_%A_%a_%j.out --wrap x", names=ELEMENT)[0] == f"{HOME}/logs/ar_133_3_136.out"


def test_the_script_counts_where_the_submit_line_is_silent() -> None:
    script = '#!/bin/bash\n#SBATCH -J dirjob\n#SBATCH --output="logs/%x-%j.log"\n\n#SBATCH -e e.txt # why\n'
    script += "run\n#SBATCH -o no\n"
    assert log("sbatch dir.sh", script=script) == (f"{HOME}/logs/ar-136.log", f"{HOME}/e.txt")
    assert log("sbatch -o mine dir.sh", script=script) == (f"{HOME}/mine", f"{HOME}/e.txt")


def test_one_script_is_taken_out_of_the_answer_for_several() -> None:
    line = "-" * 80
    answer = f"Batch Script for 133_3\n{line}\n#!/bin/sh\nthree\n\nBatch Script for 133_7\n{line}\nseven\n"
    assert script_of(answer, "133_3") == "#!/bin/sh\nthree\n\n"
    assert script_of(answer, "133_7") == "seven\n"
    assert script_of(answer, "133") == ""
    assert script_of("", "133") == ""
