"""One answer, applied to a real session on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from jobwarden.ledger.snapshot import Failure, Snapshot
from jobwarden.sources.base import Sighting
from jobwarden.verdict.apply import Applied, apply_answer
from jobwarden.verdict.ending import Causes
from jobwarden.verdict.explain import explain
from jobwarden_registry.errors import LeaseLostError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import EndAsked, JobRecord, Used
from jobwarden_registry.paths import Places
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from support.sightings import CLOCKS, absent, at, could_not_ask, job, seen

SITE = "alice@c:22"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    for name in ("project", "state", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    entry = SessionEntry(session_id="s1", project=tmp_path / "project", created_at=at(0), last_seen_at=at(0))
    return Session(Places(state=tmp_path / "state", runtime=tmp_path / "run"), entry, clock=lambda: at(0))


def watch(session: Session, *ids: str, **fields: object) -> None:
    with session.transaction() as transaction:
        for job_id in ids:
            transaction.register(job(id=job_id, **fields))


def answer(seconds: float, sightings: Mapping[str, Sighting]) -> Snapshot:
    moments = {job_id: at(seconds) for job_id in sightings}
    return Snapshot(asked_at=at(seconds), answered=sightings, asked=moments)


def failing(snapshot: Snapshot, since: float, last: float | None = None, *, shared: bool = True) -> Snapshot:
    failure = Failure(
        code="ssh.refused",
        text="Connection refused.",
        since=at(since),
        at=at(since if last is None else last),
        next_try_at=at(since + 30),
        shared=shared,
    )
    return snapshot.model_copy(update={"failure": failure})


def apply(session: Session, snapshot: Snapshot, now: datetime | None = None, *, lease: str | None = None) -> Applied:
    when = now or snapshot.tried_at
    assert when is not None
    return apply_answer(session, type="slurm", site=SITE, snapshot=snapshot, now=when, clocks=CLOCKS, lease=lease)


def records(session: Session) -> dict[str, JobRecord]:
    return {record.id: record for record in session.load()}


def journal(session: Session, after: int = 0) -> list[Event]:
    return [event for event in session.journal.read() if event.seq > after]


def told(session: Session) -> list[str]:
    return [str(event.event) for event in journal(session) if event.event not in ("registered", "updated")]


def test_an_answer_changes_and_finishes_jobs_in_one_write(session: Session) -> None:
    watch(session, "1", "2", "3")
    before = session.stamp()
    applied = apply(session, answer(10, {"1": seen("RUNNING"), "2": seen("FAILED", exit_code=2), "3": absent()}))
    assert (applied.changed, applied.finished) == (2, 1)
    assert sorted(applied.events) == [EventKind.FINISHED, EventKind.STATUS_CHANGE]
    assert session.stamp() != before
    assert {number: record.phase for number, record in records(session).items()} == {
        "1": Phase.RUNNING,
        "3": Phase.UNKNOWN,
    }
    [end] = [event for event in journal(session) if event.event == EventKind.FINISHED]
    assert end.record is not None
    assert (end.record["exit_code"], end.new_status, end.phase) == (2, "FAILED", "failed")
    assert end.evidence is not None
    assert end.evidence.lines == ("FAILED",)


def test_an_answer_that_changes_nothing_writes_nothing(session: Session) -> None:
    watch(session, "1")
    apply(session, answer(10, {"1": seen("RUNNING")}))
    before = session.stamp()
    for seconds in (10, 70, 130):
        assert apply(session, answer(seconds, {"1": seen("RUNNING")})) == Applied()
    assert session.stamp() == before


def test_an_answer_that_changes_nothing_takes_no_lock(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(session, "1")
    apply(session, answer(10, {"1": seen("RUNNING")}))
    monkeypatch.setattr(Session, "transaction", None)
    assert apply(session, answer(70, {"1": seen("RUNNING")})) == Applied()


def test_a_newer_jobwardens_record_is_left_to_it(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(session, "1")
    monkeypatch.setattr("jobwarden.verdict.apply.RECORD_VERSION", 0)
    assert apply(session, answer(10, {"1": seen("COMPLETED")})) == Applied()


def test_who_polls_takes_in_nothing_written_by_hand(session: Session) -> None:
    watch(session, "1")
    entries = json.loads(session.active_path.read_text(encoding="utf-8"))
    by_hand = {"type": "slurm", "id": "99", "host": "c"}
    session.active_path.write_text(json.dumps([*entries, by_hand]), encoding="utf-8")
    assert apply(session, answer(10, {"1": seen("RUNNING"), "99": seen("RUNNING")})).changed == 1
    assert list(records(session)) == ["1"]
    assert json.loads(session.active_path.read_text(encoding="utf-8"))[-1] == by_hand


def test_an_end_is_told_once_however_often_it_is_applied(session: Session) -> None:
    watch(session, "1")
    snapshot = answer(10, {"1": seen("COMPLETED")})
    assert [apply(session, snapshot).finished for _ in range(3)] == [1, 0, 0]
    assert told(session) == ["finished"]


def test_only_the_jobs_of_that_source_and_site_are_judged(session: Session) -> None:
    watch(session, "1", site="bob@c:22")
    watch(session, "1", site=SITE, type="nel")
    assert apply(session, answer(10, {"1": seen("COMPLETED")})) == Applied()


def test_of_two_clusters_on_one_host_only_the_one_that_was_asked_is_judged(session: Session) -> None:
    watch(session, "1", host="cluster-a")
    snapshot = answer(10, {"1": seen("COMPLETED")})
    applied = apply_answer(
        session, type="slurm", site=SITE, snapshot=snapshot, now=at(10), clocks=CLOCKS, lease=None, hosts={"cluster-b"}
    )
    assert applied == Applied()


def test_an_id_that_was_not_asked_about_is_left_alone(session: Session) -> None:
    watch(session, "1")
    assert apply(session, answer(1000, {"2": absent()})) == Applied()


def test_an_outage_is_one_event_and_its_end_another(session: Session) -> None:
    watch(session, "1", "2")
    good = answer(10, {"1": seen("RUNNING"), "2": seen("PENDING")})
    apply(session, good)
    for last in (70, 100, 160):
        apply(session, failing(good, 70, last))
    assert told(session) == ["status_change", "status_change", "unreachable"]
    assert [record.stale_since for record in session.load()] == [at(70), at(70)]
    assert [record.phase for record in session.load()] == [Phase.RUNNING, Phase.PENDING]
    [event] = [event for event in journal(session) if event.event == EventKind.UNREACHABLE]
    assert event.text is not None
    assert "ssh.refused: Connection refused." in event.text
    assert "2 jobs" in event.text
    watch(session, "3")  # one more during the outage is no second outage
    apply(session, failing(good, 70, 300))
    assert told(session).count("unreachable") == 1
    apply(session, answer(400, {number: seen("RUNNING") for number in ("1", "2", "3")}))
    assert told(session).count("reachable") == 1
    assert all(record.stale_since is None for record in session.load())
    apply(session, failing(answer(400, {}), 460))
    assert told(session).count("unreachable") == 2


def test_an_outage_of_one_half_of_the_source_is_told_and_the_rest_goes_on(session: Session) -> None:
    watch(session, "1", "2")
    apply(session, answer(10, {"1": seen("RUNNING"), "2": seen("RUNNING")}))
    apply(session, answer(70, {"1": seen("SUSPENDED"), "2": could_not_ask()}))
    assert told(session)[2:] == ["unreachable", "status_change"]
    assert records(session)["1"].stale_since is None
    assert records(session)["2"].phase is Phase.RUNNING
    apply(session, answer(130, {"1": seen("SUSPENDED"), "2": seen("COMPLETED")}))
    assert told(session)[4:] == ["reachable", "finished"]


def test_a_source_that_is_only_catching_up_with_itself_is_no_outage(session: Session) -> None:
    watch(session, "1")
    apply(session, answer(10, {"1": seen("RUNNING")}))
    behind = could_not_ask().model_copy(update={"code": "slurm.accounting_behind"})
    apply(session, answer(20, {"1": behind}))
    apply(session, answer(30, {"1": seen("PENDING")}))
    assert "unreachable" not in told(session)
    assert "reachable" not in told(session)


def test_an_outage_that_began_before_this_session_heard_the_last_answer(session: Session) -> None:
    watch(session, "1")
    applied = apply(session, failing(answer(10, {"1": seen("RUNNING")}), 70))
    assert applied.changed == 1
    [record] = session.load()
    assert (record.phase, record.stale_since) == (Phase.RUNNING, at(70))


def test_what_this_process_alone_cannot_do_is_no_outage_while_others_have_answers(session: Session) -> None:
    watch(session, "1")
    snapshot = failing(answer(10, {"1": seen("RUNNING")}), 60, shared=False)
    apply(session, snapshot, at(190))
    assert session.load()[0].stale_since is None
    apply(session, snapshot, at(191))
    assert session.load()[0].stale_since == at(60)


def test_what_this_process_alone_cannot_do_is_an_outage_when_nobody_ever_had_an_answer(session: Session) -> None:
    watch(session, "1")
    apply(session, failing(Snapshot(), 5, shared=False))
    assert session.load()[0].stale_since == at(5)


def test_a_lost_lease_writes_nothing(session: Session) -> None:
    watch(session, "1")
    before = session.stamp()
    with pytest.raises(LeaseLostError):
        apply(session, answer(10, {"1": seen("RUNNING")}), lease="not mine")
    assert session.stamp() == before


def test_requeued_found_again_and_lost_survive_the_disk(session: Session) -> None:
    watch(session, "1")
    apply(session, answer(10, {"1": seen("RUNNING", submitted_at=at(1), started_at=at(2))}))
    apply(session, answer(70, {"1": seen("PENDING", submitted_at=at(60))}))
    for seconds in range(200, 501, 60):
        apply(session, answer(seconds, {"1": absent()}))
    [record] = session.load()
    assert record.phase is Phase.LOST
    assert len(record.attempts) == 2
    apply(session, answer(900, {"1": seen("COMPLETED", submitted_at=at(60), ended_at=at(180))}))
    assert told(session) == ["status_change", "requeued", "lost", "found_again", "finished"]
    assert session.load() == ()


def test_an_explanation_shows_what_was_asked_the_lines_and_the_rule(session: Session) -> None:
    watch(session, "1", "2")
    apply(session, answer(10, {"1": seen("RUNNING"), "2": seen("PENDING")}))
    apply(session, failing(answer(10, {}), 70))
    record = records(session)["1"]
    explanation = explain(record, journal(session))
    assert [(step.event, step.change) for step in explanation.steps] == [
        ("registered", ""),
        ("status_change", "(nothing) -> RUNNING"),
    ]
    step = explanation.steps[1]
    assert (step.question, step.lines, step.rule) == (("squeue", "sacct"), ("RUNNING",), "test")
    assert any(
        "Nobody could be asked since 2026-11-20 10:01:10 UTC: ssh.refused" in line for line in explanation.standing
    )


def test_a_cause_stands_in_the_event_of_a_bad_end_and_nowhere_else(session: Session) -> None:
    watch(session, "1", "2", "3", cause="written by hand")
    uids = {record.id: record.uid for record in session.load()}
    ends = answer(10, {"1": seen("FAILED", exit_code=2), "2": seen("COMPLETED"), "3": seen("CANCELLED")})
    causes = Causes({uids["1"]: "KeyError: 'labels'", uids["2"]: "none of it"})
    assert ends.asked_at is not None
    apply_answer(
        session, type="slurm", site=SITE, snapshot=ends, now=ends.asked_at, clocks=CLOCKS, lease=None, causes=causes
    )
    told = {event.job_id: (event.record or {}).get("cause") for event in journal(session) if event.event == "finished"}
    assert told == {"1": "KeyError: 'labels'", "2": None, "3": None}


def test_what_an_ended_job_used_is_in_its_record_and_what_is_remarkable_in_the_event(session: Session) -> None:
    watch(session, "1", "2")
    uids = {record.id: record.uid for record in session.load()}
    ends = answer(10, {"1": seen("COMPLETED"), "2": seen("COMPLETED")})
    full = Used(memory_bytes=97, memory_limit_bytes=100, cpu_s=9.0, core_s=10.0, elapsed_s=10.0)
    calm = Used(memory_bytes=50, memory_limit_bytes=100, cpu_s=9.0, core_s=10.0, elapsed_s=10.0)
    causes = Causes(used={uids["1"]: full, uids["2"]: calm})
    assert ends.asked_at is not None
    apply_answer(
        session, type="slurm", site=SITE, snapshot=ends, now=ends.asked_at, clocks=CLOCKS, lease=None, causes=causes
    )
    told = {event.job_id: event for event in journal(session) if event.event == "finished"}
    assert told["1"].text == "It used memory 97 % of 0M asked for."
    assert told["2"].text is None
    assert [JobRecord.model_validate(told[job].record).used for job in "12"] == [full, calm]


def test_a_cancellation_is_its_askers_when_it_came_of_that_and_not_hours_later(session: Session) -> None:
    asked = EndAsked(by="codex session s1", reason="wrong data", at=at(5), run="1", runs=1)
    watch(session, "1", end_asked=asked)
    watch(session, "2", end_asked=asked.model_copy(update={"run": "2"}))
    soon, late = seen("CANCELLED by 0", ended_at=at(9)), seen("CANCELLED by 0", ended_at=at(2 * 3600))
    uids = {record.id: record.uid for record in session.load()}
    now = at(2 * 3600 + 1)
    apply_answer(
        session,
        type="slurm",
        site=SITE,
        snapshot=answer(2 * 3600 + 1, {"1": soon, "2": late}),
        now=now,
        clocks=CLOCKS,
        lease=None,
        causes=Causes(dict.fromkeys(uids.values(), "cancelled by root")),
    )
    told = {event.job_id: event for event in journal(session) if event.event == "finished"}
    causes = {job: (event.record or {}).get("cause") for job, event in told.items()}
    assert causes == {"1": "cancelled by codex session s1: wrong data", "2": "cancelled by root"}
    assert "was asked for on 2026-11-20 10:00 UTC by codex session s1" in str(told["2"].text)


def test_a_held_job_that_lives_again_shows_nothing_of_what_its_earlier_run_used(session: Session) -> None:
    watch(session, "1", restarts=True)
    apply(session, answer(10, {"1": seen("RUNNING", submitted_at=at(1))}))
    (record,) = session.load()
    full = Causes(used={record.uid: Used(cpu_s=9.0, core_s=10.0, elapsed_s=10.0)})
    failed = answer(20, {"1": seen("FAILED", submitted_at=at(1), ended_at=at(15))})
    apply_answer(session, type="slurm", site=SITE, snapshot=failed, now=at(20), clocks=CLOCKS, lease=None, causes=full)
    (record,) = session.load()
    assert record.held is not None
    assert record.used is not None
    apply(session, answer(30, {"1": seen("RUNNING", submitted_at=at(25))}))
    (record,) = session.load()
    assert (record.held, record.used, record.last_status) == (None, None, "RUNNING")
