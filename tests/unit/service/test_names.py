"""From what a caller wrote to the jobs that are meant: `jobwarden.service.names`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobwarden.service.names import Known, find_job, find_jobs
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import AmbiguousJobError, JobNotFoundError
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.paths import user_places
from jobwarden_registry.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "run").mkdir(mode=0o700)
    places = user_places({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")})
    now = utc_now()
    return Session(
        places, SessionEntry(session_id="s", project=tmp_path, agent="codex", created_at=now, last_seen_at=now)
    )


def known(session: Session, uid: str, job_id: str, *, live: bool = True, **fields: object) -> Known:
    record = JobRecord.model_validate({"type": "slurm", "host": "a", "uid": uid, "id": job_id, "site": "a", **fields})
    return Known(record, session, live)


def test_a_job_is_found_by_id_by_type_and_id_by_host_and_id_and_by_name(session: Session) -> None:
    jobs = [known(session, "u1", "1", name="train"), known(session, "u2", "2")]
    for text in ("1", "slurm:1", "a:1", "train", "slurm:a:1"):
        assert find_job(jobs, text).record.uid == "u1"


def test_the_same_id_on_two_hosts_is_an_error_that_lists_both(session: Session) -> None:
    jobs = [known(session, "u1", "1"), known(session, "u2", "1", host="b", site="b")]
    with pytest.raises(AmbiguousJobError) as raised:
        find_job(jobs, "1")
    assert "on a" in str(raised.value)
    assert "on b" in str(raised.value)
    assert find_job(jobs, "b:1").record.uid == "u2"


def test_a_live_job_is_meant_before_an_ended_one_of_the_same_id(session: Session) -> None:
    jobs = [known(session, "old", "1", live=False), known(session, "new", "1")]
    assert find_job(jobs, "1").record.uid == "new"


def test_of_two_ended_jobs_of_one_id_the_later_is_meant(session: Session) -> None:
    jobs = [known(session, "old", "1", live=False), known(session, "new", "1", live=False)]
    assert find_job(jobs, "1").record.uid == "new"


def test_an_unknown_name_is_an_error_that_lists_what_is_watched(session: Session) -> None:
    with pytest.raises(JobNotFoundError) as raised:
        find_job([known(session, "u1", "1", name="train")], "2")
    assert "slurm:1 (train) on a" in raised.value.hint


def test_a_tag_stands_for_every_job_that_has_it(session: Session) -> None:
    jobs = [
        known(session, "u1", "1", tags=("sweep",)),
        known(session, "u2", "2", tags=("sweep",)),
        known(session, "u3", "3"),
    ]
    assert [one.record.uid for one in find_jobs(jobs, ["sweep", "1"])] == ["u1", "u2"]


def test_an_id_that_an_earlier_attempt_had_finds_the_job(session: Session) -> None:
    jobs = [known(session, "u1", "9", attempts=(Attempt(id="7"), Attempt(id="9")))]
    assert find_job(jobs, "7").record.uid == "u1"


def test_an_id_is_meant_before_a_tag_of_other_jobs(session: Session) -> None:
    """Or `cancel 2` would end the jobs that somebody tagged `2`."""
    jobs = [known(session, "u1", "1", tags=("2", "a:2", "slurm:2")), known(session, "u2", "2")]
    for text in ("2", "a:2", "slurm:2"):
        assert [one.record.uid for one in find_jobs(jobs, [text])] == ["u2"]


def test_what_names_a_live_job_and_tags_others_means_none_of_them(session: Session) -> None:
    """Or `cancel prep` would end the jobs that are tagged so, and leave the one that is called so."""
    called = known(session, "u1", "1", name="prep")
    tagged = known(session, "u2", "2", tags=("prep",))
    with pytest.raises(AmbiguousJobError, match="the name of one job and a tag of others"):
        find_jobs([called, tagged], ["prep"])
    over = known(session, "u2", "2", tags=("prep",), live=False)
    assert [one.record.uid for one in find_jobs([called, over], ["prep"])] == ["u1"]
    ended = known(session, "u1", "1", name="prep", live=False)
    assert [one.record.uid for one in find_jobs([ended, tagged], ["prep"])] == ["u2"]
    both = known(session, "u3", "3", name="prep", tags=("prep",))
    assert [one.record.uid for one in find_jobs([both, tagged], ["prep"])] == ["u3", "u2"]
