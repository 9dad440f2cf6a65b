"""Cancelling: who may, what is kept of it, and what is said of the outcome (`service.stopping`, `actions.cancel`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from jobwarden.service.service import Service
from jobwarden.service.views import CancelView
from jobwarden.transport.errors import OutcomeUnknownError
from jobwarden_registry.errors import InvalidIdError, JobwardenError, UnwritableError
from jobwarden_registry.session import Session
from support.household import Household
from support.paper import Paper, QuietDesk


async def register(
    service: Service,
    home: Household,
    paper: Paper,
    *ids: str,
    session: str = "session-1",
    kind: str = "paper",
    host: str = "localhost",
) -> None:
    paper.states |= dict.fromkeys(ids, "RUNNING")
    await service.register(home.caller(session), type=kind, ids=ids, host=host)


async def cancel(
    service: Service, home: Household, *jobs: str, session: str = "session-1", **how: Any
) -> dict[str, str]:
    return outcomes(await service.cancel(home.caller(session), jobs=jobs, reason="wrong data", **how))


def outcomes(view: CancelView) -> dict[str, str]:
    return {row.job.id: row.outcome for row in view.rows}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Sequence[float] = (0.01, 0.05, 0.1)
    monkeypatch.setattr("jobwarden.service.stopping._LOOKS_S", looks)


async def test_an_accepted_request_is_followed_to_the_end_and_kept_with_who_and_why(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    view = await service.cancel(home.caller(), jobs=["1"], reason="wrong  data")
    row = view.rows[0]
    assert (row.outcome, row.ended, row.job.phase) == ("accepted", True, "cancelled")
    texts = {str(event.event): event.text or "" for event in home.journal() if event.event != "updated"}
    assert texts["cancel_requested"] == "by claude-code session session-1: wrong data"
    assert texts["action"].startswith("cancel by claude-code session session-1: accepted")
    assert home.kinds().index("cancel_requested") < home.kinds().index("action")


async def test_an_accepted_request_is_no_end(service: Service, home: Household, paper: Paper) -> None:
    paper.ends = False
    await register(service, home, paper, "1")
    row = (await service.cancel(home.caller(), jobs=["1"])).rows[0]
    assert (row.outcome, row.ended, row.job.phase) == ("accepted", False, "running")


async def test_a_dry_run_does_nothing_and_says_what_would_be_refused(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await register(service, home, paper, "2", kind="stone")
    before = home.kinds()
    assert await cancel(service, home, "1", "2", dry_run=True) == {"1": "would cancel", "2": "refused"}
    assert paper.cancelled == []
    assert home.kinds() == before


async def test_all_means_what_this_session_watches_and_nothing_else(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    await register(service, home, paper, "9", session="other")
    paper.states["2"] = "COMPLETED"
    await service.status(home.caller())
    assert await cancel(service, home, all_jobs=True, force=True) == {"1": "accepted"}
    assert paper.cancelled == ["1"]


async def test_another_sessions_job_needs_force_and_its_agent_is_told_who_did_it(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "9", session="other")
    await service.status(home.caller("other"))
    view = await service.cancel(home.caller(), jobs=["9"])
    assert outcomes(view) == {"9": "refused"}
    assert "other" in view.rows[0].text
    assert paper.cancelled == []
    assert await cancel(service, home, "9", force=True) == {"9": "accepted"}
    told = (await service.status(home.caller("other"))).news
    assert [str(event.event) for event in told] == ["cancel_requested", "finished"]
    assert "session session-1" in (told[0].text or "")


async def test_who_only_names_the_watching_session_needs_force_as_well_and_that_sessions_agent_is_told(
    service: Service, home: Household, paper: Paper
) -> None:
    """A refusal says which session watches the job; to pass its id is no leave to end it."""
    await register(service, home, paper, "9", session="other")
    await service.status(home.caller("other"))
    borrowed = replace(home.caller("other", client="client-2"), claimed=True, borrower="session-1")
    assert await service.to_cancel(borrowed, jobs=["9"]) == await service.to_cancel(borrowed, all_jobs=True) == {}
    assert outcomes(await service.cancel(borrowed, jobs=["9"])) == {"9": "refused"}
    assert outcomes(await service.cancel(borrowed, all_jobs=True)) == {"9": "refused"}
    with pytest.raises(InvalidIdError, match="only it changes its rules"):
        await service.watch_log(borrowed, "9", action="add", rule="time=1s action=cancel")
    assert paper.cancelled == []
    doomed = await service.to_cancel(borrowed, all_jobs=True, force=True)
    assert [job.id for job in doomed.values()] == ["9"]
    assert outcomes(await service.cancel(borrowed, jobs=["9"], force=True)) == {"9": "accepted"}
    told = (await service.status(home.caller("other"))).news
    assert [str(event.event) for event in told] == ["cancel_requested", "finished"]
    assert "session other (named by session session-1)" in (told[0].text or "")


async def test_what_a_cancellation_would_end_is_known_before_it_without_asking_anybody(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    await register(service, home, paper, "9", session="other")
    paper.states["2"] = "COMPLETED"
    await service.status(home.caller())
    asked = len(paper.asked)

    async def doomed(*jobs: str, **how: bool) -> list[tuple[str, bool]]:
        found = await service.to_cancel(home.caller(), jobs=jobs, **how)
        return [(job.id, job.mine) for job in found.values()]

    assert await doomed(all_jobs=True) == await doomed(all_jobs=True, force=True) == [("1", True)]
    assert await doomed("1", "2", "9") == [("1", True)], "the third will be refused"
    assert await doomed("9", force=True) == [("9", False)]
    assert await doomed() == await doomed("1", all_jobs=True) == [], "neither is a request"
    assert (len(paper.asked), paper.cancelled) == (asked, [])


async def test_what_was_registered_after_the_person_was_asked_is_not_ended(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    shown = await service.to_cancel(home.caller(), all_jobs=True)
    await register(service, home, paper, "3")
    paper.states["2"] = "FAILED"
    await service.status(home.caller())
    assert await cancel(service, home, all_jobs=True, only=shown) == {"1": "accepted", "3": "not asked about"}
    assert await cancel(service, home, "3", only=()) == {"3": "not asked about"}
    assert paper.cancelled == ["1"]


async def test_ones_own_request_is_no_news(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1")
    view = await service.cancel(home.caller(), jobs=["1"])
    assert [str(event.event) for event in view.news] == ["finished"]


async def test_a_claimed_session_and_a_sub_agent_are_kept_as_such(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await service.cancel(replace(home.caller(), claimed=True, detail="child-2"), jobs=["1"])
    texts = [event.text or "" for event in home.journal() if event.event == "cancel_requested"]
    assert texts == ["by claude-code session session-1 (claimed), sub-agent child-2: no reason given"]


async def test_what_has_ended_is_left_alone(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1")
    paper.states["1"] = "FAILED"
    await service.status(home.caller())
    assert await cancel(service, home, "1") == {"1": "already ended"}
    assert paper.cancelled == []


async def test_a_refusal_of_the_source_is_a_refusal_of_that_job_alone(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    paper.refuses["1"] = "It belongs to bob."
    assert await cancel(service, home, "1", "2") == {"1": "refused", "2": "accepted"}


async def test_an_unknown_outcome_is_looked_at_again(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1")
    paper.cancel_raises = OutcomeUnknownError("The connection broke.")
    row = (await service.cancel(home.caller(), jobs=["1"])).rows[0]
    assert (row.outcome, row.ended) == ("accepted", True)
    assert "The connection broke" in row.text


async def test_an_unknown_outcome_stays_unknown_while_the_job_runs(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    paper.ends, paper.cancel_raises = False, OutcomeUnknownError("The connection broke.")
    row = (await service.cancel(home.caller(), jobs=["1"])).rows[0]
    assert (row.outcome, row.ended) == ("failed", False)


async def test_a_job_that_ended_by_itself_meanwhile_was_not_cancelled(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    paper.states["1"] = "COMPLETED"  # and nobody has looked yet
    paper.ends, paper.cancel_raises = False, OutcomeUnknownError("The connection broke.")
    row = (await service.cancel(home.caller(), jobs=["1"])).rows[0]
    assert (row.outcome, row.job.phase) == ("already ended", "succeeded")


async def test_a_plug_in_that_crashes_fails_its_own_jobs_only(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1")
    paper.ends, paper.cancel_raises = False, ZeroDivisionError("oops")
    view = await service.cancel(home.caller(), jobs=["1"])
    assert outcomes(view) == {"1": "failed"}
    assert "ZeroDivisionError" in view.rows[0].text
    assert (await service.status(home.caller())).jobs[0].phase == "running"


async def test_a_source_that_hangs_is_given_up_and_the_others_are_served(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", host="far")
    await register(service, home, paper, "2")
    paper.hanging.add("far")
    clocks = desk.world.config.clocks.model_copy(
        update={"ask_timeout_s": 0.1, "connect_timeout_s": 0.1, "cancel_grace_s": 0.2}
    )
    desk.world.rounds.config = desk.world.config.model_copy(update={"clocks": clocks})
    with anyio.fail_after(10):
        assert await cancel(service, home, "1", "2") == {"1": "failed", "2": "accepted"}


async def test_nothing_is_sent_for_a_deed_that_cannot_be_journaled(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(service, home, paper, "1")
    await register(service, home, paper, "9", session="other")
    whole = Session.transaction

    def broken(session: Session, **options: object) -> object:
        if session.entry.session_id == "other":
            raise UnwritableError("The disk is full.", hint="Free some.")
        return whole(session, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on

    monkeypatch.setattr(Session, "transaction", broken)
    view = await service.cancel(home.caller(), jobs=["1"])
    assert outcomes(view) == {"1": "accepted"}
    view = await service.cancel(home.caller(), jobs=["9"], force=True)
    assert outcomes(view) == {"9": "refused"}
    assert "nothing was done" in view.rows[0].text
    assert paper.cancelled == ["1"]


@pytest.mark.parametrize("how", [{"jobs": (), "all_jobs": False}, {"jobs": ("1",), "all_jobs": True}])
async def test_which_jobs_must_be_said_in_one_way(service: Service, home: Household, how: dict[str, object]) -> None:
    with pytest.raises(JobwardenError) as raised:
        await service.cancel(home.caller(), **how)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- names of arguments
    assert raised.value.code == "id.invalid"
    assert raised.value.hint


async def test_a_request_that_comes_too_late_takes_nothing_from_the_one_that_was_taken(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.ends = False
    await register(service, home, paper, "1")
    await service.cancel(home.caller(), jobs=["1"], reason="wrong data")
    paper.refuses["1"] = "It has already ended."
    assert await cancel(service, home, "1") == {"1": "refused"}
    paper.states["1"] = "CANCELLED"
    (job,) = (await service.status(home.caller())).jobs
    assert job.cause == "cancelled by claude-code session session-1: wrong data"
