"""The logs of tests/data/failures, their truth, and what `diagnose` makes of them."""

from __future__ import annotations

import os
import re
import socket
from collections import Counter
from pathlib import Path

import pytest

from failures import sandbox
from failures.case import read_all, read_case
from failures.truth import MOST_BYTES, OtherwiseError, find, lines_of
from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.model import Category, Confidence, Diagnosis, Log, Outcome, Retryable
from support.failures import DATA, ask, failures, false_alarms, truth

RECALL = 0.95
"""The least share of failures whose category is right, with the end known; raised as the signatures grow."""

UNKNOWN_ALARMS = 2
"""How often `unknown`, which says that it failed, may be said of a healthy run; any other word never."""

MADE_WITH_A_GPU = "gpu"


def test_there_are_enough_failures_and_enough_healthy_runs() -> None:
    healthy = [failure for failure in failures() if failure.healthy]
    assert len(failures()) - len(healthy) >= 60
    assert len(healthy) >= 20


def test_every_log_is_in_the_truth_and_every_log_of_the_truth_is_there() -> None:
    told = Counter(file for case in truth().values() for file in case["files"])
    there = {str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.is_file()}
    assert set(told) == there - {"truth.json"}
    assert max(told.values()) == 1


def test_every_case_has_its_script_and_every_script_its_case() -> None:
    made = {case.key for case in read_all() if case.family != MADE_WITH_A_GPU}
    assert {name for name in truth() if not name.startswith(f"{MADE_WITH_A_GPU}/")} == made
    for name, case in truth().items():
        assert case["made_by"]["script"] == f"tests/failures/jobs/{name}.sh"
        assert case["made_by"]["programs"], name


@pytest.mark.parametrize("name", sorted(truth()))
def test_the_telling_lines_of_a_case_are_lines_of_its_logs(name: str) -> None:
    case = truth()[name]
    assert Category(case["category"])
    assert case["healthy"] == (case["category"] == "none")
    assert all(Retryable(word) for word in case["retryable"])
    assert case["healthy"] or case["retryable"]
    for file in case["files"]:
        assert (DATA / file).stat().st_size <= MOST_BYTES
    for spot in case["evidence"]:
        assert spot["file"] in case["files"]
        line = lines_of((DATA / spot["file"]).read_bytes())[int(spot["line"]) - 1]
        assert line.strip()


def test_no_log_names_the_machine_it_was_made_on() -> None:
    found = re.compile(rb"|".join([rb"/root/\.", rb"\.pyenv", rb"/tmp/jw-", *_names_of_this_machine()]))
    for path in [*DATA.rglob("*.*"), *(Path(__file__).parents[1] / "failures").rglob("*.sh")]:
        assert not found.search(path.read_bytes()), path


def _names_of_this_machine() -> list[bytes]:
    """Its host name, its package mirrors and the folder of its checkouts, where they are no everyday words."""
    top = Path(__file__).parts[1]
    names = {"" if top in {"home", "tmp", "opt", "var", "srv", "root", "usr"} else f"/{top}/"}
    names |= {socket.gethostname(), *re.findall(r"//([\w.-]+)", os.environ.get("PIP_INDEX_URL", ""))}
    for file in (Path("/etc/pip.conf"), Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"):
        names |= set(re.findall(r"//([\w.-]+)", file.read_text("utf-8"))) if file.is_file() else set()
    names -= {"localhost", "pypi.org", "127.0.0.1", "c1", ""}
    telling = [name for name in names if len(name) < 4 or re.search(r"[\d./-]", name)]
    return [rb"(?<!\w)%s(?!\w)" % re.escape(name.encode()) for name in telling]


def test_a_healthy_run_is_not_called_a_failure() -> None:
    answers = ask(diagnose)
    alarms = false_alarms(answers)
    ill = [answer for answer in answers if answer.with_outcome and not answer.failure.healthy]
    right = sum(answer.right for answer in ill)
    named = [a for a in answers if a.failure.name in alarms and a.diagnosis.category not in {"none", "unknown"}]
    assert not named, [(answer.failure.name, answer.diagnosis.category) for answer in named]
    assert len(alarms) <= UNKNOWN_ALARMS, alarms
    assert right / len(ill) >= RECALL, [answer.failure.name for answer in ill if not answer.right]


def test_the_score_counts_a_wrong_word_as_wrong() -> None:
    def all_full(logs: tuple[Log, ...], outcome: Outcome) -> Diagnosis:
        return Diagnosis(Category.DISK_FULL, "", "", Confidence.LOW, (), Retryable.AFTER_CHANGE, "")

    answers = ask(all_full)
    assert len(false_alarms(answers)) == sum(answer.failure.healthy for answer in answers)
    assert 0 < sum(answer.right for answer in answers) < len(answers) / 10
    assert not any(answer.line_shown for answer in answers)


def test_a_line_of_a_header_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "case.sh"
    path.write_text("# category: none\n# shows: a\n# categroy: quota\n### job\necho a\n", "utf-8")
    with pytest.raises(ValueError, match="categroy"):
        read_case(path)


def test_evidence_is_found_where_it_first_and_last_stands_and_its_absence_is_an_error() -> None:
    files = {"a.rank0.log": b"x\nerror 1\n", "a.rank1.log": b"error 0\n" + b"error 2\n" * 9}
    assert find(["error @@ rank0.log"], files) == [{"file": "a.rank0.log", "line": 2}]
    found = find([r"error [02]"], files)
    assert [spot["line"] for spot in found] == [1, 2, 3, 4, 5, 10]
    with pytest.raises(OtherwiseError):
        find(["warning"], files)


@pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root")
def test_a_job_runs_as_alice_in_a_machine_of_its_own() -> None:
    case = next(case for case in read_all() if case.key == "python/argparse_bad_option")
    case.job = "#!/bin/bash\nid -un; hostname; pwd; echo $$ >&2; touch /etc/x; cat /etc/hosts; kill -KILL $$\n"
    ran = sandbox.run(case)
    assert ran.status == -9
    said = ran.files[""].decode().splitlines()
    assert said[:3] == ["alice", "c1", "/home/alice/project"]
    assert "touch: cannot touch '/etc/x': Permission denied" in said
    assert "127.0.1.1 c1" in said
    assert not Path("/var/spool/slurmd/job04711").exists()
