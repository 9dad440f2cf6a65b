"""What was seen already is not judged again: that changes no verdict, and costs nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobwarden.ledger.snapshot import Failure, Snapshot
from jobwarden.sources.base import Sighting
from jobwarden.verdict.apply import Applied, Quiet, apply_answer
from jobwarden.verdict.engine import judge
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.paths import Places
from jobwarden_registry.session import Session
from support.sightings import CLOCKS, absent, at, could_not_ask, job, proof, seen

SITE = "alice@c:22"


def watching(root: Path, *ids: str) -> Session:
    for name in ("project", "state", "run"):
        (root / name).mkdir(mode=0o700)
    entry = SessionEntry(session_id="s1", project=root / "project", created_at=at(0), last_seen_at=at(0))
    session = Session(Places(state=root / "state", runtime=root / "run"), entry, clock=lambda: at(0))
    with session.transaction() as transaction:
        for job_id in ids:
            transaction.register(job(id=job_id))
    return session


def put(session: Session, snapshot: Snapshot, now: float, quiet: Quiet | None) -> Applied:
    return apply_answer(
        session, type="slurm", site=SITE, snapshot=snapshot, now=at(now), clocks=CLOCKS, lease=None, quiet=quiet
    )


def living(word: str, asked: float) -> Sighting:
    return seen(word).model_copy(update={"evidence": proof(asked)})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["RUNNING", "PENDING", "COMPLETING", "NO_SUCH_WORD", "COMPLETED", "absent", "could not", "none"]
        ),
        st.sampled_from([0, 0, 0, -150, -90]),  # a late answer was asked for earlier
        st.sampled_from([False, False, False, True]),
    ),
    min_size=4,
    max_size=10,
)


@settings(max_examples=40)
@given(steps=STEPS)
@example(steps=[("RUNNING", 0, False), ("RUNNING", 0, False), ("RUNNING", -30, True)])
@example(steps=[("RUNNING", 0, False), ("PENDING", -150, False), ("PENDING", 0, False)])
@example(steps=[("RUNNING", 0, False), ("could not", 0, False), ("RUNNING", -90, False), ("RUNNING", 0, False)])
@example(steps=[("RUNNING", 0, False), ("absent", 0, False), ("RUNNING", -90, False), ("RUNNING", 0, False)])
def test_any_sequence_of_answers_comes_to_the_same_with_it_as_without(steps: list[tuple[str, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        plain, remembering = watching(Path(one), "7"), watching(Path(other), "7")
        quiet: Quiet = {}
        for number, (word, late, failing) in enumerate(steps):
            now = 100.0 + 60 * number
            snapshot = answered(word, now + late)
            if failing:
                gone = Failure(code="ssh.refused", text="no", since=at(now), at=at(now), next_try_at=at(now + 30))
                snapshot = snapshot.model_copy(update={"failure": gone})
            assert put(remembering, snapshot, now, quiet) == put(plain, snapshot, now, None)
            assert told(remembering) == told(plain)


def answered(word: str, asked: float) -> Snapshot:
    sightings: dict[str, Sighting] = {"absent": absent(), "could not": could_not_ask()}
    known = {} if word == "none" else {"7": sightings.get(word) or living(word, asked)}
    return Snapshot(asked_at=at(asked), answered=known, asked={job_id: at(asked) for job_id in known})


def told(session: Session) -> list[dict[str, object]]:
    apart = {"uid", "timestamp", "record"}
    return [event.model_dump(exclude=apart) for event in session.journal.read()]


def test_what_another_process_has_written_since_is_judged_against(tmp_path: Path) -> None:
    session, quiet = watching(tmp_path, "7"), Quiet()
    for now in (60.0, 120.0):
        put(session, answered("RUNNING", now), now, quiet)
    put(session, answered("COMPLETING", 180.0), 180.0, None)
    put(session, answered("RUNNING", 240.0), 240.0, quiet)
    assert [record.last_status for record in session.load()] == ["RUNNING"]


def test_an_equal_sighting_of_a_living_job_is_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, quiet = watching(tmp_path, "7"), Quiet()
    judged: list[str] = []

    def counting(*words: object, **options: object) -> object:
        judged.append("")
        return judge(*words, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on

    monkeypatch.setattr("jobwarden.verdict.apply.judge", counting)
    for now in (60.0, 120.0, 180.0, 240.0):
        put(session, answered("RUNNING", now), now, quiet)
    # Twice when its state is written, and once more to find that nothing comes of it.
    assert len(judged) == 3
    put(session, answered("COMPLETED", 300.0), 300.0, quiet)
    assert session.load() == ()
    put(session, answered("RUNNING", 360.0), 360.0, quiet)
    assert quiet == {}
