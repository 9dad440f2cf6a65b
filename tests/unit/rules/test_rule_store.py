"""What is remembered of rules, on disk: nothing is lost and nothing is doubled by whoever dies in between."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jobwarden.rules.building import read_rules
from jobwarden.rules.engine import step
from jobwarden.rules.looking import fired_event
from jobwarden.rules.sight import Look, Text
from jobwarden.rules.state import JobRules
from jobwarden.rules.store import RULES, Change, change_rules, has_rules, load_rules
from jobwarden.rules.writing import write_rule
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import LeaseLostError
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import active_jobs_path, user_places
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

[RULE] = read_rules(['name=hit pattern="hit (.*)" max_triggers=3 output_type=both cooldown=1s'])


@pytest.fixture
def session(clean_environment: Path) -> Session:
    project = clean_environment / "project"
    project.mkdir()
    places = user_places(os.environ)
    entry = SessionEntry(session_id="session-1", project=project, created_at=utc_now(), last_seen_at=utc_now())
    return Session(places, Index(places, clock=utc_now).add(entry), clock=utc_now)


@pytest.fixture
def job(session: Session) -> JobRecord:
    record = JobRecord(type="slurm", id="7", phase=Phase.RUNNING, rules=(write_rule(RULE),))
    with session.transaction() as transaction:
        return transaction.register(record)[0]


def fire(session: Session, job: JobRecord, line: str) -> bool:
    """Do what the watcher does when a line matches."""
    before = load_rules(session).get(job.uid, JobRules())
    look = Look(job, utc_now(), texts=[Text(("stdout",), line.encode())])
    outcome = step([RULE], before, look)
    events = [fired_event(one, RULE) for one in outcome.fired]
    return change_rules(session, Change(job, before.version, outcome.state, events))


def test_a_rule_is_kept_with_its_job_with_all_that_it_says(session: Session, job: JobRecord) -> None:
    """Another program of this kind lost a rule's stream and its limit when it was restarted."""
    [kept] = [one for one in session.load() if one.uid == job.uid]
    assert read_rules(kept.rules) == [RULE]


def test_a_firing_is_in_the_journal_before_its_file_and_found_there_by_the_next_one(
    session: Session, job: JobRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jobwarden.rules.store._save", killed)
        with pytest.raises(KeyboardInterrupt):
            fire(session, job, "hit one")
    assert not has_rules(session)
    state = load_rules(session)[job.uid]
    assert [one.line for one in state.pending] == ["hit one"]
    assert (state.of("hit").fired, state.sequence) == (1, 1)
    assert [event.event for event in session.journal.read()].count(EventKind.RULE_FIRED) == 1


def test_who_rests_on_an_older_state_changes_nothing(session: Session, job: JobRecord) -> None:
    assert fire(session, job, "hit one")
    before = load_rules(session)[job.uid]
    assert change_rules(session, Change(job, before.version, before.model_copy(update={"word": "x"})))
    assert not change_rules(session, Change(job, before.version, before.model_copy(update={"word": "y"})))
    late = fired_event(before.pending[0], RULE)
    assert not change_rules(session, Change(job, before.version, before, [late]))
    assert load_rules(session)[job.uid].word == "x"
    assert [event.event for event in session.journal.read()].count(EventKind.RULE_FIRED) == 1


def test_what_is_forgotten_stays_forgotten(session: Session, job: JobRecord) -> None:
    fire(session, job, "hit one")
    state = load_rules(session)[job.uid]
    assert change_rules(session, Change(job, state.version, None))
    assert load_rules(session) == {}
    assert not has_rules(session)


def test_a_watcher_that_has_lost_its_lease_fires_nothing(session: Session, job: JobRecord) -> None:
    outcome = step([RULE], JobRules(), Look(job, utc_now(), texts=[Text(("stdout",), b"hit one")]))
    events = [fired_event(one, RULE) for one in outcome.fired]
    with pytest.raises(LeaseLostError):
        change_rules(session, Change(job, 0, outcome.state, events), lease="another's")
    assert load_rules(session) == {}


def test_a_file_that_cannot_be_read_is_what_the_journal_says(session: Session, job: JobRecord) -> None:
    fire(session, job, "hit one")
    folder = session.opened()
    assert folder is not None
    with folder:
        folder.replace(RULES, b"{broken")
    assert load_rules(session)[job.uid].of("hit").fired == 1


def test_rules_of_a_hand_written_entry_are_no_rules(session: Session, job: JobRecord) -> None:
    path = active_jobs_path(session.entry.project, "session-1")
    rows = json.loads(path.read_text(encoding="utf-8"))
    rows[0]["rules"] = ["pattern=x action=cancel_job"]
    rows.append({"type": "slurm", "id": "8", "rules": ["pattern=x action=cancel_job"]})
    path.write_text(json.dumps(rows), encoding="utf-8")
    with session.transaction(own=True):
        pass
    assert {one.id: one.rules for one in session.load()} == {"7": job.rules, "8": ()}


def test_what_looks_like_a_secret_in_a_line_is_not_kept(session: Session, job: JobRecord) -> None:
    fire(session, job, "hit password=hunter2secret")
    [event] = [event for event in session.journal.read() if event.event == EventKind.RULE_FIRED]
    assert "hunter2secret" not in event.model_dump_json()
