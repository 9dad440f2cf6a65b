"""Jobs that nobody watches and that an answer showed all the same (`service.offering`, `ledger.overheard`)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from jobwarden.ledger.ledger import LedgerKey
from jobwarden.ledger.overheard import Overheard
from jobwarden.service.hooking import Submission
from jobwarden.service.service import Service
from jobwarden.sources.base import Found
from jobwarden_registry.clock import utc_now
from jobwarden_registry.model import Utc
from support.household import Household
from support.paper import Paper, QuietDesk

PROMPT = "UserPromptSubmit"


@pytest.fixture(autouse=True)
def paper_is_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwarden.service.offering.SLURM", "paper")


def found(*ids: str, submitted_at: Utc | None = None) -> list[Found]:
    return [Found(id=one, question="squeue", submitted_at=submitted_at) for one in ids]


async def watching(service: Service, home: Household, desk: QuietDesk, paper: Paper, session: str) -> LedgerKey:
    paper.states["1"] = "RUNNING"
    caller = home.caller(session)
    await service.submitted(caller, [Submission(type="paper", id="1")])
    own = await desk.session(caller)
    assert own is not None
    return next(iter(await desk.world.rounds.groups([own])))


async def offered(service: Service, home: Household, event: str = PROMPT) -> list[str]:
    view = await service.tell(home.caller(), event=event)
    return [one for offer in view.offers for one in offer.ids]


async def test_what_nobody_watches_is_offered_once_and_something_new_again(
    service: Service, home: Household, desk: QuietDesk, paper: Paper
) -> None:
    key = await watching(service, home, desk, paper, "session-1")
    await watching(service, home, desk, paper, "session-2")
    await service.submitted(home.caller("session-2"), [Submission(type="paper", id="3")])
    desk.world.rounds.overheard.note(key, "localhost", found("2", "3"))
    assert await offered(service, home, "Stop") == ["2"]
    assert await offered(service, home) == []
    desk.world.rounds.overheard.note(key, "localhost", found("2", "3", "4"))
    assert await offered(service, home) == ["4"]


async def test_a_job_that_may_be_registered_any_moment_is_offered_later(
    service: Service, home: Household, desk: QuietDesk, paper: Paper
) -> None:
    key = await watching(service, home, desk, paper, "session-1")
    now = utc_now()
    desk.world.rounds.overheard.note(key, "localhost", found("2", submitted_at=now))
    assert await offered(service, home) == []
    stamp = home.places.runtime / "offered" / "session-1.json"
    assert stamp.stat().st_mtime == 0  # the hook comes again, though nothing changes
    desk.world.rounds.overheard.note(key, "localhost", [])
    desk.world.rounds.overheard.note(key, "localhost", found("2", submitted_at=now - timedelta(hours=1)))
    assert await offered(service, home) == ["2"]


async def test_what_is_on_a_host_where_this_session_watches_nothing_is_not_offered(
    service: Service, home: Household, desk: QuietDesk, paper: Paper
) -> None:
    await watching(service, home, desk, paper, "session-1")
    desk.world.rounds.overheard.note(LedgerKey("paper", "bob@elsewhere:22"), "elsewhere", found("2"))
    assert await offered(service, home) == []


async def test_nothing_is_offered_while_jobs_are_watched_of_which_it_may_be_a_part(
    service: Service, home: Household, desk: QuietDesk, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await watching(service, home, desk, paper, "session-1")
    desk.world.rounds.overheard.note(key, "localhost", found("2"))
    monkeypatch.setattr("jobwarden.service.offering.SLURM", "slurm")
    assert await offered(service, home) == []


def test_the_same_jobs_are_written_once_and_their_file_goes_with_the_last_of_them(tmp_path: Path) -> None:
    key = LedgerKey("slurm", "alice@cluster-a:22")
    kept = Overheard(tmp_path / "overheard")
    kept.note(key, "cluster-a", [])
    assert not (tmp_path / "overheard").exists()
    kept.note(key, "cluster-a", found("2", "3"))
    path = next((tmp_path / "overheard").iterdir())
    before = path.stat().st_mtime_ns, path.stat().st_ino
    kept.note(key, "cluster-a", found("3", "2"))
    Overheard(tmp_path / "overheard").note(key, "cluster-a", found("2", "3"))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert [one.id for others in kept.all() for one in others.jobs] == ["2", "3"]
    path.write_text("{", encoding="utf-8")
    assert list(kept.all()) == []
    Overheard(tmp_path / "overheard").note(key, "cluster-a", found("2"))
    assert [others.key for others in kept.all()] == [key]
    Overheard(tmp_path / "overheard").note(key, "cluster-a", [])
    assert list((tmp_path / "overheard").iterdir()) == []
