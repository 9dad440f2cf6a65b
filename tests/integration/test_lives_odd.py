"""Jobs of a real Slurm that are odd without being wrong: parts, steps, names, pauses, slow ends, words nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobwarden.cli import words
from jobwarden.mcp_server.rows import job_table
from jobwarden.service.views import JobView
from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook, lived
from support.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

STEPS = 200
MANY_STEPS = f"""#!/bin/bash
for _ in $(seq {STEPS // 20}); do
  for _ in $(seq 20); do srun -n1 --overlap true & done
  wait
done
srun -n1 sh -c 'exit 7'
exit 0
"""
# What a name or a comment could make a reader of lines, columns or terminals believe.
FAKED = "\n   StdOut=/etc/passwd\n   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0\nJobId=1 JobName=x"
NAMES = {
    "pipes and quotes": "a|b||\"c\"'d'`e`\\f;$(g)",
    "lines": f"two\nlines\ttab{FAKED}",
    "unicode": "é日本🚀 \u202egnp.exe",
    "escapes": "\x1b[2Jclean\x07",
    "long": "n" * 900,
    "like a range": "7_[1-9%2]|COMPLETED",
}
COMMENT = f'c|"d"\n é日本{FAKED}'


@pytest.fixture(scope="module")
def book(faulty_cluster: Cluster) -> Casebook:
    hooks = faulty_cluster.dir / "hooks"
    (hooks / "epilog.sh").write_text(f"#!/bin/sh\nwhile [ -e {hooks}/hold.$SLURM_JOB_ID ]; do sleep 0.2; done\n")
    return lived(
        faulty_cluster,
        heterogeneous,
        a_part_cancelled,
        a_parts_node_fails,
        many_steps,
        odd_names,
        suspended,
        slow_epilog,
        words_that_nobody_knows,
    )


# -- the lives


async def heterogeneous(book: Casebook) -> None:
    well = await book.submit("parts all well", "-n1", ":", "-n1", ":", "-n1", "--wrap", "sleep 2")
    failed = await book.submit("parts that fail", "-n1", ":", "-n1", "--wrap", "sleep 1; exit 4")
    for case in (well, failed):
        await book.again_when_forgotten(case)


async def a_part_cancelled(book: Casebook) -> None:
    gate = book.cluster.home() / "gate-part"
    script = f"until [ -e {gate} ]; do sleep 0.2; done"
    case = await book.submit("a part cancelled", "-n1", ":", "-n1", "--wrap", script)
    await book.until_shown(case, "RUNNING 2")
    await book.do(lambda: book.cluster.run(["scancel", f"{case.job}+1"]))
    await book.until_shown(case, "RUNNING 1, CANCELLED 1")
    gate.touch()
    await book.again_when_forgotten(case)


async def a_parts_node_fails(book: Casebook) -> None:
    parts = "-n1", "--no-requeue", ":", "-n1", "-p", "frail", "--no-requeue"
    case = await book.submit("a part's node fails", *parts, "--wrap", "sleep 100")
    await book.until_shown(case, "RUNNING 2")
    await book.slurm("scontrol", "update", "nodename=c4", "state=down", "reason=test")
    await book.again_when_forgotten(case)


async def many_steps(book: Casebook) -> None:
    case = await book.submit("many steps", "-n4", script=MANY_STEPS)
    await book.again_when_forgotten(case)


async def odd_names(book: Casebook) -> None:
    (book.cluster.home() / "odd").mkdir()
    (book.cluster.home() / "odd").chmod(0o777)
    files = "-o", "odd/%j.out"
    cases = [await book.submit(label, "-J", name, *files, "--wrap", "sleep 3; exit 6") for label, name in NAMES.items()]
    cases.append(await book.submit("comment", "--comment", COMMENT, *files, "--wrap", "sleep 3; exit 6"))
    book.views["odd names"] = await book.shown()
    for case in cases:
        await book.again_when_forgotten(case)


async def suspended(book: Casebook) -> None:
    gate = book.cluster.home() / "gate-suspended"
    script = f"until [ -e {gate} ]; do sleep 0.2; done"
    case = await book.submit("suspended", "--wrap", script)
    stopped = await book.submit("stopped", "--wrap", script)
    await book.until_shown(case, "RUNNING")
    await book.slurm("scontrol", "suspend", case.job)
    await book.until_shown(case, "SUSPENDED")
    await book.until_shown(stopped, "RUNNING")
    await book.slurm("scancel", "-s", "STOP", stopped.job)
    await book.until_shown(stopped, "STOPPED")
    await book.slurm("scancel", "-s", "CONT", stopped.job)
    await book.slurm("scontrol", "resume", case.job)
    for one in (case, stopped):
        await book.until_shown(one, "RUNNING")
    gate.touch()
    for one in (case, stopped):
        await book.until_ended(one)


async def slow_epilog(book: Casebook) -> None:
    """Hold the epilog until accounting has had the end for as long as ten looks take."""
    well, failed = [
        await book.submit(label, "-H", "--wrap", script)
        for label, script in (("slow end, well", "true"), ("slow end, failed", "exit 3"))
    ]
    gates = [book.cluster.dir / "hooks" / f"hold.{case.job}" for case in (well, failed)]
    for case, gate in zip((well, failed), gates, strict=True):
        gate.touch()
        await book.slurm("scontrol", "release", case.job)
    await book.do(lambda: book.cluster.wait_until_accounted(well.job, {"COMPLETED"}))
    await book.do(lambda: book.cluster.wait_until_accounted(failed.job, {"FAILED"}))
    for case in (well, failed):
        await book.until_shown(case, "COMPLETING")
        case.marks["accounted"] = len(case.looks)
        await book.until(case, lambda case: len(case.looks) > case.marks["accounted"] + 10)
    for gate in gates:
        gate.unlink()
    for case in (well, failed):
        await book.until_ended(case)


async def words_that_nobody_knows(book: Casebook) -> None:
    """No Slurm says them: the squeue and the sacct of the far side are doctored, as a later release's would be."""
    alive = await book.submit("a new word", "--wrap", "sleep 300")
    over = await book.submit("a new end", "-H", "--wrap", "sleep 2")
    await book.until_shown(alive, "RUNNING")
    for word in ("HIBERNATING", "RUNNING", "HIBERNATING"):
        _doctor(book.cluster, "squeue", f"s/\\|{alive.job}(\\|.*\\|)RUNNING\\|/|{alive.job}\\1{word}|/")
        await book.until_shown(alive, word)
    book.views["a new word"] = await book.shown()
    _doctor(
        book.cluster,
        "squeue",
        f"s/\\|{alive.job}(\\|.*\\|)RUNNING\\|/|{alive.job}\\1HIBERNATING|/",
        f"s/\\|{over.job}(\\|.*\\|)COMPLETED\\|/|{over.job}\\1ASCENDED|/",
    )
    _doctor(book.cluster, "sacct", f"/^{over.job}jw/s/COMPLETED/ASCENDED/")
    await book.slurm("scontrol", "release", over.job)
    await book.do(lambda: book.cluster.wait_until_forgotten(over.job))
    over.marks["forgotten"] = len(over.looks)
    await book.until(over, lambda case: len(case.looks) > case.marks["forgotten"] + 8)
    _doctor(book.cluster, "sacct")
    await book.until_ended(over)
    await book.slurm("scancel", alive.job)
    await book.until_ended(alive)


def _doctor(cluster: Cluster, program: str, *edits: str) -> None:
    """Let a program of the far side say other words; without edits, its own again."""
    link = cluster.dir / "bin" / program
    script = link.with_suffix(".new")
    if not edits:
        script.symlink_to(Path("/usr/bin") / program)
    else:
        told = " ".join(f"-e '{edit}'" for edit in edits)
        script.write_text(f'#!/bin/bash\nset -o pipefail\n/usr/bin/{program} "$@" | /usr/bin/sed -E {told}\n')
        script.chmod(0o755)
    script.replace(link)


# -- what they tell


def shown(view: str, book: Casebook, label: str) -> JobView:
    return next(job for job in book.views[view].jobs if job.id == book[label].job)


def never_ended_before(case: Case) -> bool:
    return not any(look.phase.closed for look in case.looks[:-1])


def test_all_lives_were_lived(book: Casebook) -> None:
    assert book.troubles == {}


@pytest.mark.parametrize(
    ("label", "phase", "status", "reason"),
    [
        ("parts all well", Phase.SUCCEEDED, "COMPLETED 3", None),
        ("parts that fail", Phase.FAILED, "FAILED 2", "failed: 0-1"),
        ("a part cancelled", Phase.CANCELLED, "COMPLETED 1, CANCELLED 1", None),
        ("a part's node fails", Phase.FAILED, "NODE_FAIL 2", "failed: 0-1"),
    ],
)
def test_a_heterogeneous_job_is_one_job_that_ends_with_its_last_part(
    book: Casebook, label: str, phase: Phase, status: str, reason: str | None
) -> None:
    for case in (book[label], book[f"{label}, late"]):
        record = case.record
        assert (record.phase, record.last_status, record.reason) == (phase, status, reason), case.label
        assert case.end.phase == phase
        assert record.ended_at == max(run.ended for run in case.truth if run.ended)
    assert never_ended_before(book[label]), book[label].words


def test_a_heterogeneous_job_lives_on_when_one_part_has_been_cancelled(book: Casebook) -> None:
    case = book["a part cancelled"]
    looks = [look for look in case.looks if look.status == "RUNNING 1, CANCELLED 1"]
    assert {look.phase for look in looks} == {Phase.RUNNING}


def test_a_step_that_failed_is_shown_and_not_decisive_however_many_steps_there_are(
    book: Casebook, faulty_cluster: Cluster
) -> None:
    for case in (book["many steps"], book["many steps, late"]):
        assert (case.record.phase, case.record.last_status, case.record.exit_code) == (Phase.SUCCEEDED, "COMPLETED", 0)
        assert case.end.evidence is not None
        assert len(case.end.evidence.lines) < 8
    rows = faulty_cluster.sacct("-n", "-P", "-j", book["many steps"].job, "-o", "JobID,State").splitlines()
    assert len(rows) > STEPS
    assert sum("FAILED" in row for row in rows) == 1
    late = book["many steps, late"]
    # Accounting alone knows of steps: it is told unless slurmctld's word was taken in the seconds before that came.
    early = late.end.evidence is not None and "sacct has no end of it yet" in late.end.evidence.rule
    assert late.record.reason == (None if early else "a step ended with 7:0")


@pytest.mark.parametrize("label", [*NAMES, "comment"])
def test_no_name_or_comment_changes_what_is_read_of_its_job(book: Casebook, label: str) -> None:
    for case in (book[label], book[f"{label}, late"]):
        record = case.record
        assert (record.phase, record.last_status, record.exit_code) == (Phase.FAILED, "FAILED", 6), case.label
        assert (record.id, record.user, record.work_dir) == (case.job, "alice", str(book.cluster.home()))
        assert record.ended_at == case.truth[-1].ended
    record = book[label].record
    assert record.name == NAMES.get(label, "wrap")
    assert record.log is not None
    assert record.log.stdout == f"{book.cluster.home()}/odd/{record.id}.out"
    assert never_ended_before(book[label])


def test_each_odd_job_stays_one_clean_line_for_agents_and_people(book: Casebook) -> None:
    jobs = [shown("odd names", book, label) for label in NAMES]
    lines = job_table(jobs, datetime.now(UTC))
    assert len(lines) == 1 + len(NAMES)
    assert all(line.replace("\t", "").isprintable() for line in lines), lines
    assert max(len(line) for line in lines) < 250
    titles = [words.title(job) for job in jobs]
    assert not any("\n" in title or "\x1b" in title or "\u202e" in title for title in titles), titles


def test_a_suspended_job_is_shown_so_and_goes_on_as_the_same_run(book: Casebook) -> None:
    for label, word in (("suspended", "SUSPENDED"), ("stopped", "STOPPED")):
        case = book[label]
        assert [one for one in case.words if one != "COMPLETING"][-4:] == ["RUNNING", word, "RUNNING", "COMPLETED"]
        assert case.phases[-4:] == [Phase.RUNNING, Phase.SUSPENDED, Phase.RUNNING, Phase.SUCCEEDED]
        assert len(case.record.attempts) == 1
        assert case.record.started_at == case.truth[-1].started


@pytest.mark.parametrize(("label", "end"), [("slow end, well", ("COMPLETED", 0)), ("slow end, failed", ("FAILED", 3))])
def test_a_job_whose_end_accounting_has_is_not_over_while_squeue_shows_it_completing(
    book: Casebook, label: str, end: tuple[str, int]
) -> None:
    case = book[label]
    held = case.looks[case.marks["accounted"] : -1]
    assert len(held) >= 10
    assert {(look.phase, look.status) for look in held if look.status != end[0]} == {(Phase.RUNNING, "COMPLETING")}
    assert never_ended_before(case)
    assert (case.record.last_status, case.record.exit_code) == end
    assert len(case.record.attempts) == 1


def test_a_word_that_nobody_knows_is_shown_told_once_and_no_end(book: Casebook) -> None:
    case = book["a new word"]
    assert {look.phase for look in case.looks if look.status == "HIBERNATING"} == {Phase.UNKNOWN}
    two = [word for word in case.words if word in ("RUNNING", "HIBERNATING")]
    assert two == ["RUNNING", "HIBERNATING", "RUNNING", "HIBERNATING"]
    told = [event for event in case.events if (event.model_extra or {}).get("unknown_word")]
    assert [(event.event, event.new_status) for event in told] == [("status_change", "HIBERNATING")]
    assert "no end" in (told[0].text or "")
    assert case.record.phase is Phase.CANCELLED
    line = job_table([shown("a new word", book, "a new word")], datetime.now(UTC))[1]
    assert "HIBERNATING" in line
    assert "not a known state, not an end" in line


def test_a_word_that_nobody_knows_ends_nothing_even_when_the_job_has_left_the_queue(book: Casebook) -> None:
    case = book["a new end"]
    after = case.looks[case.marks["forgotten"] : -1]
    assert len(after) >= 8
    assert {(look.phase, look.status) for look in after} == {(Phase.UNKNOWN, "ASCENDED")}
    assert (case.end.phase, case.end.new_status) == (Phase.SUCCEEDED, "COMPLETED")
    assert case.kinds("lost") == []
