"""Registering, changing and ending jobs; what stands on disk then; what people do to the file by hand."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden_registry.disk import Steps
from jobwarden_registry.errors import JobNotFoundError, NewerRecordError, UntrustedError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Evidence, JobRecord, LogPaths, Owner
from jobwarden_registry.phases import Phase
from jobwarden_registry.records import CONTRACT
from jobwarden_registry.transaction import Transaction
from unit.registry.registry_rig import (
    START,
    FaultySteps,
    Killed,
    Rig,
    finish,
    make_rig,
    reconcile,
    register,
    slurm,
    tree,
    update,
)

HAND = {"type": "slurm", "id": "77", "host": "cluster-b"}


# -- the main path


def test_a_registered_job_is_watched_and_stands_in_the_file_with_the_contract_keys_first(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("12345", user="alice", description="PTQ", name="ptq"))
    assert len(job.uid) == 12
    assert job.registered_at is not None
    assert rig.process().load() == (job,)
    (entry,) = rig.read()
    assert tuple(entry)[:8] == CONTRACT
    assert (entry["id"], entry["user"], entry["description"], entry["name"]) == ("12345", "alice", "PTQ", "ptq")
    assert rig.kinds() == ["registered"]


def test_folders_are_private_and_hidden_from_git(rig: Rig) -> None:
    register(rig.process(), slurm())
    for folder in (rig.file.parent, rig.file.parent.parent, rig.file.parents[2], rig.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in (rig.file, rig.journal, rig.folder / "projection.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (rig.file.parent / ".gitignore").read_text() == "*\n"


def test_a_folder_that_is_there_already_keeps_its_mode(rig: Rig) -> None:
    (rig.project / ".claude").mkdir(mode=0o755)
    register(rig.process(), slurm())
    assert stat.S_IMODE((rig.project / ".claude").stat().st_mode) == 0o755


def test_nothing_but_whole_files_is_left_behind(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm())
    finish(rig.process(), job.uid)
    assert {path.name for path in rig.folder.iterdir()} == {"session.json", "events.jsonl", "projection.json"}
    assert {path.name for path in rig.file.parent.iterdir()} == {"active_jobs.json", ".gitignore"}


def test_registering_twice_gives_the_same_job(rig: Rig) -> None:
    session = rig.process()
    with session.transaction() as change:
        first, created = change.register(slurm("1", description="the first words"))
        assert created
        again, created = change.register(slurm("1", description="other words"))
        assert not created
        assert again == first
    with rig.process().transaction() as change:
        assert change.register(slurm("1"))[1] is False
        assert change.register(slurm("1").changed(host="elsewhere"))[1] is True
    assert rig.kinds() == ["registered", "registered"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("alice@h:22", "alice@h:22", True),
        ("alice@h:22", "bob@h:22", False),
        (None, "alice@h:22", True),
        ("alice@h:22", None, True),
    ],
)
def test_the_resolved_host_decides_where_both_know_it(rig: Rig, one: str | None, other: str | None, same: bool) -> None:
    with rig.process().transaction() as change:
        change.register(slurm("1", site=one))
        assert change.register(slurm("1", site=other))[1] is not same


def test_the_key_of_a_job_is_its_type_site_and_id() -> None:
    assert slurm("1").key == ("slurm", "cluster-a", "1")
    assert slurm("1", site="alice@a:22").key == ("slurm", "alice@a:22", "1")


def test_an_id_that_is_used_again_after_the_end_is_another_job(rig: Rig) -> None:
    (first,) = register(rig.process(), slurm("1"))
    finish(rig.process(), first.uid)
    (second,) = register(rig.process(), slurm("1"))
    assert second.uid != first.uid
    assert rig.kinds() == ["registered", "finished", "registered"]


def test_a_change_is_journaled_with_what_decided_it(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm())
    evidence = Evidence(asked_at=START, question=("squeue",), lines=("1|RUNNING",), rule="squeue knows it")
    with rig.process().transaction() as change:
        running = change.jobs[job.uid].changed(phase=Phase.RUNNING, last_status="RUNNING")
        given_back = change.change(
            job.uid, running, EventKind.STATUS_CHANGE, evidence=evidence, text="runs", extra={"tick": 3, "seq": 99}
        )
        assert change.jobs[job.uid] == given_back
    event = rig.events()[-1]
    assert (event.seq, event.event, event.old_status, event.new_status) == (2, EventKind.STATUS_CHANGE, "", "RUNNING")
    assert (event.evidence, event.text, event.phase) == (evidence, "runs", "running")
    assert event.change == {"last_status": "RUNNING", "phase": "running"}
    assert (event.model_extra or {})["tick"] == 3
    assert rig.process().load() == (given_back,)
    assert given_back.seq == 2


def test_bookkeeping_that_changes_nothing_is_not_written(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm())
    before = tree(rig.root)
    with rig.process().transaction() as change:
        assert change.change(job.uid, change.jobs[job.uid], EventKind.UPDATED).uid == job.uid
    reconcile(rig.process())
    assert tree(rig.root) == before


def test_a_field_that_became_empty_leaves_the_file(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm(reason="Priority", log=LogPaths(stdout="/x")))
    update(rig.process(), job.uid, reason=None)
    (entry,) = rig.read()
    assert "reason" not in entry
    assert entry["log"] == {"stdout": "/x"}
    assert rig.process().load()[0].reason is None


def test_a_finished_job_leaves_the_file_and_stays_whole_in_the_journal(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm(user="alice"))
    ended = finish(rig.process(), job.uid)
    assert rig.read() == []
    assert rig.process().load() == ()
    record = rig.events()[-1].record
    assert record is not None
    assert JobRecord.model_validate(record) == ended


def test_an_end_needs_a_closed_phase(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm())
    with rig.process().transaction() as change, pytest.raises(ValueError, match="not an end"):
        change.finish(job.uid, change.jobs[job.uid].changed(phase=Phase.UNKNOWN))
    assert rig.kinds() == ["registered"]


def test_a_removed_job_is_journaled_and_no_longer_watched(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm())
    with rig.process().transaction() as change:
        change.remove(job.uid, text="asked for")
    assert rig.process().load() == ()
    assert (rig.events()[-1].event, rig.events()[-1].text) == (EventKind.REMOVED, "asked for")


def test_a_job_that_nobody_watches_cannot_be_changed(rig: Rig) -> None:
    with rig.process().transaction() as change:
        with pytest.raises(JobNotFoundError):
            change.change("nobody", slurm(), EventKind.UPDATED)
        with pytest.raises(JobNotFoundError):
            change.finish("nobody", slurm(phase=Phase.FAILED))
        with pytest.raises(JobNotFoundError):
            change.remove("nobody", text="")


def test_an_exception_undoes_everything(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    rig.write([*rig.read(), HAND])
    before = tree(rig.root)

    def fail() -> None:
        with rig.process().transaction() as change:
            change.register(slurm("2"))
            change.finish(job.uid, change.jobs[job.uid].changed(phase=Phase.FAILED))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert tree(rig.root) == before
    assert [one.id for one in rig.process().load()] == ["1"]


def test_a_note_is_journaled_and_changes_no_record(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm())
    with rig.process().transaction() as change:
        change.note("a claimed session id")
        change.note("asked to end", kind=EventKind.CANCEL_REQUESTED, uid=job.uid)
    note, request = rig.events()[1:]
    assert (note.uid, note.text) == ("", "a claimed session id")
    assert (request.event, request.uid, request.job_id) == (EventKind.CANCEL_REQUESTED, job.uid, "1")
    (now,) = rig.process().load()
    assert now == job.changed(seq=3)


def test_a_transaction_in_a_transaction_is_a_mistake(rig: Rig) -> None:
    session = rig.process()
    with session.transaction(), pytest.raises(RuntimeError), session.transaction():
        pass


def test_the_stamp_changes_with_the_file_and_with_the_journal_and_not_otherwise(rig: Rig) -> None:
    session = rig.process()
    stamps = [session.stamp()]
    (job,) = register(rig.process(), slurm())
    stamps.append(session.stamp())
    assert session.stamp() == stamps[-1]
    rig.write([*rig.read(), HAND])
    stamps.append(session.stamp())
    update(rig.process(), job.uid, reason="x")
    stamps.append(session.stamp())
    rig.file.unlink()
    stamps.append(session.stamp())
    assert len(set(stamps)) == len(stamps)


def test_a_session_that_was_never_written_watches_nothing(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, "s1")
    shutil.rmtree(rig.folder)
    assert rig.process().load() == ()
    assert rig.process().journal.read() == ()
    assert not rig.folder.exists()


# -- entries written by hand


@pytest.mark.parametrize(
    "entry",
    [
        HAND,
        {"type": "slurm", "id": "77"},
        {
            "type": "slurm",
            "id": "77",
            "host": "cluster-b",
            "user": "alice",
            "submitted": "2026-11-20 10:09",
            "description": "by hand",
            "last_status": "RUNNING",
            "owner": {"agent": "manual", "session_id": "s1"},
        },
        {"type": "slurm", "id": 77, "host": "cluster-b"},
    ],
)
def test_a_hand_written_entry_is_adopted_once(rig: Rig, entry: dict[str, Any]) -> None:
    rig.write([entry])
    assert rig.process().load() == ()
    reconcile(rig.process())
    (job,) = rig.process().load()
    assert (job.type, job.id, job.host) == ("slurm", "77", entry.get("host", "localhost"))
    assert job.owner.session_id == "s1"
    assert job.description == entry.get("description", "")
    assert job.last_status == entry.get("last_status", "")
    assert job.phase is Phase.UNKNOWN
    reconcile(rig.process())
    assert rig.kinds() == ["registered"]
    (written,) = rig.read()
    assert tuple(written)[:8] == CONTRACT


def test_an_adopted_job_is_the_one_that_is_registered_later(rig: Rig) -> None:
    rig.write([HAND])
    with rig.process().transaction() as change:
        job, created = change.register(JobRecord(type="slurm", id="77", host="cluster-b", site="alice@b:22"))
    assert not created
    assert job.id == "77"


def test_a_hand_written_entry_brings_no_facts_no_rules_and_no_state(rig: Rig) -> None:
    rig.write(
        [
            HAND
            | {
                "facts": {"pid": 1},
                "pid": 1,
                "rules": ["on ERROR cancel"],
                "restart_policy": "always",
                "uid": "aaaaaaaaaaaa",
                "phase": "succeeded",
                "site": "local:0",
                "log": {"stdout": "/home/alice/.ssh/id_ed25519"},
                "work_dir": "/home/alice/.ssh",
                "expect": [{"path": "/etc/passwd"}],
                "attempts": [{"id": "1"}],
                "orphan": True,
                "name": "kept",
                "tags": ["kept"],
                "x-other-tool": {"kept": [1, None]},
            }
        ]
    )
    reconcile(rig.process())
    (job,) = rig.process().load()
    assert (job.facts, job.phase, job.site, job.log, job.work_dir) == ({}, Phase.UNKNOWN, None, None, None)
    assert (job.expect, job.attempts, job.orphan) == ((), (), False)
    assert job.uid != "aaaaaaaaaaaa"
    assert (job.name, job.tags) == ("kept", ("kept",))
    assert job.model_extra == {"x-other-tool": {"kept": [1, None]}}
    (written,) = rig.read()
    assert not {"facts", "pid", "rules", "restart_policy", "log", "expect"} & written.keys()


def test_trusted_fields_of_a_watched_entry_cannot_be_changed_by_hand(rig: Rig) -> None:
    (job,) = register(
        rig.process(), slurm(facts={"pid": 4}, log=LogPaths(stdout="/a"), site="local:1", owner=Owner(agent="codex"))
    )
    (entry,) = rig.read()
    forged = entry | {
        "facts": {"pid": 1},
        "log": {"stdout": "/etc/shadow"},
        "site": "local:2",
        "phase": "succeeded",
        "owner": {"agent": "manual"},
        "rules": ["cancel"],
        "pid": 1,
    }
    rig.write([forged])
    assert rig.process().load() == (job,)
    reconcile(rig.process())
    assert rig.process().load() == (job,)
    assert rig.read() == [entry]
    assert rig.kinds() == ["registered"]


def test_what_a_person_says_about_a_watched_job_is_taken_over_and_survives_the_file(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm(description="old"))
    (entry,) = rig.read()
    rig.write([entry | {"description": "new", "tags": ["a"], "x": 1}])
    assert rig.process().load()[0].description == "new"
    reconcile(rig.process())
    rig.file.unlink()
    (now,) = rig.process().load()
    assert (now.description, now.tags, now.model_extra) == ("new", ("a",), {"x": 1})
    assert now.uid == job.uid
    assert rig.kinds() == ["registered", "updated"]


def test_an_unknown_key_removed_by_hand_stays_removed(rig: Rig) -> None:
    rig.write([HAND | {"x": 1, "y": 2}])
    reconcile(rig.process())
    (entry,) = rig.read()
    del entry["x"]
    rig.write([entry])
    reconcile(rig.process())
    rig.file.unlink()
    assert rig.process().load()[0].model_extra == {"y": 2}
    (rig.folder / "projection.json").unlink()
    assert rig.process().load()[0].model_extra == {"y": 2}


def test_a_change_by_hand_does_not_undo_a_later_change_of_ours(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm(description="old"))
    update(rig.process(), job.uid, last_status="RUNNING")
    (entry,) = rig.read()
    rig.write([entry | {"description": "new"}])
    update(rig.process(), job.uid, last_status="COMPLETING")
    (now,) = rig.process().load()
    assert (now.description, now.last_status) == ("new", "COMPLETING")


def test_an_entry_taken_out_by_hand_is_no_longer_watched_and_that_is_journaled_once(rig: Rig) -> None:
    one, two = register(rig.process(), slurm("1"), slurm("2"))
    rig.write([entry for entry in rig.read() if entry["id"] != "1"])
    assert [job.id for job in rig.process().load()] == ["2"]
    assert rig.kinds() == ["registered", "registered"]
    reconcile(rig.process(), own=False)
    reconcile(rig.process())
    assert rig.kinds() == ["registered", "registered", "removed"]
    assert rig.events()[-1].uid == one.uid
    assert rig.process().load() == (two,)


def test_an_entry_whose_id_was_changed_by_hand_is_another_job(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1", facts={"pid": 9}))
    (entry,) = rig.read()
    rig.write([entry | {"id": "2"}])
    reconcile(rig.process())
    (now,) = rig.process().load()
    assert (now.id, now.facts) == ("2", {})
    assert now.uid != job.uid
    assert sorted(rig.kinds()) == ["registered", "registered", "removed"]


def test_a_copied_entry_with_another_id_is_one_more_job(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    (entry,) = rig.read()
    rig.write([entry | {"id": "2"}, entry, entry])
    reconcile(rig.process())
    assert sorted(one.id for one in rig.process().load()) == ["1", "2"]
    assert [one["id"] for one in rig.read()] == ["2", "1"]
    assert {one.uid for one in rig.process().load()} > {job.uid}


def test_in_somebody_elses_session_an_unknown_entry_stays_untouched_and_unwatched(rig: Rig) -> None:
    register(rig.process(), slurm("1"))
    entries = [HAND | {"facts": {"pid": 1}}, 5, *rig.read()]
    rig.write(entries)
    reconcile(rig.process(), own=False)
    with rig.process().transaction(own=False) as change:
        change.register(slurm("2"))
    assert [job.id for job in rig.process().load()] == ["1", "2"]
    assert rig.read()[:3] == entries
    reconcile(rig.process())
    assert [job.id for job in rig.process().load()] == ["1", "2", "77"]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "slurm"},
        {"id": "1"},
        {"type": "slurm", "id": ""},
        {"type": "slurm", "id": "-rf"},
        {"type": "slurm", "id": "1;reboot"},
        {"type": "slurm", "id": "1\n"},
        {"type": "slurm", "id": True},
        {"type": "slurm", "id": ["1"]},
        {"type": "Slurm!", "id": "1"},
        {"type": "process", "id": "1234"},
        {"type": "slurm", "id": "1", "host": "-oProxyCommand=reboot"},
        {"type": "slurm", "id": "1", "host": "a b"},
        {"type": "slurm", "id": "1", "host": "a\x1b[2J"},
        {"type": "slurm", "id": "1", "host": 5},
        {"type": "slurm", "id": "1", "user": "-l"},
        {"type": "slurm", "id": "1", "user": 7},
        "a string",
        None,
        [1],
    ],
)
def test_an_entry_that_cannot_be_one_stays_in_the_file_unwatched_and_is_said_once(rig: Rig, entry: Any) -> None:
    register(rig.process(), slurm("5"))
    rig.write([entry, *rig.read()])
    before = rig.read()
    for _ in range(2):
        reconcile(rig.process())
        reconcile(rig.process(), own=False)
    register(rig.process(), slurm("6"))
    assert rig.read()[:2] == before
    assert [job.id for job in rig.process().load()] == ["5", "6"]
    assert rig.kinds() == ["registered", "note", "registered"]


def test_an_old_copy_of_the_file_brings_no_ended_job_back(rig: Rig) -> None:
    one, _ = register(rig.process(), slurm("1"), slurm("2"))
    old = rig.read()
    finish(rig.process(), one.uid)
    register(rig.process(), slurm("3"))
    rig.write(old)
    for _ in range(2):
        reconcile(rig.process())
    assert "1" not in [job.id for job in rig.process().load()]
    assert rig.kinds().count("finished") == 1
    assert [entry["id"] for entry in rig.read() if entry["id"] == "1"] == []


def test_an_old_copy_of_the_file_takes_nothing_away(rig: Rig) -> None:
    one, _ = register(rig.process(), slurm("1"), slurm("2"))
    old = rig.read()
    update(rig.process(), one.uid, last_status="RUNNING")
    register(rig.process(), slurm("3"))
    rig.write(old)
    reconcile(rig.process())
    assert [(job.id, job.last_status) for job in rig.process().load()] == [("1", "RUNNING"), ("2", ""), ("3", "")]
    assert "removed" not in rig.kinds()


def test_a_job_that_a_person_took_out_and_put_back_is_watched_again_as_a_new_one(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    entries = rig.read()
    rig.write([])
    reconcile(rig.process())
    rig.write(entries)
    reconcile(rig.process())
    (now,) = rig.process().load()
    assert now.uid != job.uid
    assert rig.kinds() == ["registered", "removed", "registered"]


def test_the_order_and_the_form_of_a_file_that_needs_no_change_are_left_alone(rig: Rig) -> None:
    register(rig.process(), slurm("1"), slurm("2"))
    text = json.dumps(list(reversed(rig.read())))
    rig.file.write_text(text)
    reconcile(rig.process())
    assert rig.file.read_text() == text


# -- newer versions, unknown keys


def test_unknown_keys_survive_every_rewrite(rig: Rig) -> None:
    unknown = {"zebra": {"deep": [1, {"x": None}]}, "empty": None, "ünïcode": "\ud800", "key": "a property's name"}
    rig.write([HAND | unknown | {"owner": {"agent": "codex", "team": 5}}])
    reconcile(rig.process())
    (job,) = rig.process().load()
    for word in ("PENDING", "RUNNING"):
        update(rig.process(), job.uid, last_status=word)
        (entry,) = rig.read()
        assert {key: entry[key] for key in unknown} == unknown
        assert entry["owner"]["team"] == 5


def test_a_value_that_this_version_cannot_read_survives_until_we_change_it(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    lines = rig.journal.read_text().replace('"phase":"unknown"', '"phase":"hibernating","attempts":"two"')
    rig.journal.write_text(lines)
    (rig.folder / "projection.json").unlink()
    rig.file.unlink()
    (now,) = rig.process().load()
    assert (now.phase, now.attempts) == (Phase.UNKNOWN, ())
    update(rig.process(), job.uid, last_status="RUNNING")
    (entry,) = rig.read()
    assert (entry["phase"], entry["attempts"]) == ("hibernating", "two")
    update(rig.process(), job.uid, phase=Phase.RUNNING)
    assert rig.read()[0]["phase"] == "running"


def _make_newer(rig: Rig) -> dict[str, Any]:
    """Let the one record be a newer version's, in the journal and in the file."""
    entry: dict[str, Any] = rig.read()[0] | {"v": 2, "phase": {"kind": "quantum"}, "future": True}
    line = json.loads(rig.journal.read_text())
    line["record"] = entry
    rig.journal.write_text(json.dumps(line) + "\n")
    (rig.folder / "projection.json").unlink()
    rig.write([entry])
    return entry


def test_a_newer_record_is_shown_and_never_rewritten(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    entry = _make_newer(rig)
    with rig.process().transaction() as change:
        newer = change.jobs[job.uid]
        assert (newer.v, newer.phase) == (2, Phase.UNKNOWN)
        with pytest.raises(NewerRecordError):
            change.change(job.uid, newer.changed(last_status="x"), EventKind.STATUS_CHANGE)
        with pytest.raises(NewerRecordError):
            change.finish(job.uid, newer.changed(phase=Phase.FAILED))
        with pytest.raises(NewerRecordError):
            change.remove(job.uid, text="")
        change.register(slurm("2"))
    assert rig.read()[0] == entry
    rig.file.unlink()
    reconcile(rig.process())
    assert rig.read()[0] == entry


def test_a_newer_entry_that_the_journal_does_not_know_is_left_alone(rig: Rig) -> None:
    entry = HAND | {"v": 2, "shape": "new"}
    rig.write([entry])
    register(rig.process(), slurm("1"))
    assert rig.read()[0] == entry
    assert [job.id for job in rig.process().load()] == ["1"]


# -- the file is gone or broken


def test_when_the_file_is_gone_what_is_alive_is_rebuilt_and_said_to_be_an_orphan_once(rig: Rig) -> None:
    one, two = register(rig.process(), slurm("1"), slurm("2"))
    finish(rig.process(), two.uid)
    shutil.rmtree(rig.project / ".claude")
    (seen,) = rig.process().load()
    assert (seen.uid, seen.orphan) == (one.uid, True)
    for own in (False, True, True):
        reconcile(rig.process(), own=own)
    (now,) = rig.process().load()
    assert (now.uid, now.orphan) == (one.uid, True)
    assert [entry["id"] for entry in rig.read()] == ["1"]
    assert rig.kinds()[3:] == ["note", "updated"]


def test_a_removed_project_is_not_made_again_and_its_jobs_are_still_watched(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    old = rig.file.read_bytes()
    shutil.rmtree(rig.project)
    for _ in range(2):
        update(rig.process(), job.uid, last_status="RUNNING")
        assert not rig.project.exists()
    (more,) = register(rig.process(), slurm("2"))
    assert [one.id for one in rig.process().load()] == ["1", "2"]
    assert rig.kinds() == ["registered", "note", "updated", "status_change", "status_change", "registered"]
    # A mount that was away comes back, with the file as it was then.
    rig.file.parent.mkdir(parents=True, mode=0o700)
    rig.file.write_bytes(old)
    reconcile(rig.process())
    assert [one.id for one in rig.process().load()] == ["1", "2"]
    finish(rig.process(), more.uid)
    assert [entry["id"] for entry in rig.read()] == ["1"]


def test_a_new_file_in_a_new_folder_takes_nothing_away(rig: Rig) -> None:
    register(rig.process(), slurm("1"))
    keep = rig.file.parent.with_name("keeps-the-inode")
    rig.file.parent.rename(keep)
    rig.write([HAND])
    reconcile(rig.process())
    assert sorted(job.id for job in rig.process().load()) == ["1", "77"]
    assert rig.kinds() == ["registered", "registered", "note", "updated"]


def test_nothing_is_said_about_a_file_that_is_gone_when_nothing_was_watched(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    finish(rig.process(), job.uid)
    rig.file.unlink()
    reconcile(rig.process())
    assert rig.kinds() == ["registered", "finished"]
    assert not rig.file.exists()


@pytest.mark.parametrize(
    "broken", [b"", b"{}", b"nonsense", b"[" * 100_000, b'[{"id": NaN}]', b'[{"id": 1e999}]', b"\xff"]
)
def test_a_broken_file_is_set_aside_and_everyone_is_told_once(rig: Rig, broken: bytes) -> None:
    (job,) = register(rig.process(), slurm("1"))
    rig.file.write_bytes(broken)
    assert rig.process().load() == (job,)
    assert rig.file.read_bytes() == broken
    for _ in range(2):
        reconcile(rig.process())
    (aside,) = rig.file.parent.glob("active_jobs.json.corrupt-*")
    assert aside.read_bytes() == broken
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert rig.kinds() == ["registered", "note"]
    assert [entry["id"] for entry in rig.read()] == ["1"]


def test_entries_are_salvaged_one_by_one_from_a_broken_file(rig: Rig) -> None:
    register(rig.process(), slurm("1"), slurm("2"))
    whole = rig.file.read_text()
    by_hand = '{"type": "slurm", "id": "78", "host": "h"}'
    bad = '{"type": "slurm", "id": "79", "nested": {"type": "slurm", "id": "80"}, "host": '
    text = whole.replace("[", f"[ {by_hand}, \0\0 {json.dumps(HAND)}, {bad}", 1)
    rig.file.write_text(text)
    reconcile(rig.process())
    assert sorted(job.id for job in rig.process().load()) == ["1", "2", "77", "78"]


@given(cut=st.integers(0, 600))
@settings(max_examples=40, deadline=None)
def test_a_truncated_file_loses_no_job(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    rig = make_rig(tmp_path_factory.mktemp("cut"))
    register(rig.process(), slurm("1"), slurm("2"))
    rig.file.write_bytes(rig.file.read_bytes()[:cut])
    assert [job.id for job in rig.process().load()] == ["1", "2"]
    reconcile(rig.process())
    assert [job.id for job in rig.process().load()] == ["1", "2"]
    assert [entry["id"] for entry in rig.read()] == ["1", "2"]


_ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "host": st.text(),
    "owner": st.none() | st.text() | st.dictionaries(st.text(), st.none() | st.integers()),
    "tags": st.lists(st.text()) | st.integers(),
    "v": st.integers() | st.text(),
    "uid": st.text(),
    "seq": st.integers() | st.text(),
    "facts": st.dictionaries(st.text(), st.integers()),
    "submitted_at": st.datetimes().map(str) | st.integers(),
    "model_config": st.text(),
    "description": st.text() | st.just("\ud800"),
}
_NEEDED: dict[str, st.SearchStrategy[Any]] = {
    "type": st.just("slurm") | st.text(),
    "id": st.just("9") | st.text() | st.integers(),
}
_ENTRIES: st.SearchStrategy[Any] = st.lists(st.fixed_dictionaries(_NEEDED, optional=_OPTIONAL))


@given(_ANYTHING | _ENTRIES)
@settings(max_examples=60, deadline=None)
def test_whatever_json_a_person_writes_nothing_breaks(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    rig = make_rig(tmp_path_factory.mktemp("any"))
    (job,) = register(rig.process(), slurm("1"))
    rig.file.write_text(json.dumps(rig.read() + value if isinstance(value, list) else value))
    rig.process().load()
    reconcile(rig.process())
    assert job.uid in {one.uid for one in rig.process().load()}
    for one in rig.process().load():
        update(rig.process(), one.uid, last_status="X") if one.v <= 1 else None
    before = tree(rig.root)
    reconcile(rig.process())
    assert tree(rig.root) == before


@given(st.binary(max_size=200))
@settings(max_examples=40, deadline=None)
def test_whatever_bytes_stand_in_the_file_nothing_breaks(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    rig = make_rig(tmp_path_factory.mktemp("bytes"))
    register(rig.process(), slurm("1"))
    rig.file.write_bytes(data)
    assert [job.id for job in rig.process().load()] == ["1"]
    reconcile(rig.process())
    assert [entry["id"] for entry in rig.read() if isinstance(entry, dict)] == ["1"]


def test_a_file_that_is_just_being_written_is_looked_at_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    register(rig.process(), slurm("1"))
    whole = rig.file.read_bytes()
    rig.file.write_bytes(whole[:40])

    def finish_writing(_: float) -> None:
        rig.file.write_bytes(whole)

    monkeypatch.setattr(rig, "_pause", finish_writing)
    reconcile(rig.process())
    assert rig.process().load()[0].id == "1"
    assert rig.kinds() == ["registered"]


def test_a_change_by_hand_in_the_middle_of_a_transaction_is_not_overwritten(rig: Rig) -> None:
    register(rig.process(), slurm("1"))
    with rig.process().transaction() as change:
        change.register(slurm("2"))
        rig.write([*rig.read(), HAND])
    assert sorted(job.id for job in rig.process().load()) == ["1", "2", "77"]
    assert sorted(entry["id"] for entry in rig.read()) == ["1", "2", "77"]
    assert rig.kinds() == ["registered", "registered", "registered"]


def test_a_file_that_is_written_again_and_again_meanwhile_is_left_to_the_next_writer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody edits it between every look of ours and our write."""
    register(rig.process(), slurm("1"))
    number = iter(range(100, 200))

    class Editing(Steps):
        def before(self, what: str) -> None:
            if what.startswith("fsync .active_jobs"):
                rig.write([*rig.read(), HAND | {"id": str(next(number))}])

    with rig.process(Editing()).transaction() as change:
        change.register(slurm("2"))
    assert (rig.kinds()[:2], [one.id for one in rig.process().load()][:2]) == (["registered"] * 2, ["1", "2"])
    reconcile(rig.process())
    assert sorted(one.id for one in rig.process().load()) == ["1", "100", "101", "102", "2"]
    assert sorted(entry["id"] for entry in rig.read()) == ["1", "100", "101", "102", "2"]
    assert rig.kinds() == ["registered"] * 5


def test_a_project_that_goes_away_in_the_middle_is_not_made_again(rig: Rig) -> None:
    register(rig.process(), slurm("1"))
    with rig.process().transaction() as change:
        change.register(slurm("2"))
        shutil.rmtree(rig.project)
    assert not rig.project.exists()
    assert [job.id for job in rig.process().load()] == ["1", "2"]


def test_a_broken_file_is_kept_once_however_often_a_writer_dies_over_it(rig: Rig) -> None:
    register(rig.process(), slurm("1"))
    rig.file.write_bytes(b"broken")
    (rig.file.parent / "active_jobs.json.corrupt-20260101T000000.000000Z").write_bytes(b"older")
    steps = FaultySteps()
    at = 0
    while not steps.dead or "open events.jsonl" not in steps.log:
        steps = FaultySteps(die_at=at)
        at += 1
        with pytest.raises(Killed):
            reconcile(rig.process(steps))
        rig.kill()
    reconcile(rig.process())
    assert sorted(path.read_bytes() for path in rig.file.parent.glob("*.corrupt-*")) == [b"broken", b"older"]
    assert rig.kinds() == ["registered", "note"]


def test_an_old_copy_that_lacks_a_job_does_not_end_its_watch(rig: Rig) -> None:
    one, two = register(rig.process(), slurm("1"), slurm("2"))
    old = [entry for entry in rig.read() if entry["id"] == "1"]
    update(rig.process(), one.uid, last_status="RUNNING")
    rig.write(old)
    assert [job.id for job in rig.process().load()] == ["1", "2"]
    update(rig.process(), two.uid, last_status="RUNNING")
    assert [(entry["id"], entry["last_status"]) for entry in rig.read()] == [("1", "RUNNING"), ("2", "RUNNING")]


def test_an_entry_written_anew_without_its_uid_is_still_the_same_job(rig: Rig) -> None:
    rig.write([HAND | {"x": 1}])
    reconcile(rig.process())
    (job,) = rig.process().load()
    rig.write([HAND | {"description": "new"}])
    reconcile(rig.process())
    (now,) = rig.process().load()
    assert (now.uid, now.description, now.model_extra) == (job.uid, "new", {"x": 1})
    assert rig.kinds() == ["registered", "updated"]


# -- whom it trusts


def test_a_linked_folder_in_the_project_is_not_followed(rig: Rig) -> None:
    elsewhere = rig.root / "elsewhere"
    elsewhere.mkdir()
    (rig.project / ".claude").symlink_to(elsewhere)
    with pytest.raises(UntrustedError):
        register(rig.process(), slurm())
    with pytest.raises(UntrustedError):
        rig.process().load()
    assert list(elsewhere.iterdir()) == []
    assert rig.events() == ()


def test_a_linked_file_is_not_followed(rig: Rig) -> None:
    register(rig.process(), slurm())
    target = rig.root / "target"
    target.write_text("[]")
    rig.file.unlink()
    rig.file.symlink_to(target)
    with pytest.raises(UntrustedError):
        rig.process().load()
    with pytest.raises(UntrustedError):
        register(rig.process(), slurm("2"))
    assert target.read_text() == "[]"


def test_a_pipe_in_the_files_place_stops_nobody_for_ever(rig: Rig) -> None:
    register(rig.process(), slurm())
    rig.file.unlink()
    os.mkfifo(rig.file)
    with pytest.raises(UntrustedError):
        rig.process().load()


@pytest.mark.parametrize("which", ["file", "folder"])
def test_a_session_folder_that_others_may_write_is_not_obeyed(rig: Rig, which: str) -> None:
    register(rig.process(), slurm())
    (rig.file.parent if which == "file" else rig.folder).chmod(0o770)
    with pytest.raises(UntrustedError):
        rig.process().load()
    with pytest.raises(UntrustedError):
        reconcile(rig.process())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_registry_is_not_obeyed(rig: Rig) -> None:
    register(rig.process(), slurm())
    os.chown(rig.file, 12345, 12345)
    with pytest.raises(UntrustedError):
        rig.process().load()
    os.chown(rig.file, 0, 0)
    os.chown(rig.project / ".claude", 12345, 12345)
    with pytest.raises(UntrustedError):
        rig.process().load()


def test_a_registry_that_came_with_a_repository_only_counts_as_hand_written(rig: Rig) -> None:
    rig.write([{"type": "process", "id": "1", "uid": "a" * 12, "facts": {"pid": 1}}, HAND | {"facts": {"pid": 1}}])
    assert rig.process().load() == ()
    reconcile(rig.process(), own=False)
    assert rig.process().load() == ()
    reconcile(rig.process())
    assert [(job.id, job.facts) for job in rig.process().load()] == [("77", {})]


# -- crashes


def _die_before_the_file(rig: Rig, deed: Callable[[Transaction], None]) -> None:
    """Do something, and be killed when the journal has it and the file does not."""

    class Dying(FaultySteps):
        def before(self, what: str) -> None:
            super().before(what)
            if what.startswith("rename .active_jobs"):
                self.dead = True
                raise Killed

    with pytest.raises(Killed), rig.process(Dying()).transaction() as change:
        deed(change)
    rig.kill()


def test_a_hand_written_entry_that_was_taken_in_and_ended_before_a_kill_is_not_taken_in_again(rig: Rig) -> None:
    rig.write([HAND])

    def end(change: Transaction) -> None:
        (job,) = change.jobs.values()
        change.finish(job.uid, job.changed(phase=Phase.FAILED))

    _die_before_the_file(rig, end)
    assert rig.read() == [HAND]
    for _ in range(2):
        reconcile(rig.process())
    assert rig.kinds() == ["registered", "finished"]
    assert rig.read() == []


@pytest.mark.parametrize("broken", [True, False])
def test_a_file_that_is_gone_or_broken_is_told_once_over_a_kill(rig: Rig, broken: bool) -> None:
    register(rig.process(), slurm("1"))
    rig.file.write_bytes(b"broken") if broken else rig.file.unlink()
    _die_before_the_file(rig, lambda change: change.note("other news"))
    for _ in range(2):
        reconcile(rig.process())
    assert [event.text for event in rig.events() if event.event == "note" and event.text != "other news"] == [
        event.text for event in rig.events()[1:2]
    ]


def _register_one(change: Transaction) -> None:
    change.register(slurm("1"))


def test_an_entry_that_cannot_be_one_is_told_once_over_a_kill(rig: Rig) -> None:
    rig.write([{"type": "slurm"}])
    _die_before_the_file(rig, _register_one)
    for _ in range(2):
        reconcile(rig.process())
    assert rig.kinds() == ["note", "registered"]


@pytest.mark.parametrize("cut", [None, 0, 7, 100_000])
def test_a_kill_at_any_step_neither_loses_nor_doubles(tmp_path: Path, cut: int | None) -> None:
    """Adopts one, registers one, changes one and ends one in a single transaction, killed at each of its steps."""

    def begin(name: str) -> tuple[Rig, str, str]:
        rig = make_rig(tmp_path / name)
        one, two = register(rig.process(), slurm("1"), slurm("2"))
        rig.write([*rig.read(), HAND])
        return rig, one.uid, two.uid

    def go(rig: Rig, steps: FaultySteps, one: str, two: str) -> None:
        with rig.process(steps).transaction() as change:
            change.register(slurm("3"))
            change.change(one, change.jobs[one].changed(last_status="RUNNING"), EventKind.STATUS_CHANGE)
            change.finish(two, change.jobs[two].changed(phase=Phase.SUCCEEDED))

    rig, one, two = begin("count")
    steps = FaultySteps()
    go(rig, steps, one, two)
    wanted = ["registered", "registered", "registered", "registered", "status_change", "finished"]
    assert rig.kinds() == wanted
    total = len(steps.log)
    assert total > 10
    for at in range(total):
        rig, one, two = begin(f"kill-{at}")
        steps = FaultySteps(die_at=at, cut=cut)
        with pytest.raises(Killed):
            go(rig, steps, one, two)
        rig.kill()
        reconcile(rig.process())
        happened = rig.kinds()
        if happened != wanted:  # it never happened: only the hand-written entry was adopted since
            assert happened == wanted[:3], steps.log[-1]
            go(rig, FaultySteps(), one, two)
        assert sorted(rig.kinds()) == sorted(wanted)
        assert [event.seq for event in rig.events()] == [1, 2, 3, 4, 5, 6]
        assert sorted((job.id, job.last_status) for job in rig.process().load()) == [
            ("1", "RUNNING"),
            ("3", ""),
            ("77", ""),
        ]
        assert sorted(entry["id"] for entry in rig.read()) == ["1", "3", "77"]
        # What a contender left that was killed before it could say who it is goes after an hour.
        litter = [path for path in (*rig.folder.iterdir(), *rig.file.parent.iterdir()) if path.name.endswith(".tmp")]
        assert [path.name for path in litter if path.stat().st_size > 7] == []
