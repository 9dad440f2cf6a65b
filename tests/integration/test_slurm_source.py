"""The slurm source against a real Slurm, by way of real SSH: many jobs at once, looked at every second.

The history of what was seen of each job is kept, so that the tests can say what must never have been seen.
"""

from __future__ import annotations

import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from jobwarden.sources.base import Absent, CouldNotAsk, Host, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden_registry.phases import Phase
from support.cluster import Cluster
from support.slurm_looks import OpenSsh, host_of, look, word_for

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

ODD_NAME = 'we|ird "q" é日本🚀\n   StdOut=/etc/passwd'
UNKNOWN_ID = "66000000"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Story:
    """What became of the jobs, as it was seen from second to second."""

    ids: dict[str, str] = field(default_factory=dict[str, str])
    seen: dict[str, list[Sighting]] = field(default_factory=dict[str, list[Sighting]])
    runs: int = 0

    def of(self, label: str) -> list[Seen]:
        return [one for one in self.seen[label] if isinstance(one, Seen)]

    def words(self, label: str) -> list[str]:
        words: list[str] = []
        for one in self.of(label):
            if not words or words[-1] != one.status:
                words.append(one.status)
        return words

    def end(self, label: str) -> Seen:
        last = self.of(label)[-1]
        assert last.phase.final, (label, last)
        return last


def _submit(cluster: Cluster) -> dict[str, str]:
    (cluster.home() / "jwlogs").mkdir(exist_ok=True)
    (cluster.home() / "jwlogs").chmod(0o777)
    sbatch = cluster.sbatch
    return {
        "timeout": sbatch("-p", "short", "-t", "1", "--wrap", "sleep 200"),
        "requeued": sbatch("-J", "again", "-o", "jwlogs/rq_%j.out", "--wrap", "sleep 15"),
        "ok": sbatch("-J", "fine", "--wrap", "echo hi; sleep 12"),
        "exit 3": sbatch("--wrap", "exit 3"),
        "exit 200": sbatch("--wrap", "exit 200"),
        "signal 9": sbatch("--wrap", "kill -9 $$"),
        "by owner": sbatch("--wrap", "sleep 100"),
        "by root": sbatch("--wrap", "sleep 100"),
        "held": sbatch("-H", "--wrap", "true"),
        "array": sbatch("-a", "1-4%2", "--wrap", "sleep 6; [ $SLURM_ARRAY_TASK_ID = 3 ] && exit 5; exit 0"),
        "wide": sbatch("-H", "-a", "1-1000:7%5", "--wrap", "true"),
        "het": sbatch("-n1", ":", "-n1", "--wrap", "sleep 8"),
        "pattern": sbatch("-J", "a%j", "-o", "jwlogs/x=%x,j=%8j,N=%N,u=%u,p=%%.out", "--wrap", "echo hi; sleep 4"),
        "odd": sbatch("-J", ODD_NAME, "-o", "jwlogs/%j.out", "-e", "jwlogs/%j.err", "--wrap", "sleep 3"),
        "no folder": sbatch("-o", "nowhere/%j.out", "--wrap", "true"),
        "failed step": sbatch("--wrap", "srun sh -c 'exit 7'; sleep 8; exit 0"),
        "bob's": sbatch("--wrap", "sleep 9", user="bob"),
    }


async def _follow(cluster: Cluster, story: Story) -> None:
    transport = OpenSsh(cluster.ssh_config)
    host = Host(transport=transport, machine_id="test", timeout_s=75)
    logs: set[str] = set()
    deeds = {3: _requeue, 5: _cancel, 12: _release}
    for second in range(105):
        if second in deeds:
            deeds[second](cluster, story.ids)
        wanted = [Wanted(id=id_, log_known=label in logs) for label, id_ in story.ids.items()]
        seen = await SlurmSource().observe(host, wanted)
        for label, id_ in story.ids.items():
            one = seen[id_]
            story.seen.setdefault(label, []).append(one)
            if isinstance(one, Seen) and one.log:
                logs.add(label)
        # Stay until every job has left slurmctld's memory too.
        open_ = [label for label in story.ids if not _over(story.seen[label][-1])]
        if not open_ and second > 30:
            break
        await anyio.sleep(0.7)
    story.runs = transport.runs


def _over(sighting: Sighting) -> bool:
    if not isinstance(sighting, Seen) or not sighting.phase.final:
        return False
    return "no longer" in sighting.evidence.rule or "elements" in sighting.evidence.rule


def _requeue(cluster: Cluster, ids: Mapping[str, str]) -> None:
    cluster.scontrol("requeue", ids["requeued"])


def _cancel(cluster: Cluster, ids: Mapping[str, str]) -> None:
    cluster.run(["scancel", ids["by owner"]])
    cluster.slurm("scancel", ids["by root"])
    cluster.scontrol("update", f"JobId={ids['requeued']}", "StartTime=now+2seconds")


def _release(cluster: Cluster, ids: Mapping[str, str]) -> None:
    cluster.run(["scancel", ids["held"], ids["wide"]])


@pytest.fixture(scope="module")
def story(cluster: Cluster) -> Iterator[Story]:
    told = Story(ids=_submit(cluster))
    try:
        anyio.run(_follow, cluster, told)
        yield told
    finally:
        cluster.slurm("scancel", *told.ids.values())


def test_a_job_goes_from_waiting_through_running_to_its_end(story: Story) -> None:
    words = story.words("ok")
    assert words[-2:] == ["RUNNING", "COMPLETED"] or words[-3:] == ["RUNNING", "COMPLETING", "COMPLETED"]
    end = story.end("ok")
    assert (end.phase, end.exit_code, end.signal, end.name, end.user) == (Phase.SUCCEEDED, 0, None, "fine", "alice")
    assert end.started_at is not None
    assert end.ended_at is not None
    assert 11 <= (end.ended_at - end.started_at).total_seconds() <= 25


def test_no_job_is_ever_seen_absent_or_alive_after_its_end(story: Story) -> None:
    for label, sightings in story.seen.items():
        final = [isinstance(one, Seen) and one.phase.final for one in sightings]
        after = sightings[final.index(True) :] if True in final else []
        assert not any(isinstance(one, Absent) for one in sightings), label
        assert all(one.phase.final for one in after if isinstance(one, Seen)), label


@pytest.mark.parametrize(
    ("label", "status", "code", "signal"),
    [
        ("exit 3", "FAILED", 3, None),
        ("signal 9", "FAILED", None, 9),
        ("no folder", "FAILED", None, None),
        ("by owner", "CANCELLED by {alice}", None, None),
        ("by root", "CANCELLED by 0", None, None),
        ("timeout", "TIMEOUT", None, None),
        ("failed step", "COMPLETED", 0, None),
    ],
)
def test_every_kind_of_end_is_told_with_its_word_and_code(
    story: Story, label: str, status: str, code: int | None, signal: int | None
) -> None:
    end = story.end(label)
    word = status.format(alice=pwd.getpwnam("alice").pw_uid)
    assert (end.status, end.exit_code, end.signal) == (word, code, signal), end


def test_an_exit_code_over_127_is_exact_while_slurmctld_remembers(story: Story) -> None:
    first = next(one for one in story.of("exit 200") if one.phase.final)
    assert first.exit_code == 200


def test_a_step_that_failed_in_a_completed_job_is_shown_and_not_decisive(story: Story) -> None:
    end = story.end("failed step")
    assert end.phase is Phase.SUCCEEDED
    assert "7:0" in (end.reason or "")


def test_a_requeued_job_never_seems_to_have_ended_in_between(story: Story) -> None:
    seen = story.of("requeued")
    assert [one for one in seen if one.phase is Phase.PENDING and one.reason], story.words("requeued")
    ended = [one.phase.final for one in seen]
    assert ended == sorted(ended)
    end = story.end("requeued")
    assert end.attempts[0].status == "REQUEUED"
    assert end.attempts[-1].phase is Phase.SUCCEEDED
    assert end.attempts[0].ended_at is not None


def test_an_array_is_one_job_with_counts(story: Story) -> None:
    texts = story.words("array")
    assert any("RUNNING 2" in text and "PENDING 2" in text for text in texts), texts
    end = story.end("array")
    assert (end.status, end.phase, end.reason) == ("COMPLETED 3, FAILED 1", Phase.FAILED, "failed: 3")


def test_a_wide_waiting_array_is_counted_from_its_compact_form(story: Story) -> None:
    assert story.of("wide")[0].status == "PENDING 143"
    assert story.end("wide").status == "CANCELLED 143"


def test_a_heterogeneous_job_is_one_job(story: Story) -> None:
    assert "RUNNING 2" in story.words("het")
    assert story.end("het").status == "COMPLETED 2"


def test_a_held_job_waits_with_its_reason(story: Story) -> None:
    assert (story.of("held")[0].phase, story.of("held")[0].reason) == (Phase.PENDING, "JobHeldUser")


def test_an_odd_name_breaks_nothing(story: Story, cluster: Cluster) -> None:
    seen = next(one for one in story.of("odd") if one.log)
    home = str(cluster.home())
    assert seen.name == ODD_NAME
    assert seen.log is not None
    assert seen.log.stdout == f"{home}/jwlogs/{story.ids['odd']}.out"
    assert seen.log.stderr == f"{home}/jwlogs/{story.ids['odd']}.err"
    assert story.end("odd").phase is Phase.SUCCEEDED


@pytest.mark.parametrize("label", ["ok", "pattern", "requeued", "exit 3"])
def test_the_log_path_is_that_of_the_real_file(story: Story, label: str) -> None:
    seen = [one for one in story.of(label) if one.log]
    assert seen, story.words(label)
    log = seen[-1].log
    assert log is not None
    assert Path(log.stdout or "").is_file(), log


def test_another_users_job_is_found_alive_and_ended(story: Story) -> None:
    assert "RUNNING" in story.words("bob's")
    assert (story.end("bob's").status, story.end("bob's").user) == ("COMPLETED", "bob")


def test_every_sighting_carries_its_evidence(story: Story) -> None:
    for sightings in story.seen.values():
        for one in sightings:
            assert one.evidence.question
            assert one.evidence.rule
            assert one.evidence.lines or isinstance(one, CouldNotAsk)


async def test_a_look_at_running_jobs_costs_one_remote_run(cluster: Cluster) -> None:
    jobs = [cluster.sbatch("--wrap", "sleep 30") for _ in range(3)]
    host = host_of(cluster)
    await SlurmSource().observe(host, [Wanted(id=one, log_known=True) for one in jobs])
    cluster.run(["scancel", *jobs])
    assert isinstance(host.transport, OpenSsh)
    assert host.transport.runs == 1


async def test_an_id_that_nobody_knows_is_absent(cluster: Cluster) -> None:
    seen = (await look(cluster, UNKNOWN_ID))[UNKNOWN_ID]
    assert isinstance(seen, Absent)
    assert seen.where == ("squeue", "sacct")


async def test_the_users_environment_changes_nothing(cluster: Cluster) -> None:
    job = cluster.sbatch("-H", "--wrap", "true")
    hostile = (
        "export SQUEUE_FORMAT=%i SQUEUE_STATES=R SQUEUE_SORT=u SACCT_FORMAT=JobID%2 SLURM_TIME_FORMAT=relative "
        "SLURM_CLUSTERS=nosuch TZ=America/Los_Angeles LC_ALL=de_DE SLURM_BITSTR_LEN=5; echo NOISE; n=1; set -- x"
    )
    plain, odd = await look(cluster, job), await look(cluster, job, before=hostile)
    cluster.run(["scancel", job])
    assert isinstance(odd[job], Seen)
    assert odd[job].model_dump(exclude={"evidence"}) == plain[job].model_dump(exclude={"evidence"})


async def test_a_named_cluster_is_asked_by_its_name(cluster: Cluster) -> None:
    job = cluster.sbatch("-H", "--wrap", "true")
    name = cluster.slurm("scontrol", "show", "config").stdout.partition("ClusterName")[2].split()[1]
    wanted = [Wanted(id=job), Wanted(id=UNKNOWN_ID)]
    seen = (await SlurmSource().observe(host_of(cluster, cluster=name), wanted))[job]
    cluster.run(["scancel", job])
    assert isinstance(seen, Seen)
    assert seen.phase is Phase.PENDING


async def test_cancel_takes_only_ones_own_living_jobs(cluster: Cluster) -> None:
    mine, held = cluster.sbatch("--wrap", "sleep 60"), cluster.sbatch("-H", "--wrap", "true")
    theirs = cluster.sbatch("-H", "--wrap", "true", user="bob")
    over = cluster.sbatch("--wrap", "true")
    cluster.wait_for(over, {"COMPLETED"})
    jobs = [mine, held, theirs, over, UNKNOWN_ID]
    outcomes = await SlurmSource().cancel(host_of(cluster), [Wanted(id=one) for one in jobs])
    cluster.wait_for(mine, {"CANCELLED"})
    assert [outcomes[one].accepted for one in jobs] == [True, True, False, False, False]
    assert "bob" in outcomes[theirs].text
    assert "ended" in outcomes[over].text
    assert cluster.state(theirs) == "PENDING"
    cluster.slurm("scancel", theirs)


async def test_the_end_is_known_with_squeue_or_sacct_alone_and_nothing_is_lost(faulty_cluster: Cluster) -> None:
    alive, over = faulty_cluster.sbatch("--wrap", "sleep 300"), faulty_cluster.sbatch("--wrap", "exit 4")
    faulty_cluster.wait_until_accounted(over, {"FAILED"})
    faulty_cluster.wait_until_forgotten(over)
    with faulty_cluster.stopped("slurmdbd"):
        quick = faulty_cluster.sbatch("--wrap", "exit 6")
        faulty_cluster.wait_for(quick, {"FAILED"})
        faulty_cluster.noise("NOISE from .bashrc")
        seen = await look(faulty_cluster, alive, over, quick, UNKNOWN_ID)
    assert word_for(seen[alive]) == "RUNNING"
    assert word_for(seen[over]) == word_for(seen[UNKNOWN_ID]) == "slurm.accounting_unavailable"
    ended = seen[quick]
    assert isinstance(ended, Seen)
    assert (ended.status, ended.exit_code) == ("FAILED", 6)
    with faulty_cluster.stopped("slurmctld"):
        seen = await look(faulty_cluster, alive, over, UNKNOWN_ID)
    faulty_cluster.noise("")
    assert word_for(seen[alive]) == word_for(seen[UNKNOWN_ID]) == "slurm.unavailable"
    assert word_for(seen[over]) == "FAILED"


async def test_a_site_without_sacct_is_served_by_squeue_for_as_long_as_it_remembers(faulty_cluster: Cluster) -> None:
    with faulty_cluster.hidden("sacct"):
        job = faulty_cluster.sbatch("--wrap", "exit 5")
        faulty_cluster.wait_for(job, {"FAILED"})
        first = (await look(faulty_cluster, job))[job]
        faulty_cluster.wait_until_forgotten(job)
        then = (await look(faulty_cluster, job))[job]
    assert isinstance(first, Seen)
    assert (first.phase, first.exit_code) == (Phase.FAILED, 5)
    assert isinstance(then, Absent)


async def test_a_host_without_squeue_says_what_to_configure(faulty_cluster: Cluster) -> None:
    with faulty_cluster.hidden("squeue"), pytest.raises(SourceUnavailableError) as caught:
        await look(faulty_cluster, "1")
    assert caught.value.code == "slurm.not_installed"
    assert "prelude" in caught.value.hint
