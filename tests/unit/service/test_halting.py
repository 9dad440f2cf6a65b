"""The emergency stop, as a use case: which sessions, what is said, what stays possible (`service.halting`)."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from jobwarden.cli.halting import _scope, _stop_lines  # pyright: ignore[reportPrivateUsage] -- what it says, without a stop
from jobwarden.service.halting import Halting
from jobwarden.service.halting_views import StopView
from jobwarden.service.service import Service
from jobwarden.transport.errors import OutcomeUnknownError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Attempt
from support.household import Household
from support.paper import Paper, QuietDesk


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Sequence[float] = (0.01, 0.02)
    monkeypatch.setattr("jobwarden.service.halting._LOOKS_S", looks)


async def register(
    service: Service, home: Household, paper: Paper, *ids: str, session: str = "session-1", host: str = "localhost"
) -> None:
    paper.states |= dict.fromkeys(ids, "RUNNING")
    await service.register(home.caller(session), type="paper", ids=ids, host=host)


async def test_all_sessions_are_stopped_in_one_request_for_each_host_with_a_row_for_each_job(
    service: Service, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(service, home, paper, "1", "2", "3")
    await register(service, home, paper, "3", "4", session="other")
    await register(service, home, paper, "7", session="other", host="far")
    requests: list[int] = []
    real = paper.cancel

    async def counting(host: object, wanted: Sequence[object]) -> object:
        requests.append(len(wanted))
        return await real(host, wanted)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on

    monkeypatch.setattr(paper, "cancel", counting)
    caller = home.caller()
    sessions = await service.halting.sessions(caller)
    view = await service.halting.stop(caller, sessions, reason="wrong  data")
    assert view.stopped
    assert sorted(row.job.id for row in view.rows) == ["1", "2", "3", "3", "4", "7"]
    assert {row.outcome for row in view.rows} == {"accepted"}
    assert sorted(requests) == [1, 4]
    assert [(one.by, one.reason) for one in view.halted] == [("claude-code session session-1", "wrong data")] * 2
    again = await service.halting.stop(caller, sessions, reason="")
    assert (again.rows, again.stopped, len(requests)) == ((), True, 2)


async def test_one_session_or_one_project_can_be_meant_alone(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1")
    await register(service, home, paper, "2", session="other")
    caller = home.caller()
    assert len(await service.halting.sessions(caller, project=True)) == 2
    (only,) = await service.halting.sessions(caller, session="other")
    assert [job.id for job in (await service.halting.doomed(caller, [only])).jobs] == ["2"]
    await service.halting.stop(caller, [only], reason="")
    assert paper.states == {"1": "RUNNING", "2": "CANCELLED"}
    assert [one.session for one in await service.halting.halts(await service.halting.sessions(caller))] == ["other"]


async def test_a_halt_is_shown_by_status_and_doctor_and_to_whoever_registers_until_it_is_lifted(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    caller = home.caller()
    sessions = await service.halting.sessions(caller)
    await service.halting.stop(caller, sessions, reason="wrong data")
    paper.states["2"] = "RUNNING"
    view = await service.register(caller, type="paper", ids=["2"])
    assert view.created == (True,)
    said = "halted by claude-code session session-1: wrong data"
    assert any(said in note and "rules resume --all" in note for note in view.notes)
    assert any(said in note for note in (await service.status(caller)).notes)
    assert any(said in check.text for check in (await service.doctor(caller)).checks)
    (lifted,) = await service.halting.lift(caller, sessions)
    assert lifted.reason == "wrong data"
    assert not any("halted" in note for note in (await service.status(caller)).notes)
    assert paper.states["2"] == "RUNNING", "what was registered after the halt is left alone"


async def test_cancel_job_of_all_halts_this_session_and_says_so(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await register(service, home, paper, "2", session="other")
    dry = await service.cancel(home.caller(), all_jobs=True, dry_run=True)
    assert ([row.outcome for row in dry.rows], dry.notes) == (["would cancel"], ())
    view = await service.cancel(home.caller(), all_jobs=True, reason="x")
    assert [(row.job.id, row.outcome, row.ended) for row in view.rows] == [("1", "accepted", True)]
    assert "rules resume --all" in view.notes[0]
    assert paper.states["2"] == "RUNNING"


async def test_a_host_that_hangs_holds_up_no_other_and_what_is_left_is_said(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await register(service, home, paper, "7", host="far")
    paper.hanging.add("far")
    caller = home.caller()
    with anyio.fail_after(20):
        view = await service.halting.stop(caller, await service.halting.sessions(caller), reason="", patience_s=1.0)
    rows = {row.job.id: (row.outcome, row.ended) for row in view.rows}
    assert rows == {"1": ("accepted", True), "7": ("failed", False)}
    assert not view.stopped
    assert "paper 7 on far has not ended yet" in view.unsettled[0]
    paper.back.set()


async def test_what_is_refused_is_not_waited_for_and_an_unknown_outcome_is_asked_for_again(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    paper.refuses["1"] = "It belongs to bob."
    caller = home.caller()
    with anyio.fail_after(20):
        view = await service.halting.stop(caller, await service.halting.sessions(caller), reason="")
    assert {row.job.id: row.outcome for row in view.rows} == {"1": "refused", "2": "accepted"}
    assert not view.stopped
    await register(service, home, paper, "3")
    paper.ends, paper.cancel_raises = False, OutcomeUnknownError("The connection broke.")
    one = await service.halting.stop(caller, await service.halting.sessions(caller), reason="", patience_s=0.3)
    assert paper.cancelled.count("3") > 1
    assert not one.stopped


async def test_jobs_that_are_taken_over_from_a_halted_session_stay_halted(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", session="gone")
    paper.refuses["1"] = "It belongs to bob."
    halting = Halting(desk)
    (gone,) = await halting.sessions(home.caller(), session="gone")
    await halting.stop(home.caller(), [gone], reason="wrong data", patience_s=0.1)
    from jobwarden.service.taking_over import take_over

    await take_over(desk, home.caller("fresh"), gone, {one.uid for one in gone.load()})
    fresh = await halting.halts(await halting.sessions(home.caller(), session="fresh"))
    assert [one.reason for one in fresh] == ["wrong data (with the jobs of session gone)"]


async def test_what_another_session_has_had_submitted_again_is_said_and_left_to_that_session(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await register(service, home, paper, "1", session="other")
    caller = home.caller()
    sessions = {one.entry.session_id: one for one in await service.halting.sessions(caller)}
    paper.states["900"] = "RUNNING"
    with sessions["other"].transaction() as transaction:
        (record,) = transaction.jobs.values()
        after = record.changed(resubmitted_as="900", attempts=(Attempt(id="1"), Attempt(id="900")))
        transaction.change(record.uid, after, EventKind.UPDATED, text="submitted again by its rule")
    view = await service.halting.stop(caller, [sessions["session-1"]], reason="wrong data")
    assert paper.states == {"1": "CANCELLED", "900": "RUNNING"}
    (left,) = view.unsettled
    assert "go on as paper 900" in left
    assert left.endswith("jobwarden stop-all --session other")


def test_what_to_do_next_names_no_more_sessions_than_were_stopped() -> None:
    view = StopView(halted=(), rows=(), unsettled=("paper 1 on far has not ended yet.",))
    said = "\n".join(_stop_lines(view, _scope("my one", project=False)))
    assert "jobwarden stop-all --session 'my one' --yes goes on" in said
    assert "jobwarden stop-all --lift --session 'my one'" in said
    assert "stop-all --yes" in "\n".join(_stop_lines(view, _scope(None, project=False)))
