"""Finding the sources: foreign code must not stop ours, nor take its place (`jobwarden.sources.plugins`)."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from jobwarden.sources.plugins import GROUP, BrokenSourceError, UnknownTypeError, guarded, load_sources
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.transport.errors import ConnectError

OURS = EntryPoint("slurm", "jobwarden.sources.slurm.source:SlurmSource", GROUP)


class Good:
    name = "good"

    def parse_id(self, text: str) -> str:
        return text

    async def observe(self, _host: object, _wanted: object) -> dict[str, object]:
        return {}


class Renamed(Good):
    name = "another"


class Empty:
    name = "empty"


class Crashes:
    def __init__(self) -> None:
        raise ZeroDivisionError("at import")


class Leaves:
    def __init__(self) -> None:
        sys.exit(3)


@pytest.fixture(autouse=True)
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("foreign_plugins")
    for one in (Good, Renamed, Empty, Crashes, Leaves):
        setattr(module, one.__name__, one)
    monkeypatch.setitem(sys.modules, "foreign_plugins", module)


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, f"foreign_plugins:{value}", GROUP)


def test_our_own_sources_are_found() -> None:
    assert {"slurm", "process"} <= load_sources().usable.keys()


def test_what_cannot_be_used_is_set_aside_with_why_and_stops_no_other() -> None:
    found = load_sources(
        [
            point("crashes", "Crashes"),
            point("leaves", "Leaves"),
            point("renamed", "Renamed"),
            point("empty", "Empty"),
            point("missing", "Nothing"),
            EntryPoint("gone", "no_such_module:X", GROUP),
            point("good", "Good"),
            OURS,
        ]
    )
    assert set(found.usable) == {"good", "slurm"}
    assert set(found.broken) == {"crashes", "leaves", "renamed", "empty", "missing", "gone"}
    assert "ZeroDivisionError" in found.broken["crashes"]
    assert "observe" in found.broken["empty"]
    with pytest.raises(UnknownTypeError) as raised:
        found.get("crashes")
    assert raised.value.hint


@pytest.mark.parametrize("ours_first", [True, False])
def test_nobody_takes_the_place_of_a_source_of_ours(ours_first: bool) -> None:
    points = [OURS, point("slurm", "Good")]
    found = load_sources(points if ours_first else points[::-1])
    assert isinstance(found.usable["slurm"], SlurmSource)
    assert list(found.broken) == ["slurm of foreign_plugins:Good"]


def test_two_strangers_of_one_name_are_both_refused() -> None:
    found = load_sources([point("good", "Good"), EntryPoint("good", "other:Good", GROUP)])
    assert not found.usable
    assert "foreign_plugins:Good, other:Good" in found.broken["good"]


def test_only_errors_of_the_contract_come_out_of_a_plug_in() -> None:
    with pytest.raises(BrokenSourceError) as raised, guarded("x"):
        raise RecursionError("deep")
    assert raised.value.shared is False
    with pytest.raises(ConnectError), guarded("x"):
        raise ConnectError("refused")
