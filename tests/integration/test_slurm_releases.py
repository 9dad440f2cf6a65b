"""The core cases on other releases of Slurm, each a real cluster: Debian's older and newer one, beside the machine's.

What differs between them stands in docs/slurm-versions.md.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cluster import lifecycle
from cluster.errors import ClusterError
from cluster.processes import identify
from cluster.releases import RELEASES, make
from jobwarden.sources.base import Absent, Seen
from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook, lived
from support.cluster import Cluster, require_slurm, temporary_cluster
from support.release_lives import ENDS, LATE, LIVES, ODD_NAME
from support.require import require
from support.slurm_looks import look, word_for

pytestmark = [pytest.mark.slurm, pytest.mark.sshd, pytest.mark.long]

UNKNOWN_ID = "66000000"
# sbatch --output in a folder that cannot be there: 22.05 gives 0:53, and no script has run in any of them.
NO_FOLDER: Mapping[str, int | None] = {"bullseye": 1, "trixie": None}


@pytest.fixture(scope="module", params=sorted(RELEASES))
def release(request: pytest.FixtureRequest) -> str:
    """The name of one of Debian's releases, whose folder is there."""
    name = str(request.param)
    require_slurm()
    try:
        make(name)
    except ClusterError as error:
        require("slurm", present=False, why=f"Debian's {name} cannot be had: {error}")
    return name


@pytest.fixture(scope="module")
def other(release: str) -> Iterator[Cluster]:
    """A cluster of that release."""
    with temporary_cluster(release=release) as made:
        yield made


@pytest.fixture(scope="module")
def book(other: Cluster) -> Casebook:
    """What was seen of all lives on it."""
    return lived(other, *LIVES)


def both(book: Casebook, label: str) -> list[Case]:
    return [book[label], *([book[f"{label}, late"]] if label in LATE else [])]


def test_the_cluster_is_of_that_release_for_its_users_and_its_daemons(release: str, other: Cluster) -> None:
    wanted = RELEASES[release].slurm
    assert f" {wanted}." in other.run(["sbatch", "--version"]).stdout
    assert f"= {wanted}." in other.slurm("scontrol", "show", "config").stdout


def test_all_lives_were_lived(book: Casebook) -> None:
    assert book.troubles == {}
    print(f"{book.rounds} rounds, {len(book.cases)} cases")


@pytest.mark.parametrize("label", ENDS)
def test_a_job_ends_once_with_its_word_and_code(book: Casebook, label: str) -> None:
    case, end = book[label], ENDS[label]
    record = case.record
    assert (record.phase, record.last_status) == (end.phase, end.word), case.words
    assert (record.exit_code, record.signal) == (end.exit_code, end.signal)
    assert (case.end.phase, case.end.new_status) == (end.phase, end.word)


@pytest.mark.parametrize("label", LATE)
def test_a_job_that_only_accounting_knows_ends_the_same_way(book: Casebook, label: str) -> None:
    case, end = book[f"{label}, late"], ENDS[label]
    record = case.record
    assert (record.phase, record.last_status) == (end.phase, end.word)
    assert (record.exit_code, record.signal) == (end.late_exit_code or end.exit_code, end.signal)
    assert (case.end.model_extra or {}).get("observed_late") is True


@pytest.mark.parametrize("label", ENDS)
def test_before_its_end_it_was_never_ended_absent_or_unknown(book: Casebook, label: str) -> None:
    for case in both(book, label):
        before = case.looks[:-1]
        assert not any(look.phase.final or look.phase in (Phase.UNKNOWN, Phase.LOST) for look in before), case.words
        assert not any(isinstance(one, Absent) for one in case.sightings), case.label
        assert case.kinds("lost", "unreachable", "attempt") == []


@pytest.mark.parametrize("label", [label for label, end in ENDS.items() if end.runs])
def test_each_run_of_a_requeued_job_is_kept_with_its_own_times(book: Casebook, label: str) -> None:
    for case in both(book, label):
        runs = case.record.attempts
        assert [run.status for run in runs] == list(ENDS[label].runs), case.label
        assert [run.submitted_at for run in runs] == [run.submitted for run in case.truth], case.label
        assert [run.ended_at for run in runs] == [run.ended for run in case.truth], case.label
    assert len(book[label].kinds("requeued")) == 1


@pytest.mark.parametrize("label", ["completed", "exit 3", "timeout", "preempted", "node fail", "suspended"])
def test_its_times_are_those_of_accounting(book: Casebook, label: str) -> None:
    for case in both(book, label):
        (run,) = case.truth
        record = case.record
        told = (record.submitted_at, record.started_at, record.ended_at)
        assert told == (run.submitted, run.started, run.ended), case.label


def test_an_array_is_one_job_with_counts_and_an_element_can_be_watched_alone(book: Casebook) -> None:
    assert any("RUNNING 2" in word and "PENDING 2" in word for word in book["array"].words), book["array"].words
    for case in both(book, "array"):
        assert case.record.reason == "failed: 3"
    assert book["element"].words[0] in ("PENDING", "RUNNING")


def test_a_wide_array_is_counted_whole_and_an_element_of_it_ends_with_it(book: Casebook) -> None:
    """sacct 20.11 cuts the list of its elements."""
    assert book["wide"].words == ["PENDING 143", "CANCELLED 143"]
    assert book["wide"].end.phase == Phase.CANCELLED
    for case in (book["far element"], book["far element, late"]):
        assert case.end.phase == Phase.CANCELLED


def test_a_heterogeneous_job_is_one_job(book: Casebook) -> None:
    assert "RUNNING 2" in book["het"].words


def test_a_suspended_job_is_shown_so_and_goes_on(book: Casebook) -> None:
    assert [one for one in book["suspended"].phases if one is not Phase.PENDING] == [
        *(Phase.RUNNING, Phase.SUSPENDED, Phase.RUNNING, Phase.SUCCEEDED)
    ]


def test_a_job_with_a_slow_epilog_has_ended_when_that_has(book: Casebook) -> None:
    case = book["slow epilog"]
    completing = [look for look in case.looks if look.status == "COMPLETING"]
    assert completing, case.words
    assert {look.phase for look in completing} == {Phase.RUNNING}


@pytest.mark.parametrize(
    ("label", "reason"),
    [("held", "JobHeldUser"), ("partition down", "PartitionDown"), ("never", "DependencyNeverSatisfied")],
)
def test_a_waiting_job_says_why_and_is_stuck_where_time_does_not_help(book: Casebook, label: str, reason: str) -> None:
    waits = [look for look in book[label].looks if look.phase is Phase.PENDING and look.reason == reason]
    assert waits
    assert waits[-1].stuck


def test_an_odd_name_breaks_nothing(book: Casebook) -> None:
    assert book["odd name"].record.name == ODD_NAME


@pytest.mark.parametrize("label", ["completed", "pattern", "odd name", "element", "requeued", "exit 3"])
def test_the_log_path_is_that_of_the_real_file(book: Casebook, label: str) -> None:
    log = book[label].record.log
    assert log is not None
    assert Path(log.stdout or "").is_file(), log


def test_a_job_whose_output_cannot_be_opened_has_failed(book: Casebook, release: str) -> None:
    record = book["no folder"].record
    assert (record.phase, record.last_status) == (Phase.FAILED, "FAILED")
    assert (record.exit_code, record.signal) == (NO_FOLDER[release], None)


def test_a_step_that_failed_in_a_completed_job_is_shown_and_not_decisive(book: Casebook) -> None:
    """By accounting, when the job is over: squeue, from which the end may have come, knows nothing of steps."""
    assert book["failed step"].record.phase is Phase.SUCCEEDED
    late = book["failed step, late"].record
    assert late.phase is Phase.SUCCEEDED
    assert "7:0" in (late.reason or "")


def test_another_users_job_is_found_alive_and_ended(book: Casebook) -> None:
    case = book["bob's"]
    assert set(case.phases[:-1]) <= {Phase.PENDING, Phase.RUNNING}
    assert (case.record.last_status, case.seen[-1].user) == ("COMPLETED", "bob")


# -- the cluster itself


def test_it_runs_beside_a_cluster_of_the_machines_own_slurm(other: Cluster, cluster: Cluster, release: str) -> None:
    """Each answers with its own version and knows its own jobs alone."""
    there, here = (one.sbatch("-H", "-J", release, "--wrap", "true") for one in (other, cluster))
    assert other.squeue("-h", "-n", release, "-o", "%i") == f"{there}\n"
    assert cluster.squeue("-h", "-n", release, "-o", "%i") == f"{here}\n"
    other.run(["scancel", there])
    cluster.run(["scancel", here])


def test_when_its_test_run_was_killed_the_next_up_takes_its_mounts_away(release: str, other: Cluster) -> None:
    folder = Path(tempfile.mkdtemp(prefix="jw-", dir="/tmp"))
    with subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL) as run:
        left = lifecycle.up(folder, say=print, release=release, owner=identify(run.pid))
        assert str(left.system) in mounts()
        assert list((left.system / "tmp").glob(folder.name)), "the folder is at the same path inside"
        run.kill()
    other.mend()
    assert str(left.system) not in mounts()
    assert not folder.exists()
    assert not left.system.exists()


def mounts() -> str:
    return Path("/proc/self/mounts").read_text(encoding="utf-8")


# -- answers that fail


async def test_an_id_that_nobody_knows_is_absent(other: Cluster) -> None:
    assert isinstance((await look(other, UNKNOWN_ID))[UNKNOWN_ID], Absent)


async def test_the_users_environment_changes_nothing(other: Cluster) -> None:
    job = other.sbatch("-H", "-a", "1-1000:7", "--wrap", "true")
    hostile = (
        "export SQUEUE_FORMAT=%i SQUEUE_STATES=R SQUEUE_SORT=u SACCT_FORMAT=JobID%2 SLURM_TIME_FORMAT=relative "
        "SLURM_CLUSTERS=nosuch TZ=America/Los_Angeles LC_ALL=de_DE SLURM_BITSTR_LEN=5 SLURM_JSON=data_parser "
        "SLURM_DEBUG=4 SQUEUE_EXPAND_PATTERNS=1; echo NOISE; n=1; set -- x"
    )
    plain, odd = await look(other, job), await look(other, job, before=hostile)
    other.run(["scancel", job])
    assert isinstance(odd[job], Seen)
    assert odd[job].model_dump(exclude={"evidence"}) == plain[job].model_dump(exclude={"evidence"})


async def test_with_half_of_slurm_down_ends_are_still_known_and_nothing_is_lost(other: Cluster) -> None:
    alive, over = other.sbatch("--wrap", "sleep 300"), other.sbatch("--wrap", "exit 4")
    other.wait_until_accounted(over, {"FAILED"})
    other.wait_until_forgotten(over)
    with other.stopped("slurmdbd"):
        quick = other.sbatch("--wrap", "exit 6")
        other.wait_for(quick, {"FAILED"})
        seen = await look(other, alive, over, quick, UNKNOWN_ID)
    assert word_for(seen[alive]) == "RUNNING"
    assert word_for(seen[over]) == word_for(seen[UNKNOWN_ID]) == "slurm.accounting_unavailable"
    ended = seen[quick]
    assert isinstance(ended, Seen)
    assert (ended.status, ended.exit_code) == ("FAILED", 6)
    with other.stopped("slurmctld"):
        seen = await look(other, alive, over, UNKNOWN_ID)
    assert word_for(seen[alive]) == word_for(seen[UNKNOWN_ID]) == "slurm.unavailable"
    assert word_for(seen[over]) == "FAILED"
    other.run(["scancel", alive])


async def test_a_site_without_accounting_is_known_as_one(other: Cluster) -> None:
    """The text with which sacct says so decides: "accounting storage is disabled"."""
    conf = other.slurm_conf
    whole = conf.read_text(encoding="utf-8")
    lines = [line for line in whole.splitlines() if not line.startswith("AccountingStorage")]
    job = other.sbatch("-H", "--wrap", "true")
    try:
        conf.write_text("\n".join([*lines, ""]), encoding="utf-8")
        seen = await look(other, job, UNKNOWN_ID)
    finally:
        conf.write_text(whole, encoding="utf-8")
        other.run(["scancel", job])
    assert word_for(seen[job]) == "PENDING"
    gone = seen[UNKNOWN_ID]
    assert isinstance(gone, Absent)
    assert "squeue" in gone.where
    assert "sacct" not in gone.where
