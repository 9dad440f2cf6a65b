"""What every source must do, over all that are installed: the checks that are shipped, and that they find faults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from jobwarden.sources import plugins
from jobwarden.sources.base import Absent, CancelOutcome, Found, Host, Seen, Sighting, Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.framing import Part, framed_argv, new_nonce, read_parts
from jobwarden.testing import source_contract as contract
from jobwarden.testing.paper import FramedTransport
from jobwarden.testing.source_contract import Check, ContractError, Subject, checks_for
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import Evidence
from jobwarden_registry.phases import Phase
from support.slurm_fake import FakeSlurm, account_row, queue_row


def break_local_parts() -> None:
    """For a source of this machine, failing means that its own folder cannot be read."""
    state = Path(os.environ["XDG_STATE_HOME"]) / "jobwarden"
    state.mkdir(mode=0o700)
    (state / "processes").write_text("not a folder")


SUBJECTS = {
    "slurm": Subject(
        name="slurm",
        unknown_ids=("4000000001", "4000000002"),
        known={"101": Phase.RUNNING, "102": Phase.SUCCEEDED, "103": Phase.FAILED},
        host=lambda: FakeSlurm(
            queue=[queue_row("101", "RUNNING")],
            account=[account_row("101", "RUNNING"), account_row("102", "COMPLETED"), account_row("103", "FAILED")],
        ),
    ),
    "process": Subject(name="process", unknown_ids=("p-000000000001", "p-000000000002"), break_local=break_local_parts),
    "launcher": Subject(name="launcher", unknown_ids=("cicd_1000000000000000001", "cicd_1000000000000000002")),
    "nel": Subject(name="nel", unknown_ids=("00000000000000aa", "00000000000000ab.0")),
}
"""A new source adds itself here."""

CASES = [(name, check) for name, subject in SUBJECTS.items() for check in checks_for(subject)]


def test_every_source_that_is_installed_is_held_to_the_contract() -> None:
    assert set(SUBJECTS) == {point.name for point in entry_points(group="jobwarden.sources")}


@pytest.mark.parametrize(("name", "check"), CASES, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_the_contract(name: str, check: Check) -> None:
    check(SUBJECTS[name])


def test_the_checks_need_no_test_runner() -> None:
    program = "import sys, jobwarden.testing.source_contract; print([name for name in sys.modules if 'pytest' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- that the checks find what they are for


class Tiny:
    """A source that keeps the contract: it believes the lines `ID PHASE` of a framed answer."""

    name = "tiny"

    def parse_id(self, text: str) -> str:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidIdError(f"{text[:20]!r} is no id.", hint="It is a number.")
        return str(int(text))

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        return self.judged(await self.asked(host), wanted) if wanted else {}

    async def asked(self, host: Host) -> bytes:
        nonce = new_nonce()
        argv = framed_argv("part list tiny\njw_done\n", nonce, limit_s=5)
        return read_parts((await host.transport.run(argv, timeout_s=5)).stdout, nonce)["list"].stdout

    def judged(self, answer: bytes, wanted: Sequence[Wanted]) -> dict[str, Sighting]:
        rows = dict(line.split(" ") for line in answer.decode().splitlines())
        evidence = Evidence(asked_at=utc_now(), question=("tiny",))
        return {
            one.id: Seen(phase=Phase(rows[one.id]), status=rows[one.id], evidence=evidence)
            if one.id in rows
            else Absent(where=("tiny",), evidence=evidence)
            for one in wanted
        }

    async def cancel(self, _host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        return {one.id: CancelOutcome(accepted=False, text="unknown") for one in wanted}


TINY = Subject(
    name="tiny",
    unknown_ids=("7", "8"),
    known={"1": Phase.RUNNING, "2": Phase.FAILED},
    host=lambda: FramedTransport({"list": Part(0, b"1 running\n2 failed\n", "")}),
)


class Misnamed(Tiny):
    name = "other"


class TakesAnything(Tiny):
    def parse_id(self, text: str) -> str:
        return text


class Rewrites(Tiny):
    def parse_id(self, text: str) -> str:
        return "0" + super().parse_id(text)


class AsksAlways(Tiny):
    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        return self.judged(await self.asked(host), wanted)


class Swallows(Tiny):
    async def asked(self, host: Host) -> bytes:
        try:
            return await super().asked(host)
        except Exception:  # noqa: BLE001 -- the fault that is to be found
            return b""


class Unframed(Tiny):
    """It reads what stands between the frame's first line and wherever the answer ends."""

    async def asked(self, host: Host) -> bytes:
        nonce = new_nonce()
        argv = framed_argv("part list tiny\njw_done\n", nonce, limit_s=5)
        answer = (await host.transport.run(argv, timeout_s=5)).stdout
        lines = answer.partition(b" list\n")[2].partition(b"\n\n")[0].splitlines()
        return b"\n".join(line for line in lines if line.count(b" ") == 1 and line.split()[1].decode() in set(Phase))


class Forgets(Tiny):
    def judged(self, answer: bytes, wanted: Sequence[Wanted]) -> dict[str, Sighting]:
        return {job: one for job, one in super().judged(answer, wanted).items() if isinstance(one, Seen)}


class AcceptsAll(Tiny):
    async def cancel(self, _host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        return {one.id: CancelOutcome(accepted=True, text="done") for one in wanted}


class ListsNothing(Swallows):
    async def discover(self, host: Host) -> Sequence[Found]:
        return [Found(id=row.split()[0].decode(), question="tiny") for row in (await self.asked(host)).splitlines()]


class ControlsAll(Tiny):
    controls = frozenset({Control.SUSPEND})
    cannot: ClassVar[Mapping[Control, str]] = {}

    async def control(self, _host: Host, wanted: Sequence[Wanted], _change: Change) -> Mapping[str, CancelOutcome]:
        return {one.id: CancelOutcome(accepted=True, text="done") for one in wanted}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Tiny]], None]:
    """Give what makes this class the source of the entry point `tiny`."""
    module = ModuleType("foreign_tiny")
    monkeypatch.setitem(sys.modules, "foreign_tiny", module)

    def one(source: type[Tiny]) -> None:
        module.Tiny = source  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] -- made above
        point = EntryPoint("tiny", "foreign_tiny:Tiny", plugins.GROUP)

        def found(*, group: str) -> list[EntryPoint]:
            return [point] if group == plugins.GROUP else []

        monkeypatch.setattr(plugins, "entry_points", found)

    return one


def test_a_source_that_keeps_the_contract_passes(install: Callable[[type[Tiny]], None]) -> None:
    install(Tiny)
    checks = checks_for(TINY)
    assert len(checks) == 10
    for check in checks:
        if check is not contract.it_brings_no_connection_library:  # it is installed in this process alone
            check(TINY)


@pytest.mark.parametrize(
    ("source", "check"),
    [
        (Misnamed, contract.it_is_found_by_its_entry_point_and_bears_its_name),
        (Rewrites, contract.it_takes_a_canonical_id_as_it_is),
        (TakesAnything, contract.it_refuses_nonsense_and_says_what_an_id_looks_like),
        (AsksAlways, contract.it_asks_nothing_when_nobody_wants_anything),
        (Swallows, contract.it_raises_when_its_host_cannot_be_asked),
        (Swallows, contract.it_makes_nothing_of_an_answer_that_is_none),
        (Forgets, contract.it_gives_one_sighting_for_every_id),
        (Unframed, contract.it_believes_no_torn_answer),
        (AcceptsAll, contract.it_cancels_nothing_that_it_does_not_know),
        (ListsNothing, contract.it_lists_jobs_or_raises),
        (ControlsAll, contract.it_controls_nothing_that_it_does_not_know),
    ],
)
def test_a_check_finds_the_fault_that_it_is_for(
    install: Callable[[type[Tiny]], None], source: type[Tiny], check: Check
) -> None:
    install(source)
    with pytest.raises(ContractError):
        check(TINY)
