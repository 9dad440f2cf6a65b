"""What an agent is told, and how often: `jobwarden.delivery.news`."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from jobwarden.delivery import news
from jobwarden_registry.clock import utc_now
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import user_places
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "project").mkdir()
    places = user_places({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")})
    now = utc_now()
    entry = SessionEntry(session_id="s", project=tmp_path / "project", agent="codex", created_at=now, last_seen_at=now)
    Index(places).add(entry)
    return Session(places, entry)


def register(session: Session, job_id: str = "1") -> str:
    with session.transaction() as transaction:
        record, _ = transaction.register(JobRecord(type="slurm", id=job_id, host="h"))
    return record.uid


def change(session: Session, uid: str, status: str, phase: Phase) -> None:
    with session.transaction() as transaction:
        record = transaction.jobs[uid].changed(last_status=status, phase=phase)
        transaction.change(uid, record, EventKind.STATUS_CHANGE)


def told(session: Session, consumer: str = news.ROOT, client: str = "c1") -> list[str | None]:
    return [event.new_status for event in news.take(session, consumer=consumer, client=client)]


def test_a_change_is_told_once_to_a_client_that_is_still_there(session: Session) -> None:
    uid = register(session)
    assert told(session) == []
    change(session, uid, "RUNNING", Phase.RUNNING)
    assert told(session) == ["RUNNING"]
    assert told(session) == []


def test_what_was_shown_but_not_acknowledged_comes_again_to_a_new_client_process(session: Session) -> None:
    uid = register(session)
    told(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    assert told(session, client="dies before it could read") == ["RUNNING"]
    assert told(session, client="its successor") == ["RUNNING"]
    assert told(session, client="its successor") == []


def test_what_was_acknowledged_does_not_come_again_even_to_a_new_client(session: Session) -> None:
    uid = register(session)
    told(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    assert told(session) == ["RUNNING"]
    assert told(session) == []
    assert told(session, client="new") == []


def test_a_sub_agent_does_not_eat_its_roots_news(session: Session) -> None:
    uid = register(session)
    told(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    assert told(session, consumer="child-2", client="c2") == ["RUNNING"]
    assert told(session) == ["RUNNING"]


def test_a_sub_agent_that_comes_late_is_not_told_what_its_root_knows(session: Session) -> None:
    uid = register(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    assert told(session) == ["RUNNING"]
    assert told(session, consumer="child-2", client="c2") == []


def test_what_a_later_event_has_overtaken_is_left_out(session: Session) -> None:
    one, other = register(session, "1"), register(session, "2")
    told(session)
    change(session, one, "RUNNING", Phase.RUNNING)
    change(session, other, "RUNNING", Phase.RUNNING)
    change(session, one, "COMPLETING", Phase.RUNNING)
    assert told(session) == ["RUNNING", "COMPLETING"]


def test_looking_without_taking_moves_nothing(session: Session) -> None:
    uid = register(session)
    told(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    for _ in range(2):
        assert len(news.unseen(session, consumer=news.ROOT, client="c1").events) == 1
    assert told(session) == ["RUNNING"]


def test_an_agents_own_registration_is_no_news_to_it() -> None:
    event = Event(seq=1, timestamp=utc_now(), event=EventKind.REGISTERED, session="s")
    assert not news.is_news(event)
    assert news.is_news(event.model_copy(update={"event": EventKind.FINISHED}))
    assert not news.is_news(event.model_copy(update={"event": "a word of a newer version"}))


def test_a_new_attempt_is_news(session: Session) -> None:
    event = Event(seq=1, timestamp=utc_now(), event=EventKind.ATTEMPT, session="s")
    assert news.is_news(event)


def test_that_another_session_wants_the_end_of_a_job_is_news_and_that_ones_own_does_is_not() -> None:
    event = Event(seq=1, timestamp=utc_now(), event=EventKind.CANCEL_REQUESTED, session="s")
    assert not news.is_news(event)
    for who, told in (("s", False), ("other", True)):
        assert news.is_news(Event.model_validate({**event.model_dump(), news.BY_SESSION: who})) is told


def test_an_answer_that_did_not_come_about_is_told_again(session: Session) -> None:
    uid = register(session)
    told(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    for _ in range(2):
        assert news.unseen(session, consumer=news.ROOT, client="c1").events
    assert told(session) == ["RUNNING"]


def test_of_two_answers_at_once_neither_takes_back_what_the_other_noted(session: Session) -> None:
    uid = register(session)
    told(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    early = news.unseen(session, consumer=news.ROOT, client="c1")
    change(session, uid, "COMPLETING", Phase.RUNNING)
    assert told(session, client="c2") == ["COMPLETING"]
    news.shown(session, early, consumer=news.ROOT, client="c1")
    assert told(session, client="c2") == []
    assert told(session, client="c1") == []


def test_what_happens_after_a_sub_agent_was_greeted_is_news_to_it_whoever_hears_it_first(session: Session) -> None:
    uid = register(session)
    change(session, uid, "PENDING", Phase.PENDING)
    assert told(session) == ["PENDING"]
    news.greet(session, consumer="child-2", client="c2")
    change(session, uid, "RUNNING", Phase.RUNNING)
    assert told(session) == ["RUNNING"]
    news.greet(session, consumer="child-2", client="c2")
    assert told(session, consumer="child-2", client="c2") == ["RUNNING"]
    assert told(session, consumer="child-2", client="c2") == []


def test_greeting_the_root_changes_nothing(session: Session) -> None:
    uid = register(session)
    change(session, uid, "RUNNING", Phase.RUNNING)
    news.greet(session, consumer=news.ROOT, client="c1")
    assert told(session) == ["RUNNING"]


def test_of_a_rule_that_fires_often_the_last_time_is_told_and_a_quiet_one_never(session: Session) -> None:
    uid = register(session)
    told(session)
    with session.transaction() as transaction:
        for rule, text, quiet in (("a", "1", False), ("b", "2", False), ("a", "3", False), ("c", "4", True)):
            extra: dict[str, JsonValue] = {"rule": rule, news.QUIET: quiet}
            transaction.note(f"{rule}: {text}", kind=EventKind.RULE_FIRED, uid=uid, extra=extra)
    taken = news.take(session, consumer=news.ROOT, client="c1")
    assert [event.text for event in taken] == ["b: 2", "a: 3"]
