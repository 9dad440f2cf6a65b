"""Parts of a real cluster fail and come back while jobs are watched: the real watcher, over real SSH, to the journal.

Whatever fails: no state changes, nothing is lost or ended that lives, the jobs say since when nobody knows and why,
the questions become fewer, and each session hears once that it began and once that it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import pytest

from support.agent import agent
from support.cluster import Cluster, require_slurm, temporary_cluster
from support.watched import Gated, Watched, end_of, submit

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

_QUICK = {"ask_timeout_s": 6.0}
"""A hung part is given up after 3 s instead of 70."""


def stopped(cluster: Cluster, *daemons: str) -> AbstractContextManager[object]:
    @contextmanager
    def fault() -> Generator[None]:
        for daemon in daemons:
            cluster.stop(daemon)
        try:
            yield
        finally:
            for daemon in reversed(daemons):
                cluster.start(daemon)

    return fault()


def killed(cluster: Cluster, daemon: str) -> AbstractContextManager[object]:
    @contextmanager
    def fault() -> Generator[None]:
        cluster.kill(daemon)
        try:
            yield
        finally:
            cluster.start(daemon)

    return fault()


@pytest.fixture(scope="module")
def faulty_cluster() -> Generator[Cluster]:
    """One whose nodes are not given up in an outage that a busy machine makes longer than 10 s."""
    require_slurm()
    with temporary_cluster(flavor="patient") as made:
        yield made


@pytest.fixture(scope="module")
def forgotten(faulty_cluster: Cluster) -> str:
    """A job that has ended with 4, and that slurmctld has forgotten."""
    job = faulty_cluster.sbatch("--wrap", "exit 4")
    faulty_cluster.wait_until_accounted(job, {"FAILED"})
    faulty_cluster.wait_until_forgotten(job)
    return job


@dataclass(frozen=True)
class Outage:
    """One way to fail.

    Attributes:
        breaks: Does it, until the end of the context.
        code: What the jobs say of it.
        clocks: Where it would take long otherwise.
        reports: Whether Slurm can be told meanwhile that a job ends; else its node tries again every 24 s (22.05.8).
    """

    breaks: Callable[[Cluster], AbstractContextManager[object]]
    code: str
    clocks: dict[str, float] = field(default_factory=dict[str, float])
    reports: bool = False


BLIND = {
    "slurmctld is stopped": Outage(lambda one: one.stopped("slurmctld"), "slurm.unavailable", _QUICK),
    "slurmctld hangs": Outage(lambda one: one.hung("slurmctld"), "slurm.unavailable", _QUICK),
    "both are stopped": Outage(lambda one: stopped(one, "slurmctld", "slurmdbd"), "slurm.unavailable", _QUICK),
    "munged is stopped": Outage(lambda one: one.stopped("munged"), "slurm.unavailable"),
    "munged left its socket": Outage(lambda one: killed(one, "munged"), "slurm.unavailable", _QUICK),
    "sshd is stopped": Outage(lambda one: one.stopped("sshd-a"), "ssh.", reports=True),
    "sshd hangs": Outage(lambda one: one.hung("sshd-a"), "ssh.", reports=True),
    "squeue is torn": Outage(
        lambda one: one.replaced("squeue", '/usr/bin/squeue "$@" | head -c 90'), "source.unreadable"
    ),
}
"""Outages in which nobody can tell of any job that lives."""


@pytest.mark.parametrize("name", BLIND)
async def test_nothing_is_known_and_so_nothing_changes_until_it_is_over(
    lend: Callable[..., Watched], faulty_cluster: Cluster, name: str
) -> None:
    outage = BLIND[name]
    watched = lend(**outage.clocks)
    ends, lives = await submit(faulty_cluster), await submit(faulty_cluster)
    await watched.register(ends.id, lives.id, session="one")
    await watched.register(ends.id, session="two")
    with outage.breaks(faulty_cluster):
        await watched.until_every("unreachable")
        if outage.reports:
            ends.open()
        await watched.until_asked_again(1)
        await still_unknown(watched, ends, lives, outage.code)
        known = watched.ledger()
        assert known.silent >= 2 or (known.failure is not None and known.failure.count >= 2), known
    ends.open()
    await watched.until_every("reachable")
    await watched.until_every("finished")
    over(watched, faulty_cluster, ends)
    assert watched.told(lives.id) == ["running"]
    assert watched.rows()[lives.id].get("stale_since") is None


async def still_unknown(watched: Watched, ends: Gated, lives: Gated, code: str) -> None:
    view = await watched.status()
    assert {row.phase for row in view.jobs} == {"running"}
    assert view.troubles
    assert all(code in trouble for trouble in view.troubles)
    for session, job in (("one", ends.id), ("one", lives.id), ("two", ends.id)):
        row = watched.rows(session)[job]
        assert row["phase"] == "running"
        assert row["stale_since"]
        assert str(row["stale_because"]).startswith(code)
        assert row.get("absence") is None
        assert watched.told(job, session) == ["running"]
    async with agent(watched.home, "two") as reader:
        assert "TROUBLE" in await reader.call("check_status", refresh=False)


def over(watched: Watched, cluster: Cluster, ends: Gated) -> None:
    """Each session heard once of the outage, once of its end, and once of the end of the job, as Slurm tells it."""
    cluster.wait_until_accounted(ends.id, {"FAILED"})
    state, _code, moment = end_of(cluster, ends.id)
    for session in watched.sessions:
        kinds = watched.kinds(session)
        assert [kinds.count(kind) for kind in ("unreachable", "reachable", "finished", "lost")] == [1, 1, 1, 0], kinds
        (end,) = [event for event in watched.home.journal(session) if event.event == "finished"]
        assert end.record is not None
        assert (end.job_id, end.new_status, end.record["exit_code"]) == (ends.id, state, 3)
        assert watched.told(ends.id, session) == ["running", "failed"]
        assert int(datetime.fromisoformat(end.record["ended_at"]).timestamp()) == int(moment)


# -- an answer that is lost on its way


@pytest.mark.parametrize("transport", ["asyncssh", "openssh"])
async def test_a_connection_cut_in_the_middle_of_an_answer_is_no_answer_and_the_next_question_opens_another(
    lend: Callable[..., Watched], faulty_cluster: Cluster, transport: str
) -> None:
    """squeue, the real one, has printed half of what it has to say when the sessions of the sshd are broken."""
    watched = lend(f'[hosts.cluster-a]\ntransport = "{transport}"\n')
    ends, lives = await submit(faulty_cluster), await submit(faulty_cluster)
    await watched.register(ends.id, lives.id)
    await watched.until(lambda: "RUNNING" in str(watched.rows().values()), "the watcher has looked")
    half_way = faulty_cluster.home() / "half-way"
    halting = f'/usr/bin/squeue "$@" | {{ head -c 90; touch {half_way}; sleep 20; cat; }}'
    with faulty_cluster.replaced("squeue", halting):
        await watched.until(half_way.exists, "half of the answer is on its way")
        assert faulty_cluster.drop_sessions("sshd-a")
        await watched.until_every("unreachable")
        assert {str(row["stale_because"]).split(":")[0] for row in watched.rows().values()} == {"ssh.dropped"}
        assert {row["phase"] for row in watched.rows().values()} == {"running"}
        ends.open()
        half_way.unlink()
    faulty_cluster.drop_sessions("sshd-a")  # the one that meanwhile waits for the other half
    await watched.until_every("finished")
    over(watched, faulty_cluster, ends)


# -- who asks, and how often


async def test_an_outage_is_asked_about_ever_more_rarely_by_everybody_together(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """Counted on the far side. In the time of the outage the usual pace would be 12 questions of each asker."""
    asked = faulty_cluster.home() / "asked"
    counting = f'echo >>{asked}; exec /usr/bin/squeue "$@"'
    watched = lend(backoff_first_s=2.0, backoff_most_s=30.0)
    lives = await submit(faulty_cluster)
    with faulty_cluster.replaced("squeue", counting):
        await watched.register(lives.id, session="one")
        await watched.register(lives.id, session="two")
        with stopped(faulty_cluster, "munged"):
            await watched.until_every("unreachable")
            before = len(asked.read_text(encoding="utf-8"))
            ends = anyio.current_time() + 6.0
            while anyio.current_time() < ends:  # two agents who ask all the time
                await watched.status("one", refresh=True)
                await watched.status("two", refresh=True)
            assert len(asked.read_text(encoding="utf-8")) - before <= 3
    await watched.until_every("reachable")
    assert [watched.kinds(session).count("unreachable") for session in ("one", "two")] == [1, 1]


@pytest.mark.long
async def test_a_munge_that_takes_50_seconds_to_fail_costs_one_program_and_stays_one_outage(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """With the usual time-out: munged was killed and left its socket, squeue tries for 49 s and says so."""
    watched = lend(ask_timeout_s=75.0)
    ends = await submit(faulty_cluster)
    await watched.register(ends.id)
    with killed(faulty_cluster, "munged"):
        await watched.until_every("unreachable", within_s=90.0)
        assert "authentication error" in str(watched.rows()[ends.id]["stale_because"])
        failure = watched.ledger().failure
        assert failure is not None
        began = failure.at
        assert (datetime.now(UTC) - began).total_seconds() < 75  # sacct, which would take as long again, was not run
        view = await watched.status(refresh=True)
        assert view.jobs[0].phase == "running"
    ends.open()
    await watched.until_every("finished", within_s=120.0)
    over(watched, faulty_cluster, ends)


# -- what one part knows while the other is silent


ACCOUNTING = {
    "slurmdbd is stopped": Outage(lambda one: one.stopped("slurmdbd"), "slurm.accounting_unavailable"),
    "slurmdbd hangs": Outage(lambda one: one.hung("slurmdbd"), "slurm.accounting_unavailable", _QUICK),
    "the database is stopped": Outage(lambda one: one.stopped("mariadbd"), "slurm.accounting_unavailable"),
    "sacct is torn": Outage(
        lambda one: one.replaced("sacct", '/usr/bin/sacct "$@" | head -c 120'), "source.unreadable"
    ),
}
"""Outages in which squeue answers, and the ends that it has forgotten are not to be had."""


@pytest.mark.parametrize("name", ACCOUNTING)
async def test_without_accounting_for_a_while_squeue_tells_the_ends_that_it_remembers(
    lend: Callable[..., Watched], faulty_cluster: Cluster, forgotten: str, name: str
) -> None:
    """Two end meanwhile: squeue tells of the one; the other is registered when squeue has forgotten it."""
    outage = ACCOUNTING[name]
    watched = lend(**outage.clocks)
    ends, lives = await submit(faulty_cluster, status=6), await submit(faulty_cluster)
    await watched.register(ends.id, lives.id)
    with outage.breaks(faulty_cluster):
        await watched.register(forgotten)
        await watched.until_every("unreachable")
        ends.open()
        await watched.until(lambda: "finished" in watched.kinds(), "squeue tells of its end")
        (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
        assert end.record is not None
        assert (end.job_id, end.new_status, end.record["exit_code"]) == (ends.id, "FAILED", 6)
        asked = watched.ledger()
        assert asked.silent >= 2, asked
        rows = watched.rows()
        assert rows[lives.id].get("stale_since") is None
        assert str(rows[forgotten]["stale_because"]).startswith(outage.code)
        assert rows[forgotten].get("absence") is None
    await watched.until(lambda: watched.kinds().count("finished") == 2, "the other end is told by sacct")
    told = [event for event in watched.home.journal("one") if event.event == "finished"][1]
    assert told.record is not None
    assert (told.job_id, told.record["exit_code"]) == (forgotten, 4)
    assert [watched.kinds().count(kind) for kind in ("unreachable", "reachable", "lost")] == [1, 1, 0]
    assert watched.told(lives.id) == ["running"]


@pytest.mark.parametrize(
    ("ask_timeout_s", "because"),
    [
        (6.0, "it did not answer in time"),
        pytest.param(50.0, "Unable to contact slurm controller", marks=pytest.mark.long),
    ],
    ids=["our time-out", "Slurm's own time-out, up to 20 s"],
)
async def test_without_slurmctld_an_end_that_sacct_has_is_told_and_a_running_row_of_sacct_is_no_state(
    lend: Callable[..., Watched], faulty_cluster: Cluster, forgotten: str, ask_timeout_s: float, because: str
) -> None:
    """sacct says RUNNING of a job that has ended meanwhile; its true end is what slurmctld hears when it is back."""
    watched = lend(ask_timeout_s=ask_timeout_s)
    lives = await submit(faulty_cluster)
    await watched.register(lives.id)
    with faulty_cluster.stopped("slurmctld"):
        lives.open()
        view = await watched.register(forgotten)
        if not view.jobs[0].phase.final:  # the answer is slower than the patience of a call
            await watched.until_every("finished")
        (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
        assert end.record is not None
        assert (end.job_id, end.record["exit_code"]) == (forgotten, 4)
        assert end.evidence is not None
        assert "squeue could not be asked" in end.evidence.rule
        await watched.until_every("unreachable")
        assert watched.told(lives.id) == ["running"]
        assert because in str(watched.rows()[lives.id]["stale_because"])
    await watched.until(lambda: watched.kinds().count("finished") == 2, "the other end is told", within_s=90)
    faulty_cluster.wait_until_accounted(lives.id, {"FAILED"})
    told = [event for event in watched.home.journal("one") if event.event == "finished"][1]
    assert told.record is not None
    assert str(int(datetime.fromisoformat(told.record["ended_at"]).timestamp())) == end_of(faulty_cluster, lives.id)[2]


# -- sites that have no accounting


async def test_without_sacct_an_end_is_told_by_squeue_and_what_it_forgets_is_never_called_ended(
    lend: Callable[..., Watched], faulty_cluster: Cluster, forgotten: str
) -> None:
    watched = lend()
    ends = await submit(faulty_cluster, status=5)
    with faulty_cluster.hidden("sacct"):
        await without_accounting(watched, ends, forgotten)


async def test_a_site_whose_accounting_is_disabled_is_served_by_squeue_alone(
    lend: Callable[..., Watched], faulty_cluster: Cluster, forgotten: str
) -> None:
    def disabled(text: str) -> str:
        kept = [line for line in text.splitlines() if not line.startswith("AccountingStor")]
        return "\n".join([*kept, "AccountingStorageType=accounting_storage/none", ""])

    watched = lend()
    with faulty_cluster.configured(disabled):
        assert "disabled" in faulty_cluster.run(["sacct"]).stderr
        await without_accounting(watched, await submit(faulty_cluster, status=5), forgotten)


async def without_accounting(watched: Watched, ends: Gated, gone: str) -> None:
    await watched.register(ends.id, gone)
    ends.open()
    await watched.until_every("finished")
    (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
    assert end.record is not None
    assert (end.job_id, end.record["exit_code"]) == (ends.id, 5)
    await watched.until(lambda: "lost" in watched.kinds(), "nowhere in whole answers for long enough")
    assert watched.told(gone) == ["lost"]
    assert "unreachable" not in watched.kinds()
