"""The journal: whole lines only, torn ones mended, numbers without gaps."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden_registry.disk import Steps
from jobwarden_registry.errors import LockTimeoutError
from jobwarden_registry.events import EventKind
from jobwarden_registry.journal import read_line
from jobwarden_registry.rawjson import Raw
from unit.registry.registry_rig import FaultySteps, Killed, Rig, finish, make_rig, reconcile, register, slurm, update


def _fill(rig: Rig, count: int) -> str:
    session = rig.process()
    (job,) = register(session, slurm())
    for number in range(count - 1):
        update(session, job.uid, reason=f"reason {number} — ünïcode")
    return job.uid


def test_events_are_numbered_from_one_without_gaps(rig: Rig) -> None:
    _fill(rig, 5)
    assert [event.seq for event in rig.events()] == [1, 2, 3, 4, 5]


def test_a_known_kind_is_its_own_and_an_unknown_kind_is_kept(rig: Rig) -> None:
    _fill(rig, 1)
    with rig.journal.open("a") as journal:
        journal.write(
            '{"v":9,"seq":2,"timestamp":"2027-01-01T00:00:00Z","event":"dreamt","session":"s1","dream":[1]}\n'
        )
    known, unknown = rig.events()
    assert isinstance(known.event, EventKind)
    assert known.event.news
    assert (unknown.event, unknown.v, (unknown.model_extra or {})["dream"]) == ("dreamt", 9, [1])
    update(rig.process(), known.uid, reason="goes on")
    assert [event.seq for event in rig.events()] == [1, 2, 3]


def test_a_newer_versions_change_counts_even_when_its_event_cannot_be_read_whole(rig: Rig) -> None:
    uid = _fill(rig, 1)
    line = {
        "v": 9,
        "seq": 2,
        "timestamp": "2027-01-01T00:00:00Z",
        "event": "rescheduled",
        "session": "s1",
        "uid": uid,
        "evidence": "not an object any more",
        "change": {"last_status": "RUNNING"},
    }
    with rig.journal.open("a") as journal:
        journal.write(json.dumps(line) + "\n")
    assert [(event.seq, event.evidence) for event in rig.events()] == [(1, None), (2, None)]
    assert rig.process().load()[0].last_status == "RUNNING"
    reconcile(rig.process())
    assert rig.read()[0]["last_status"] == "RUNNING"


@pytest.mark.parametrize(
    "line", ["", "{", "5", "null", '{"seq":1}', '{"seq":true,"event":"x"}', '{"event":"x"}', "\0\0"]
)
def test_an_unreadable_line_is_passed_over_and_left(rig: Rig, line: str) -> None:
    uid = _fill(rig, 1)
    with rig.journal.open("a") as journal:
        journal.write(line + "\n")
    update(rig.process(), uid, reason="x")
    assert [event.seq for event in rig.events()] == [1, 2]
    assert rig.process().journal.tail(9) == rig.events()
    assert line in rig.journal.read_text()


def test_an_event_without_its_time_is_passed_over(rig: Rig) -> None:
    _fill(rig, 1)
    with rig.journal.open("a") as journal:
        journal.write('{"seq":2,"event":"note"}\n')
    assert [event.seq for event in rig.events()] == [1]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_journal_cut_at_any_byte_is_read_to_the_last_whole_line_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    rig = make_rig(tmp_path_factory.mktemp("torn"))
    one = register(rig.process(), slurm("1"))[0]
    kept_back = {path: path.read_bytes() for path in (rig.folder / "projection.json", rig.file)}
    first = rig.journal.read_bytes()
    update(rig.process(), one.uid, last_status="RUNNING")
    whole = rig.journal.read_bytes()
    cut = data.draw(st.integers(len(first), len(whole) - 1), "bytes of the second line that are left")
    rig.journal.write_bytes(whole[:cut])
    for path, before in kept_back.items():  # the kill came in the middle of the append: nothing else was written
        path.write_bytes(before)

    assert [event.seq for event in rig.events()] == [1]
    assert [job.last_status for job in rig.process().load()] == [""]
    update(rig.process(), one.uid, last_status="COMPLETING")
    assert [(event.seq, event.new_status) for event in rig.events()] == [(1, ""), (2, "COMPLETING")]
    kept = [path.read_bytes() for path in rig.folder.glob("events.jsonl.torn-*")]
    assert kept == ([whole[len(first) : cut]] if cut > len(first) else [])


def test_a_torn_line_that_grows_while_we_look_belongs_to_a_living_writer(rig: Rig) -> None:
    """Only where the lock excludes nobody. Then nothing is cut off."""
    uid = _fill(rig, 1)
    with rig.journal.open("a") as journal:
        journal.write('{"v":1,"seq":2')

    class Growing(Steps):
        def before(self, what: str) -> None:
            if what.startswith("fsync .active_jobs"):
                with rig.journal.open("a") as journal:
                    journal.write(',"event":"note"')

    with pytest.raises(LockTimeoutError):
        update(rig.process(Growing()), uid, reason="x")
    assert rig.journal.read_text().endswith('{"v":1,"seq":2,"event":"note"')
    assert rig.kinds() == ["registered"]


def test_torn_bytes_are_kept_whole_however_often_a_writer_dies_over_them(rig: Rig) -> None:
    uid = _fill(rig, 1)
    with rig.journal.open("a") as journal:
        journal.write("torn")
    for at in itertools.count():
        try:
            update(rig.process(FaultySteps(die_at=at)), uid, reason="x")
            break
        except Killed:
            rig.kill()
    assert [event.seq for event in rig.events()] == list(range(1, len(rig.events()) + 1))
    assert len(rig.events()) >= 2
    assert {path.read_bytes() for path in rig.folder.glob("*.torn-*")} == {b"torn"}


@pytest.mark.parametrize(
    "line",
    [
        {"event": "updated", "uid": "nobody", "change": {"phase": "failed"}},
        {"event": "updated", "change": "no object", "gone": "no list"},
        {"event": "registered", "record": "no object"},
        {"event": "registered", "record": {"type": "slurm", "id": "another"}},
        {"event": "note", "uid": 5},
    ],
)
def test_a_strange_event_changes_nothing(rig: Rig, line: dict[str, object]) -> None:
    uid = _fill(rig, 1)
    before = rig.process().load()
    with rig.journal.open("a") as journal:
        journal.write(
            json.dumps({"uid": uid, "seq": 2, "timestamp": "2027-01-01T00:00:00Z", "session": "s1"} | line) + "\n"
        )
    assert [job.changed(seq=1) for job in rig.process().load()] == list(before)


def test_the_projection_knows_more_than_a_journal_that_was_cut(rig: Rig) -> None:
    one, two = register(rig.process(), slurm("1"), slurm("2"))
    lines = rig.journal.read_bytes().splitlines(keepends=True)
    rig.journal.write_bytes(lines[0])
    assert [job.uid for job in rig.process().load()] == [one.uid, two.uid]
    register(rig.process(), slurm("3"))
    assert [event.seq for event in rig.events()] == [1, 3]
    assert [job.id for job in rig.process().load()] == ["1", "2", "3"]


def test_without_its_journal_a_session_goes_on_from_the_projection(rig: Rig) -> None:
    register(rig.process(), slurm("1"), slurm("2"))
    rig.journal.unlink()
    assert [job.id for job in rig.process().load()] == ["1", "2"]
    register(rig.process(), slurm("3"))
    assert [event.seq for event in rig.events()] == [3]
    assert [job.id for job in rig.process().load()] == ["1", "2", "3"]


@pytest.mark.parametrize("broken", [None, b"", b"{", b"[]", b'{"seq":1}', b'{"seq":"1","offset":0,"records":{}}'])
def test_without_its_projection_a_session_is_told_again_from_the_journal(rig: Rig, broken: bytes | None) -> None:
    one, two, _ = register(rig.process(), slurm("1"), slurm("2"), slurm("3"))
    update(rig.process(), one.uid, last_status="RUNNING")
    finish(rig.process(), two.uid)
    before = rig.process().load()
    projection = rig.folder / "projection.json"
    projection.write_bytes(broken) if broken is not None else projection.unlink()
    assert rig.process().load() == before
    reconcile(rig.process())
    assert rig.process().load() == before
    assert rig.kinds() == ["registered", "registered", "registered", "status_change", "finished"]


def test_a_number_given_twice_is_tolerated_and_noted_once(rig: Rig) -> None:
    uid = _fill(rig, 2)
    text = rig.journal.read_text()
    with rig.journal.open("a") as journal:
        journal.write(text.splitlines()[1].replace("reason 0", "the other one") + "\n")
    assert [event.seq for event in rig.events()] == [1, 2, 2]
    for _ in range(2):
        reconcile(rig.process())
    assert [event.seq for event in rig.events()] == [1, 2, 2, 3]
    assert "two machines" in (rig.events()[-1].text or "").lower()
    update(rig.process(), uid, reason="x")
    assert [event.seq for event in rig.events()] == [1, 2, 2, 3, 4]
    assert (rig.process().load()[0].reason or "") == "x"


def test_a_registration_told_again_after_the_end_brings_nothing_back(rig: Rig) -> None:
    """As when two writers stood still and one wrote its line late."""
    uid = _fill(rig, 1)
    line = rig.journal.read_text()
    finish(rig.process(), uid)
    (rig.folder / "projection.json").unlink()
    with rig.journal.open("a") as journal:
        journal.write(line)
    assert rig.process().load() == ()
    reconcile(rig.process())
    assert rig.process().load() == ()
    assert rig.read() == []


def test_reading_goes_on_where_it_stopped(rig: Rig) -> None:
    _fill(rig, 200)
    journal = rig.process().journal
    assert [event.seq for event in journal.read(150)] == list(range(151, 201))
    assert [event.seq for event in journal.read(10, limit=3)] == [11, 12, 13]
    assert [event.seq for event in journal.read(200)] == []
    assert [event.seq for event in journal.read(limit=0)] == []
    assert journal.last_seq() == 200
    register(rig.process(), slurm("2"))
    assert [event.seq for event in journal.read(200)] == [201]
    assert [event.seq for event in journal.read(128)] == list(range(129, 202))
    assert journal.last_seq() == 201
    assert [event.seq for event in journal.read()] == list(range(1, 202))


def test_reading_again_costs_what_is_new(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = _fill(rig, 300)
    journal = rig.process().journal
    journal.read()
    update(rig.process(), uid, reason="news")
    lines: list[bytes] = []

    def counting(text: bytes) -> Raw | None:
        lines.append(text)
        return read_line(text)

    monkeypatch.setattr("jobwarden_registry.journal.read_line", counting)
    assert [event.seq for event in journal.read(300)] == [301]
    assert len(lines) == 1


@given(st.lists(st.tuples(st.integers(-1, 400), st.none() | st.integers(0, 50)), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_reading_in_any_order_gives_what_reading_at_once_gives(
    tmp_path_factory: pytest.TempPathFactory, questions: list[tuple[int, int | None]]
) -> None:
    rig = make_rig(tmp_path_factory.mktemp("order"))
    uid = register(rig.process(), slurm())[0].uid
    session = rig.process()
    with session.transaction() as change:
        for number in range(150):
            change.change(uid, change.jobs[uid].changed(reason=str(number)), EventKind.UPDATED)
    journal = rig.process().journal
    for number, (after, limit) in enumerate(questions):
        update(session, uid, reason=f"more {number}")
        everything = [event for event in rig.events() if event.seq > after]
        assert list(journal.read(after, limit=limit)) == everything[:limit]
        assert journal.last_seq() == 152 + number


def test_a_journal_that_was_replaced_is_read_from_its_beginning(rig: Rig) -> None:
    _fill(rig, 100)
    journal = rig.process().journal
    journal.read()
    kept = rig.journal.read_text().splitlines(keepends=True)
    rig.journal.write_text("".join(kept[:2]))
    assert journal.read(100) == ()
    assert journal.last_seq() == 2
    assert [event.seq for event in journal.read()] == [1, 2]
    assert [event.seq for event in journal.read(1)] == [2]
    shutil.rmtree(rig.folder)
    assert journal.read() == ()
    assert journal.last_seq() == 0


def test_the_tail_is_the_end_of_the_journal(rig: Rig) -> None:
    uid = _fill(rig, 3)
    session = rig.process()
    with session.transaction() as change:
        for _ in range(30):
            change.note("x" * 5000, uid=uid)
    everything = rig.events()
    for limit in (1, 2, 20, 33, 1000):
        assert session.journal.tail(limit) == everything[-limit:]
    assert session.journal.tail(0) == ()
    shutil.rmtree(rig.folder)
    assert session.journal.tail(5) == ()
    assert make_rig(rig.root / "empty").process().journal.tail(5) == ()
