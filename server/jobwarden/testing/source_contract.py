"""What every source must do, as checks that the author of one calls from any test runner.

    SUBJECT = Subject(name="tinyq", unknown_ids=("4000001", "4000002"))

    @pytest.mark.parametrize("check", checks_for(SUBJECT), ids=lambda check: check.__name__)
    def test_the_contract_of_a_source(check: Check) -> None:
        check(SUBJECT)

The contract itself is `jobwarden.sources.base.Source`. A check raises ContractError, which is an AssertionError.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio
from pydantic import TypeAdapter

from jobwarden.sources.base import CancelOutcome, Cancels, Discovers, Host, LivesHere, Sighting, Source, Wanted
from jobwarden.sources.controls import Change, Control, Controls
from jobwarden.sources.errors import SourceError
from jobwarden.sources.plugins import GROUP, believed, load_sources
from jobwarden.sources.post_mortem import Accounts
from jobwarden.testing.paper import PaperTransport, TornTransport, unreachable
from jobwarden.transport.base import Completed, Transport
from jobwarden.transport.errors import TransportError
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.phases import Phase

NONSENSE = (
    "", " ", "-1", "--help", "a b", "1; rm", "../1", "$(id)", "1\n2", "x" * 10_000, "\0", "*", "{}", "None", "🦜",
)  # fmt: skip
"""No id of any source: each would mean something to a shell, a path or a command line, or is nothing at all."""

NO_ANSWERS = {
    "nothing": Completed(0, b"", b""),
    "garbage": Completed(0, b"\xff\x00garbage\n|||\n", b"\xfe"),
    "an error": Completed(1, b"", b"Unable to contact the controller"),
    "not installed": Completed(127, b"", b"command not found"),
    "killed": Completed(-9, b"4000000001", b""),
}
"""What a host says when it says nothing about any job."""

_VALUES = {Control.SIGNAL: "USR1", Control.TIME_LIMIT: "10"}
_CUTS = 200
_ERROR_CHARS = 1000
_SIGHTINGS: TypeAdapter[Sighting] = TypeAdapter(Sighting)


class ContractError(AssertionError):
    """The source does not do what its contract says."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One source, and what only its author knows of it.

    Attributes:
        name: Its entry point's name.
        unknown_ids: Ids in canonical form of jobs that do not exist.
        known: Ids in canonical form of jobs that exist on the host that `host` gives, with their phases.
        host: Gives a host that answers every question of the source rightly and knows the jobs of `known`, often
            a `PaperTransport` or `FramedTransport` with captured output. Without one the checks of what is believed
            are left out: then they must be made on the real thing.
        break_local: For a `LivesHere` source: makes what it reads on this machine unreadable.
    """

    name: str
    unknown_ids: tuple[str, ...]
    known: Mapping[str, Phase] = field(default_factory=dict[str, Phase])
    host: Callable[[], Transport] | None = None
    break_local: Callable[[], None] | None = None

    @property
    def source(self) -> Source:
        """Load it as jobwarden does."""
        return load_sources().get(self.name)

    @property
    def local(self) -> bool:
        """Whether it asks nobody but this machine."""
        return isinstance(self.source, LivesHere)


Check = Callable[[Subject], None]
_Ask = Callable[[Host, Sequence[Wanted]], Awaitable[Mapping[str, CancelOutcome]]]


def checks_for(subject: Subject) -> tuple[Check, ...]:
    """Give the checks that this source must pass."""
    chosen: list[Check] = [
        it_is_found_by_its_entry_point_and_bears_its_name,
        it_takes_a_canonical_id_as_it_is,
        it_refuses_nonsense_and_says_what_an_id_looks_like,
        it_asks_nothing_when_nobody_wants_anything,
        it_brings_no_connection_library,
    ]
    if not subject.local:
        chosen += [it_raises_when_its_host_cannot_be_asked, it_makes_nothing_of_an_answer_that_is_none]
    elif subject.break_local is not None:
        chosen.append(it_raises_when_its_host_cannot_be_asked)
    if subject.local or subject.host is not None:
        chosen.append(it_gives_one_sighting_for_every_id)
    if subject.host is not None and not subject.local:
        chosen.append(it_believes_no_torn_answer)
    if isinstance(subject.source, Cancels):
        chosen.append(it_cancels_nothing_that_it_does_not_know)
    if isinstance(subject.source, Controls):
        chosen.append(it_controls_nothing_that_it_does_not_know)
    if isinstance(subject.source, Accounts):
        chosen.append(it_accounts_for_no_job_but_those_asked_about)
    if isinstance(subject.source, Discovers) and not subject.local:
        chosen.append(it_lists_jobs_or_raises)
    return tuple(chosen)


def it_is_found_by_its_entry_point_and_bears_its_name(subject: Subject) -> None:
    """Loaded by the entry point, it calls itself by that name, and is not broken."""
    found = load_sources()
    _must(subject.name in found.usable, f"{subject.name} is not usable: {found.broken.get(subject.name, 'not found')}")


def it_takes_a_canonical_id_as_it_is(subject: Subject) -> None:
    """`parse_id` leaves a canonical id alone, so that one job never has two ids."""
    _must(bool(subject.unknown_ids), "Subject.unknown_ids is empty")
    for one in (*subject.unknown_ids, *subject.known):
        parsed = subject.source.parse_id(one)
        _must(parsed == one, f"parse_id({one!r}) gave {parsed!r}")


def it_refuses_nonsense_and_says_what_an_id_looks_like(subject: Subject) -> None:
    """What could mean something to a shell or a command line is no id: InvalidIdError, short, with a hint."""
    for text in NONSENSE:
        shown = f"{text[:20]!r}"
        try:
            parsed = subject.source.parse_id(text)
        except InvalidIdError as error:
            _must(bool(error.hint), f"the error about {shown} has no hint")
            _must(len(str(error)) < _ERROR_CHARS, f"the error about {shown} is too long")
        else:
            raise ContractError(f"parse_id took {shown} for {parsed[:20]!r}")


def it_asks_nothing_when_nobody_wants_anything(subject: Subject) -> None:
    """`observe` of nothing answers nothing, without a question."""
    transport = unreachable()
    found = _observe(subject, transport, [])
    _must(isinstance(found, Mapping) and not found, f"observe of nothing gave {found!r}")
    _must(not transport.asked, f"observe of nothing asked {transport.asked}")


def it_brings_no_connection_library(subject: Subject) -> None:
    """A source imports no transport: what only connections need does not come with it."""
    program = (
        "import sys; from importlib.metadata import entry_points\n"
        f"[point.load()() for point in entry_points(group={GROUP!r}, name={subject.name!r})]\n"
        "print([name for name in ('asyncssh', 'mcp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    _must(done.stdout.strip() == "[]", f"loading it loaded {done.stdout.strip() or done.stderr}")


def it_raises_when_its_host_cannot_be_asked(subject: Subject) -> None:
    """No connection is an exception of the contract, and says nothing about any job."""
    if subject.local and subject.break_local is not None:
        subject.break_local()
    found = _observe(subject, unreachable(), _wanted(subject.unknown_ids))
    _must(not isinstance(found, Mapping), f"the host could not be asked, and observe gave {found!r:.300}")


def it_makes_nothing_of_an_answer_that_is_none(subject: Subject) -> None:
    """Silence, garbage or a missing program ends no job and makes none absent."""
    for name, answer in NO_ANSWERS.items():
        transport = PaperTransport(answer)
        found = _observe(subject, transport, _wanted(subject.unknown_ids))
        kinds = {one.kind for one in found.values()} if isinstance(found, Mapping) else set[str]()
        _must(kinds <= {"could_not_ask"}, f"of {name} it made {found!r:.300}")
        _must(bool(transport.asked), "it never asked")


def it_gives_one_sighting_for_every_id(subject: Subject) -> None:
    """One for each id asked, once, and no other; each says who was asked, and comes through the ledger whole."""
    transport = subject.host() if subject.host is not None else unreachable()
    asked = _wanted((*subject.unknown_ids, *subject.known))
    found = _observe(subject, transport, [*asked, *asked])
    if not isinstance(found, Mapping):
        raise ContractError(f"a host that answers rightly made observe raise {found!r}")
    _must(set(found) == {one.id for one in asked}, f"asked for {[one.id for one in asked]}, it gave {sorted(found)}")
    for job, sighting in found.items():
        _must(_SIGHTINGS.validate_json(_SIGHTINGS.dump_json(sighting)) == sighting, f"{job}: not the same as JSON")
        _must(bool(sighting.evidence.question), f"{job}: its evidence does not name the question")
    for job in subject.unknown_ids:
        _must(found[job].kind == "absent", f"{job} does not exist, and it gave {found[job]!r:.300}")
    for job, phase in subject.known.items():
        _must(_phase(found[job]) is phase, f"{job} is {phase}, and it gave {found[job]!r:.300}")


def it_believes_no_torn_answer(subject: Subject) -> None:
    """An answer cut anywhere never makes a known job absent, nor gives it another phase."""
    if subject.host is None:
        raise ContractError("Subject.host is missing")
    asked = _wanted(tuple(subject.known))
    whole = TornTransport(subject.host(), sys.maxsize)
    _observe(subject, whole, asked)
    step = max(1, whole.longest_bytes // _CUTS)
    for keep_bytes in range(0, whole.longest_bytes, step):
        found = _observe(subject, TornTransport(subject.host(), keep_bytes), asked)
        for job, sighting in found.items() if isinstance(found, Mapping) else ():
            _must(
                sighting.kind == "could_not_ask" or _phase(sighting) is subject.known[job],
                f"cut after {keep_bytes} bytes, {job} became {sighting!r:.300}",
            )


def it_lists_jobs_or_raises(subject: Subject) -> None:
    """Silence is no empty list; and every id that is listed is canonical."""
    source = subject.source
    if not isinstance(source, Discovers):
        raise ContractError("it cannot list jobs")
    for name, transport in {
        "no connection": unreachable(),
        **{k: PaperTransport(v) for k, v in NO_ANSWERS.items()},
    }.items():
        try:
            listed = anyio.run(source.discover, _host(transport))
        except (TransportError, SourceError):
            continue
        raise ContractError(f"of {name} it made the list {listed!r:.300}")
    if subject.host is not None:
        for one in anyio.run(source.discover, _host(subject.host())):
            _must(source.parse_id(one.id) == one.id, f"it lists {one.id!r}, which is not canonical")


def it_cancels_nothing_that_it_does_not_know(subject: Subject) -> None:
    """Each id gets one outcome, or all an exception; none of an unknown job is accepted, and each says why."""
    source = subject.source
    if not isinstance(source, Cancels):
        raise ContractError("it cannot cancel")
    _refuses_unknown(subject, source.cancel)


def it_controls_nothing_that_it_does_not_know(subject: Subject) -> None:
    """As for `cancel`, with each action that it says it can do."""
    source = subject.source
    if not isinstance(source, Controls):
        raise ContractError("it cannot control")
    _must(bool(source.controls), "it names no action that it can do")
    _must(not source.controls & set(source.cannot), "it says of an action both that it can and that it cannot do it")
    _must(all(source.cannot.values()), "it does not say why it cannot do an action")
    for action in source.controls:
        change = Change(action, _VALUES.get(action, ""))
        _refuses_unknown(subject, partial(_control, source, change))


def it_accounts_for_no_job_but_those_asked_about(subject: Subject) -> None:
    """Nothing wanted, nothing told; of unknown jobs at most themselves, or an exception of the contract."""
    source = subject.source
    if not isinstance(source, Accounts):
        raise ContractError("it cannot account for its jobs")
    _must(
        not anyio.run(source.post_mortem, _host(unreachable()), _wanted([])),
        "it was asked about nothing, and told something",
    )
    for transport in (unreachable(), subject.host() if subject.host is not None else unreachable()):
        try:
            told = anyio.run(source.post_mortem, _host(transport), _wanted(subject.unknown_ids))
        except (TransportError, SourceError):
            continue
        _must(set(told) <= set(subject.unknown_ids), f"it was not asked about {sorted(told)}")


async def _control(
    source: Controls, change: Change, host: Host, wanted: Sequence[Wanted]
) -> Mapping[str, CancelOutcome]:
    return await source.control(host, wanted, change)


def _refuses_unknown(subject: Subject, ask: _Ask) -> None:
    asked = _wanted(subject.unknown_ids)
    for transport in (unreachable(), subject.host() if subject.host is not None else unreachable()):
        try:
            outcomes = anyio.run(ask, _host(transport), asked)
        except (TransportError, SourceError):
            continue
        _must(set(outcomes) == {one.id for one in asked}, f"it gave outcomes for {sorted(outcomes)}")
        for job, outcome in outcomes.items():
            _must(not outcome.accepted, f"{job} does not exist, and the request was accepted")
            _must(bool(outcome.text), f"{job}: the outcome does not say why")


def _observe(
    subject: Subject, transport: Transport, wanted: Sequence[Wanted]
) -> Mapping[str, Sighting] | TransportError | SourceError:
    """Ask once. Any other error is the check's failure: jobwarden would call the source broken."""
    try:
        answer = anyio.run(subject.source.observe, _host(transport), wanted)
    except (TransportError, SourceError) as error:
        return error
    return believed(subject.name, answer)


def _host(transport: Transport) -> Host:
    return Host(transport=transport, machine_id="this-machine", timeout_s=5)


def _wanted(ids: Sequence[str]) -> list[Wanted]:
    return [Wanted(id=one) for one in ids]


def _phase(sighting: Sighting) -> Phase | None:
    return sighting.phase if sighting.kind == "seen" else None


def _must(true: bool, text: str) -> None:  # noqa: FBT001 -- as `assert` has it
    if not true:
        raise ContractError(text)
