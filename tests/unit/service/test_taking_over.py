"""Two agents in one project, and what a session leaves behind that is gone (`jobwarden.service.taking_over`)."""

from __future__ import annotations

from dataclasses import replace

from jobwarden.identity import Caller
from jobwarden.service.service import Service
from jobwarden_registry.processes import this_process
from support.household import Household
from support.paper import Paper


def client(home: Household, session: str, *, dead: bool = False) -> Caller:
    process = this_process()
    return replace(home.caller(session), process=replace(process, start_time="1") if dead else process)


async def test_two_agents_in_one_project_see_each_others_jobs_only_when_they_ask_for_the_projects(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await service.register(client(home, "one"), type="paper", ids=["1"])
    await service.register(client(home, "two"), type="paper", ids=["2"])
    own = await service.status(client(home, "one"))
    assert [job.id for job in own.jobs] == ["1"]
    all_of_them = await service.status(client(home, "one"), scope="project")
    assert {job.id: job.mine for job in all_of_them.jobs} == {"1": True, "2": False}
    assert all_of_them.notes == ()


async def test_registering_a_job_of_a_session_that_is_gone_takes_it_over_with_all_that_is_known_of_it(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    first = await service.register(client(home, "gone", dead=True), type="paper", ids=["1"], name="ptq", tags=["a"])
    offered = await service.status(client(home, "new"), scope="project")
    assert any("takes it over" in note for note in offered.notes)
    taken = await service.register(client(home, "new"), type="paper", ids=["1"])
    assert taken.created == (False,)
    assert any("taken over from session gone" in note for note in taken.notes)
    job = taken.jobs[0]
    assert (job.name, job.tags, job.mine, job.started_at) == ("ptq", ("a",), True, first.jobs[0].started_at)
    assert job.owner.session_id == "new"
    assert home.active("gone") == []
    assert [one["id"] for one in home.active("new")] == ["1"]
    assert home.kinds("gone")[-1] == "removed"


async def test_a_job_of_a_session_that_is_alive_or_of_which_nothing_is_known_stays_there_too(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await service.register(client(home, "alive"), type="paper", ids=["1"])
    await service.register(home.caller("unknown"), type="paper", ids=["2"])
    taken = await service.register(client(home, "new"), type="paper", ids=["1", "2"])
    assert taken.created == (True, True)
    assert [one["id"] for one in home.active("alive") + home.active("unknown")] == ["1", "2"]
