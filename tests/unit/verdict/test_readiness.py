"""When a running service counts as up (`jobwarden.verdict.readiness`), and how people say what shows it."""

from __future__ import annotations

import pytest

from jobwarden.ledger.ledger import Snapshot
from jobwarden.service.readying import read_readiness
from jobwarden.sources.base import Seen
from jobwarden.verdict import readying
from jobwarden.verdict.readiness import UP, first_node, is_awaited, is_ready
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import Evidence, JobRecord, Readiness
from jobwarden_registry.phases import Phase
from support.sightings import at, job

PORT = Readiness(port=8000)


def service(**fields: object) -> JobRecord:
    return job(**{"ready": PORT, "phase": Phase.RUNNING, "started_at": at(0), **fields})


def test_it_is_up_from_when_it_was_seen_to_be_until_it_ends() -> None:
    assert is_awaited(service())
    assert not is_ready(service())
    up = service(ready_at=at(60))
    assert is_ready(up)
    assert not is_awaited(up)
    assert not is_ready(up.changed(phase=Phase.FAILED))


def test_a_requeued_service_is_not_up_because_its_last_run_was() -> None:
    waiting = service(ready_at=at(60), phase=Phase.PENDING, started_at=None)
    assert not is_ready(waiting)
    assert not is_awaited(waiting)
    again = service(ready_at=at(60), started_at=at(100))
    assert not is_ready(again)
    assert is_awaited(again)


def test_what_was_seen_of_an_earlier_run_says_nothing_of_this_one() -> None:
    """The ledger may hold an answer from before a requeue."""
    evidence = Evidence(asked_at=at(60), rule="It is up.")
    up = Snapshot(answered={"u7": Seen(phase=Phase.RUNNING, status=UP, evidence=evidence)})
    assert readying.seen_up(service(started_at=at(0)), up) is not None
    assert readying.seen_up(service(started_at=at(100)), up) is None


def test_of_a_job_that_is_no_service_nothing_is_awaited() -> None:
    assert not is_awaited(service(ready=None))


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("c1", "c1"), ("c1,c2", "c1"), ("gpu[017-020,31],x1", "gpu017"), ("n-a.site.org", "n-a.site.org"), ("n[3]", "n3")],
)
def test_a_batch_script_runs_on_the_first_node(nodes: str, first: str) -> None:
    assert first_node(nodes) == first


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("8000", Readiness(port=8000)),
        (" 8000/v1/models?x=1 ", Readiness(port=8000, path="/v1/models?x=1")),
        ("~ Uvicorn running on .*:8000", Readiness(pattern="Uvicorn running on .*:8000")),
    ],
)
def test_a_port_a_path_or_a_line_of_the_log_show_it(text: str, ready: Readiness) -> None:
    assert read_readiness(text) == ready


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "999999", "-1", "8000 x", "/health", "8000/a b", "~", "~ a\nb", r"~ (a)\1"]
)
def test_anything_else_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidIdError) as raised:
        read_readiness(text)
    assert raised.value.hint
