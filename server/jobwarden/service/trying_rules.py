"""What rules would have done: tried against the log that is there. Nothing is remembered, and nothing is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anyio import to_thread

from jobwarden.actions.carrying import Actor
from jobwarden.logs.allowed import allowed_path
from jobwarden.logs.position import Position, advance
from jobwarden.rules.engine import step
from jobwarden.rules.lines import lines_of, whole_bytes
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.sight import Look, Text
from jobwarden.rules.state import Fired, JobRules
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.service.views import HitsView, HitView
from jobwarden.sources.log_files import LogFile
from jobwarden.verdict.log_files import file_of, logs_of, readable_at, with_claimed
from jobwarden_registry.errors import InvalidIdError

_MOST_BYTES = 16 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_SHOWN = 20


async def try_rules(desk: Desk, one: Known, rules: Sequence[Rule]) -> tuple[HitsView, ...]:
    """Say for what lines of a job's log its rules would have fired.

    Raises:
        InvalidIdError: None of them reads a log, or it is not known where it is.
        LogRefusedError, TransportError: It cannot be read.
    """
    reading = [rule for rule in rules if rule.kind is Kind.PATTERN]
    if not reading:
        raise InvalidIdError("Only a rule with a pattern can be tried.", hint="The others depend on time and state.")
    streams = dict.fromkeys(stream for rule in reading for stream in rule.reads)
    logs = with_claimed(one.record, await logs_of(desk.world.rounds, one.record))
    files: dict[tuple[str, str], list[str]] = {}
    for stream in streams:
        file = file_of(logs.files, stream)
        if file is not None:
            files.setdefault((file.host or one.record.host, file.path), []).append(stream)
    if not files:
        raise InvalidIdError("It is not known where this job writes its log.")
    tried = {rule.name: _Tried(rule) for rule in reading}
    for (host, path), names in files.items():
        data, whole = await _read(desk, one, LogFile(names[0], path, host))
        for rule in reading:
            if set(names) & set(rule.reads):
                await to_thread.run_sync(tried[rule.name].take, desk, one, data, tuple(names), whole)
    actor = Actor(desk.world.rounds, desk.world.env)
    return tuple([each.view(await each.would(actor, one)) for each in tried.values()])


async def _read(desk: Desk, one: Known, file: LogFile) -> tuple[bytes, bool]:
    rounds = desk.world.rounds
    logs = with_claimed(one.record, await logs_of(rounds, one.record))
    async with desk.world.transports.lease(file.host) as transport:
        readable = readable_at(rounds, one.record, logs, file, desk.world.env)
        real = await allowed_path(transport, file.path, readable, timeout_s=rounds.config.clocks.ask_timeout_s)
        position, parts, size = Position(str(real)), list[bytes](), 0
        while size < _MOST_BYTES:
            read = await advance(transport, position, max_bytes=_READ_BYTES)
            if read.happened == "missing" and not parts:
                raise InvalidIdError(f"There is no log at {file.path} yet.")
            if read.happened:
                break
            parts.append(read.data)
            position, size = read.position, size + len(read.data)
            if len(read.data) < _READ_BYTES:
                return b"".join(parts), True
    return b"".join(parts), False


class _Tried:
    """One rule, and what it came to."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._state = JobRules()
        self._hits: list[HitView] = []
        self._first: Fired | None = None
        self._count = 0
        self._failed = 0
        self._why = ""
        self._lines = 0
        self._whole = True

    def take(self, desk: Desk, one: Known, data: bytes, streams: tuple[str, ...], whole: bool) -> None:  # noqa: FBT001 -- of this module alone
        """Try one file, line by line, so that each hit has its number."""
        self._whole = self._whole and whole
        now = desk.world.clock()
        ended = data if whole else data[: whole_bytes(data)]
        for number, line in _numbered(ended):
            self._lines = number
            self._look(Look(one.record, now, texts=[Text(streams, line)]), number)
        if self._rule.at_end:
            self._look(Look(one.record, now, last=True), self._lines)

    def _look(self, look: Look, number: int) -> None:
        # A log of days is tried in an instant: what holds a rule back in time means nothing here.
        fresh = {"in_window": 0, "last_fired_at": None, "failures": 0}
        before = self._state.of(self._rule.name).model_copy(update=fresh)
        outcome = step([self._rule], self._state.with_rule(self._rule.name, before), look)
        after = outcome.state.of(self._rule.name)
        self._failed += after.failures
        self._count += len(outcome.fired)
        self._state = outcome.state.model_copy(update={"pending": ()})
        self._first = self._first or next(iter(outcome.fired), None)
        room = _SHOWN - len(self._hits)
        self._hits += [HitView(line=number, text=one.line, captures=one.captures) for one in outcome.fired[:room]]

    async def would(self, actor: Actor, one: Known) -> tuple[str, ...]:
        """Say what its actions would do where it would first have fired."""
        if self._first is None:
            return ()
        firing, calls = self._first.firing(one.record.uid), self._rule.actions
        done = await actor.carry_out(one.session, one.record, firing, calls, dry_run=True)
        return tuple(each.text for each in done)

    def view(self, would: tuple[str, ...]) -> HitsView:
        """Say what it came to."""
        return HitsView(
            rule=self._rule.name,
            fired=self._count,
            matches=self._state.of(self._rule.name).matches,
            failed=self._failed,
            lines=self._lines,
            whole=self._whole,
            hits=tuple(self._hits),
            would=would,
        )


def _numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, row in enumerate(data.split(b"\n"), start=1):
        for line in lines_of(row).split(b"\n"):
            if line:
                yield number, line
