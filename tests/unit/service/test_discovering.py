"""Jobs that no session watches: which are listed, in which order, and taking them under watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from jobwarden.service.service import Service
from jobwarden.service.views import DiscoverView
from jobwarden.sources.base import Found, Host, Prepared
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.phases import Phase
from support.household import Household, household
from support.paper import FAR, Paper, QuietDesk, paper_service


@dataclass
class Lister(Paper):
    """A kind of job that can be listed.

    Attributes:
        lists: By cluster, what is there.
        listed: The clusters that were asked.
        fails: What comes instead of a list.
    """

    lists: Mapping[str, Sequence[Found]] = field(default_factory=dict[str, Sequence[Found]])
    listed: list[str] = field(default_factory=list[str])
    fails: Exception | None = None

    def parse_id(self, text: str) -> str:
        return text

    async def discover(self, host: Host) -> Sequence[Found]:
        self.listed.append(host.cluster)
        if self.fails is not None:
            raise self.fails
        return self.lists.get(host.cluster, ())


def found(job_id: str, **fields: Any) -> Found:
    return Found(id=job_id, question="list", phase=Phase.RUNNING, status="RUNNING", **fields)


@pytest.fixture
def listers(desk: QuietDesk) -> dict[str, Lister]:
    """Four kinds of jobs: one running job each here, and one more of Slurm's far away."""
    made = {name: Lister(name=name, states={"1": "RUNNING"}) for name in ("apples", "launcher", "slurm", "nel")}
    for lister in made.values():
        lister.lists = {"": [found("1", name=lister.name)]}
    made["slurm"].lists = {"": [found("1")], "far": [found("2", what="partition big")]}
    cast("dict[str, object]", desk.world.sources.usable).update(made)
    return made


def ids(view: DiscoverView) -> list[str]:
    return [f"{job.type}:{job.host}:{job.id}" for job in view.jobs]


async def test_without_an_id_all_hosts_are_looked_at_and_told_in_the_order_in_which_one_means_them(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    view = await service.discover(home.caller())
    assert ids(view) == [
        "nel:localhost:1",
        "slurm:far:2",
        "slurm:localhost:1",
        "launcher:localhost:1",
        "apples:localhost:1",
    ]
    assert view.jobs[1].what == "partition big"
    assert sorted(listers["slurm"].listed) == ["", "far", "slow"]
    assert home.active() == []


async def test_what_any_session_watches_is_not_listed(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    listers["slurm"].lists = {"": [found("1"), found("7"), found("70")]}
    await service.register(home.caller("another"), type="slurm", ids=["7_3"])
    await service.register(home.caller(), type="nel", ids=["1"])
    view = await service.discover(home.caller())
    assert view.watched == 1
    listed = ids(view)
    assert "slurm:localhost:7" not in listed, "a part of it is watched"
    assert {"slurm:localhost:1", "slurm:localhost:70"} <= set(listed)
    assert "nel:localhost:1" not in listed


async def test_the_same_id_on_another_cluster_is_another_job(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    listers["slurm"].lists = {"": [found("1")], "far": [found("1")]}
    await service.register(home.caller(), type="slurm", ids=["1"], host="far")
    assert ids(await service.discover(home.caller(), type="slurm")) == ["slurm:localhost:1"]


async def test_slurm_jobs_that_are_parts_of_others_are_not_listed_whichever_type_is_asked_for(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    """The waiting twin of a resumed evaluation is no job of its own."""
    listers["slurm"].lists = {"": [found("1"), found("5"), found("6")], "far": [found("5")]}
    listers["nel"].lists = {"": [found("abc", slurm_ids=("5", "6"), slurm_host="far")]}
    for wanted in (None, "slurm"):
        view = await service.discover(home.caller(), type=wanted)
        assert [one for one in ids(view) if one.startswith("slurm")] == [
            "slurm:localhost:1",
            "slurm:localhost:5",
            "slurm:localhost:6",
        ]
    await service.register(home.caller(), type="nel", ids=["abc"])
    view = await service.discover(home.caller(), host="far")
    assert ids(view) == [], "the evaluation is watched, and its parts with it"


async def test_who_names_a_host_means_what_runs_there_too_wherever_it_was_launched(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    listers["slurm"].lists = {"far": [found("5"), found("6")]}
    listers["nel"].lists = {"": [found("abc", slurm_ids=("5", "6"), slurm_host="far"), found("def")]}
    assert ids(await service.discover(home.caller(), host="far")) == ["nel:localhost:abc"]
    assert ids(await service.discover(home.caller(), host="far", type="slurm")) == []
    assert ids(await service.discover(home.caller(), host="far", type="nel")) == []


async def test_one_that_has_ended_is_told_for_its_parts_alone(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    """The job that would have resumed an evaluation waits for ever when that has succeeded."""
    ended = found("abc", slurm_ids=("5",)).model_copy(update={"phase": Phase.SUCCEEDED})
    listers["slurm"].lists = {"": [found("5"), found("6")]}
    listers["nel"].lists = {"": [ended]}
    listed = ids(await service.discover(home.caller()))
    assert "slurm:localhost:6" in listed
    assert not {"slurm:localhost:5", "nel:localhost:abc"} & set(listed)


@dataclass
class Asking(Lister):
    """One that needs something of the session.

    Attributes:
        told: What it was told, each time.
        shy: Whether it gives nothing to a session.
    """

    told: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    shy: bool = False

    async def discover(self, host: Host) -> Sequence[Found]:
        self.told.append({name: host.settings[name] for name in ("project", "watched")})
        return await super().discover(host)

    async def prepare(self, _host: Host, ids: Sequence[str], _env: Mapping[str, str]) -> Mapping[str, Prepared]:
        if self.shy:
            raise SourceUnavailableError("It is not installed.", code="pears.not_installed")
        return {one: Prepared(one, {"tool": "/opt/pears", "list": "its own"}) for one in ids}


@pytest.mark.parametrize("shy", [False, True])
async def test_a_source_is_told_whose_project_it_is_and_what_is_watched_and_prepares_what_is_adopted(
    service: Service, home: Household, desk: QuietDesk, *, shy: bool
) -> None:
    pears = Asking(name="pears", states={"1": "RUNNING"}, lists={"": [found("1", facts={"list": "x"})]})
    cast("dict[str, object]", desk.world.sources.usable)["pears"] = pears
    pears.shy = shy
    await service.discover(home.caller(), type="pears", adopt=["pears:localhost:1"])
    project = str(home.caller().project)
    assert {"project": project, "watched": []} in pears.told
    facts = home.active()[0]["facts"]
    assert facts == ({"list": "x"} if shy else {"list": "x", "tool": "/opt/pears"})
    pears.told.clear()
    await service.discover(home.caller(), type="pears")
    assert {"project": project, "watched": [facts]} in pears.told


async def test_a_host_and_a_type_narrow_it(service: Service, home: Household, listers: dict[str, Lister]) -> None:
    assert ids(await service.discover(home.caller(), host="far")) == ["slurm:far:2"]
    assert ids(await service.discover(home.caller(), type="launcher")) == ["launcher:localhost:1"]


@pytest.mark.parametrize(
    "wrong", [{"type": "nonesuch"}, {"type": "stone"}, {"host": "-oProxyCommand=x"}, {"host": "a b"}]
)
@pytest.mark.usefixtures("listers")
async def test_what_cannot_be_listed_is_said(service: Service, home: Household, wrong: dict[str, Any]) -> None:
    with pytest.raises(JobwardenError) as raised:
        await service.discover(home.caller(), **wrong)
    assert raised.value.code in {"id.invalid", "source.unknown_type"}


async def test_one_that_is_adopted_is_watched_with_what_its_source_said(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    listers["slurm"].states["2"] = "RUNNING"
    listers["slurm"].lists = {"far": [found("2", what="partition big", facts={"key": 1})]}
    view = await service.discover(home.caller(), adopt=["slurm:far:2"])
    assert [(job.type, job.id, job.host, job.status) for job in view.adopted] == [("slurm", "2", "far", "RUNNING")]
    assert "slurm:far:2" not in ids(view)
    (row,) = home.active()
    assert (row["description"], row["facts"]) == ("partition big", {"key": 1})
    assert ids(await service.discover(home.caller(), type="slurm")) == []


@pytest.mark.usefixtures("listers")
async def test_all_are_adopted_at_once_and_a_second_time_there_is_nothing_left(
    service: Service, home: Household
) -> None:
    view = await service.discover(home.caller(), adopt=["all"])
    assert len(view.adopted) == len(home.active()) == 5
    assert (view.jobs, view.watched) == ((), 5)
    again = await service.discover(home.caller(), adopt=["all"])
    assert (again.jobs, again.adopted) == ((), ())


@pytest.mark.usefixtures("listers")
@pytest.mark.parametrize(("name", "code"), [("999", "job.not_found"), ("1", "job.ambiguous")])
async def test_a_name_that_means_none_or_several_adopts_nothing(
    service: Service, home: Household, name: str, code: str
) -> None:
    with pytest.raises(JobwardenError) as raised:
        await service.discover(home.caller(), adopt=["slurm:far:2", name])
    assert raised.value.code == code
    assert home.active() == []


async def test_one_that_cannot_be_asked_is_said_and_hides_no_other(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    listers["nel"].fails = SourceUnavailableError("nel is broken.", code="nel.unavailable")
    listers["apples"].fails = ZeroDivisionError("in foreign code")
    view = await service.discover(home.caller())
    assert ids(view) == ["slurm:far:2", "slurm:localhost:1", "launcher:localhost:1"]
    assert any("nel.unavailable" in trouble for trouble in view.troubles)
    assert any("source.broken" in trouble for trouble in view.troubles)


async def test_a_program_that_is_not_installed_is_a_trouble_only_where_it_was_asked_for(
    service: Service, home: Household, listers: dict[str, Lister]
) -> None:
    listers["slurm"].fails = SourceUnavailableError("There is no squeue.", code="slurm.not_installed")
    assert (await service.discover(home.caller())).troubles == ()
    assert len((await service.discover(home.caller(), host="far")).troubles) == 1


async def test_who_asks_again_and_again_is_one_question_to_the_host(clean_environment: Path) -> None:
    with household(clean_environment, {"floor_s": 3600.0}, FAR) as home:
        async with paper_service(home, Paper()) as (service, desk):
            lister = Lister(name="slurm", lists={"far": [found("1")]})
            cast("dict[str, object]", desk.world.sources.usable)["slurm"] = lister
            for _ in range(5):
                assert ids(await service.discover(home.caller())) == ["slurm:far:1"]
    assert sorted(lister.listed) == ["", "far", "slow"]
