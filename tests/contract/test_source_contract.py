"""What every source must do, over all that are installed: see `jobwarden.sources.base.Source`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath

import pytest

from jobwarden.sources.base import Absent, Cancels, Host, LivesHere, Source, Wanted
from jobwarden.sources.errors import SourceError
from jobwarden.transport.base import Chunk, Completed
from jobwarden.transport.errors import ConnectError, TransportError
from jobwarden_registry.errors import InvalidIdError

SOURCES: dict[str, Source] = {point.name: point.load()() for point in entry_points(group="jobwarden.sources")}
UNKNOWN_IDS = {
    "slurm": ("4000000001", "4000000002"),
    "process": ("p-000000000001", "p-000000000002"),
    "nel": ("00000000000000aa", "00000000000000ab.0"),
    "launcher": ("cicd_1000000000000000001", "cicd_1000000000000000002"),
}
"""Ids in canonical form of jobs that do not exist; a new source adds its own here."""

LOCAL = sorted(name for name, source in SOURCES.items() if isinstance(source, LivesHere))
REMOTE = sorted(set(SOURCES) - set(LOCAL))

NONSENSE = (
    "",
    " ",
    "-1",
    "--help",
    "a b",
    "1; rm",
    "../1",
    "$(id)",
    "1\n2",
    "x" * 10_000,
    "\0",
    "*",
    "{}",
    "None",
    "🦜",
)


class StubTransport:
    """A host that gives every command the same answer, or none; remembers what it was asked."""

    def __init__(self, answer: Completed | TransportError) -> None:
        self.answer = answer
        self.asked: list[tuple[str, ...]] = []

    @property
    def host(self) -> str:
        return "stub"

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        assert timeout_s > 0
        self.asked.append((*argv, stdin.decode()))
        if isinstance(self.answer, TransportError):
            raise self.answer
        return self.answer

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        assert max_bytes > 0
        self.asked.append(("read", str(path), str(start)))
        if isinstance(self.answer, TransportError):
            raise self.answer
        return None


def host(answer: Completed | TransportError) -> tuple[Host, StubTransport]:
    transport = StubTransport(answer)
    return Host(transport=transport, machine_id="this-machine", timeout_s=5), transport


def unreachable() -> ConnectError:
    return ConnectError("No connection.", code="ssh.refused")


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> Source:
    return SOURCES[request.param]


def wanted(source: Source) -> list[Wanted]:
    return [Wanted(id=job_id) for job_id in UNKNOWN_IDS[source.name]]


def break_local_parts() -> None:
    """For a source of this machine, failing means that its own folder cannot be read."""
    state = Path(os.environ["XDG_STATE_HOME"]) / "jobwarden"
    state.mkdir(mode=0o700)
    (state / "processes").write_text("not a folder")


def test_our_own_sources_are_installed() -> None:
    assert {"slurm", "process", "nel", "launcher"} <= set(SOURCES)


def test_a_source_bears_the_name_of_its_entry_point(source: Source) -> None:
    assert SOURCES[source.name] is source


def test_the_ids_used_here_are_in_canonical_form(source: Source) -> None:
    for one in wanted(source):
        assert source.parse_id(one.id) == one.id


@pytest.mark.parametrize("text", NONSENSE, ids=ascii)
def test_nonsense_is_no_id_and_the_hint_says_what_one_looks_like(source: Source, text: str) -> None:
    with pytest.raises(InvalidIdError) as caught:
        source.parse_id(text)
    assert caught.value.hint
    assert len(str(caught.value)) < 1000


async def test_nobody_wanting_anything_asks_nothing(source: Source) -> None:
    where, transport = host(unreachable())
    assert dict(await source.observe(where, [])) == {}
    assert transport.asked == []


async def test_a_host_that_cannot_be_asked_raises(source: Source) -> None:
    where, _ = host(unreachable())
    if isinstance(source, LivesHere):
        break_local_parts()
    with pytest.raises((TransportError, SourceError)):
        await source.observe(where, wanted(source))


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize(
    "answer",
    [
        Completed(status=0, stdout=b"", stderr=b""),
        Completed(status=0, stdout=b"\xff\x00garbage\n|||\n", stderr=b"\xfe"),
        Completed(status=1, stdout=b"", stderr=b"slurm_load_jobs error: Unable to contact slurm controller"),
        Completed(status=127, stdout=b"", stderr=b"command not found"),
        Completed(status=-9, stdout=b"4000000001", stderr=b""),
    ],
    ids=["nothing", "garbage", "controller down", "not installed", "killed"],
)
async def test_an_answer_that_is_none_never_ends_a_job_nor_makes_it_absent(name: str, answer: Completed) -> None:
    source = SOURCES[name]
    where, transport = host(answer)
    try:
        found = await source.observe(where, wanted(source))
    except (SourceError, TransportError):
        pass
    else:
        assert {sighting.kind for sighting in found.values()} == {"could_not_ask"}
    assert transport.asked


@pytest.mark.parametrize("name", LOCAL)
async def test_every_id_asked_gets_one_sighting_and_an_unknown_one_is_absent(name: str) -> None:
    """A source that lives elsewhere is held to this on the real thing, in its own tests."""
    source = SOURCES[name]
    where, _ = host(unreachable())
    asked = wanted(source)
    found = await source.observe(where, [*asked, *asked])
    assert set(found) == {one.id for one in asked}
    for sighting in found.values():
        assert isinstance(sighting, Absent)
        assert sighting.where
        assert sighting.evidence.asked_at.tzinfo is not None
        assert sighting.evidence.question


@pytest.mark.parametrize("name", [name for name in LOCAL if isinstance(SOURCES[name], Cancels)])
async def test_an_unknown_job_is_not_cancelled_and_each_gets_an_outcome(name: str) -> None:
    source = SOURCES[name]
    assert isinstance(source, Cancels)
    where, _ = host(unreachable())
    asked = wanted(source)
    outcomes = await source.cancel(where, asked)
    assert set(outcomes) == {one.id for one in asked}
    assert not any(outcome.accepted for outcome in outcomes.values())
    assert all(outcome.text for outcome in outcomes.values())


def test_loading_the_sources_loads_no_connection_library() -> None:
    """A source imports no concrete transport, so nothing that only connections need comes with it."""
    program = (
        "import sys; from importlib.metadata import entry_points\n"
        "[point.load()() for point in entry_points(group='jobwarden.sources')]\n"
        "print([name for name in ('asyncssh', 'mcp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
