"""Programs that run on this machine without a scheduler, under our own supervisor.

The process table and the supervisor's files are read directly and not through `Host.transport`: the jobs of a
`LivesHere` source exist on this machine only, a pid is checked a few microseconds after it was read and not a
round trip later, and hundreds of jobs cost no child process. The reading is done in one worker thread.

What decides, in this order:

- made on another machine: could not ask, whatever stands in a shared home: its processes are not to be seen from here;
- a result file: EXITED n or SIGNALED n, the only end there is. `cancelled` when our own cancel came before it;
- the machine has booted since: absent, for no process outlives that, and a reboot is lost, not failed;
- another pid namespace (another container): could not ask;
- a process of that pid *and* start time: RUNNING, or STOPPED. One that has ended under a live supervisor is RUNNING
  until the supervisor has written how;
- otherwise it is GONE: absent from the process table and from the result file. Its supervisor was killed, so nobody
  knows how it ended; that is no evidence of an end, and the engine's rule of absence makes it `lost`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import anyio.to_thread

from jobwarden.sources.base import Absent, CancelOutcome, CouldNotAsk, Found, Host, Seen, Sighting, Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.post_mortem import PostMortem
from jobwarden.sources.process.cancel import cancel_all
from jobwarden.sources.process.control import CANNOT, control_all
from jobwarden.sources.process.launch import Started, supervised
from jobwarden.sources.process.state import (
    ResultFile,
    State,
    agrees,
    check_root,
    parse_process_id,
    processes_folder,
    read_result,
    read_state,
    was_direct,
)
from jobwarden.sources.process.table import Process, can_look, command_of, find_process
from jobwarden.sources.process.using import measure_all
from jobwarden.sources.using import Use
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import Evidence, LogPaths
from jobwarden_registry.phases import Phase
from jobwarden_registry.processes import ProcessId, this_process

_WHERE = ("process table", "result file")


class ProcessSource:
    """`kind: process`; see `Source`."""

    def __init__(self, root: Path | None = None, *, clock: Clock = utc_now) -> None:
        """Take where supervised processes are kept; by default `processes_folder` of our own environment."""
        self._root = root
        self._clock = clock

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return "process"

    @property
    def local_only(self) -> bool:
        """See `LivesHere.local_only`."""
        return True

    def parse_id(self, text: str) -> str:
        """See `Source.parse_id`."""
        return parse_process_id(text)

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        """See `Source.observe`."""
        if not wanted:
            return {}
        return await anyio.to_thread.run_sync(_look_at_all, self._here(host), tuple(wanted))

    async def cancel(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        """See `Cancels.cancel`. SIGTERM to the group, and SIGKILL after the grace by the supervisor.

        The grace is `clocks.cancel_grace_s`, or `cancel_grace_s` in `Host.settings`.
        """
        return await cancel_all(self._folder(host), host, wanted)

    async def post_mortem(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, PostMortem]:
        """See `Accounts.post_mortem`: what the supervisor has written down."""
        return await anyio.to_thread.run_sync(_used, self._here(host), tuple(wanted))

    async def measure(self, host: Host, wanted: Sequence[Wanted], *, gpus: bool) -> Mapping[str, Use]:  # noqa: ARG002 -- the contract's; whose a GPU of this machine is used by, nothing here tells
        """See `MeasuresUse.measure`: the process table, of the program's whole session."""
        root = self._folder(host)
        return await anyio.to_thread.run_sync(measure_all, root, host.machine_id, self._clock(), tuple(wanted))

    @property
    def controls(self) -> frozenset[Control]:
        """See `Controls.controls`."""
        return frozenset({Control.SUSPEND, Control.RESUME, Control.SIGNAL})

    @property
    def cannot(self) -> Mapping[Control, str]:
        """See `Controls.cannot`."""
        return CANNOT

    async def control(self, host: Host, wanted: Sequence[Wanted], change: Change) -> Mapping[str, CancelOutcome]:
        """See `Controls.control`. SIGSTOP and SIGCONT to the program's whole session, other signals to it alone."""
        return await control_all(self._folder(host), host, wanted, change)

    async def discover(self, host: Host) -> Sequence[Found]:
        """See `Discovers.discover`."""
        return await anyio.to_thread.run_sync(_living, self._here(host))

    def _here(self, host: Host) -> _Here:
        return _Here(root=self._folder(host), machine_id=host.machine_id, asked_at=self._clock(), us=this_process())

    def _folder(self, host: Host) -> Path:
        configured = host.settings.get("processes_folder")
        if isinstance(configured, str):
            return Path(configured)
        return self._root or processes_folder(os.environ)


class _Here(NamedTuple):
    """Where one look is taken from."""

    root: Path
    machine_id: str
    asked_at: datetime
    us: ProcessId
    """The asking process, for its boot and pid namespace."""


def _look_at_all(here: _Here, wanted: Sequence[Wanted]) -> dict[str, Sighting]:
    if not can_look():
        raise SourceUnavailableError("The process table cannot be read.", code="process.no_process_table")
    kept = check_root(here.root)
    return {one.id: _look(here, one, kept=kept) for one in wanted}


def _used(here: _Here, wanted: Sequence[Wanted]) -> dict[str, PostMortem]:
    told: dict[str, PostMortem] = {}
    for one in wanted:
        state = read_state(here.root, one.id) if check_root(here.root) else None
        if state is not None and state.result is not None and state.job.machine_id == here.machine_id:
            began = state.start.started_at if state.start is not None else state.job.submitted_at
            elapsed = max(0.0, state.result.ended_at - began)
            told[one.id] = PostMortem(elapsed_s=elapsed, max_rss_bytes=state.result.max_rss_bytes or None)
    return told


def _living(here: _Here) -> list[Found]:
    if not can_look():
        raise SourceUnavailableError("The process table cannot be read.", code="process.no_process_table")
    found: list[Found] = []
    for started in supervised(here.root):
        sighting = _look(here, Wanted(id=started.id, facts=started.facts), kept=True)
        if isinstance(sighting, Seen) and not sighting.phase.final:
            found.append(_found(started, sighting))
    return found


def _found(started: Started, seen: Seen) -> Found:
    return Found(
        id=started.id,
        phase=seen.phase,
        status=seen.status,
        what=f"{command_of(started.facts.get('pid'))} in {started.work_dir}",
        question="supervised processes",
        submitted_at=seen.submitted_at,
        started_at=seen.started_at,
        facts=started.facts,
    )


def _look(here: _Here, one: Wanted, *, kept: bool) -> Sighting:
    try:
        state = read_state(here.root, one.id) if kept else None
        if state is not None:
            return _judge(here, one, state)
        return _without_state(here, one, kept=kept)
    except JobwardenError as error:
        return _could_not_ask(here, error.code, str(error))


def _without_state(here: _Here, one: Wanted, *, kept: bool) -> Sighting:
    """Say what is known of a job without a folder: nothing, or that its folder went away."""
    if one.facts.get("machine_id", here.machine_id) != here.machine_id:
        return _elsewhere(here)
    if one.facts and not kept:
        return _could_not_ask(
            here, "process.folder_missing", f"{here.root} is not there, so how the program fares cannot be read."
        )
    evidence = Evidence(
        asked_at=here.asked_at, question=(f"look into {here.root / one.id}",), rule="no such supervised process"
    )
    return Absent(where=_WHERE, evidence=evidence)


def _judge(here: _Here, one: Wanted, state: State) -> Sighting:
    if not state.job.machine_id == here.machine_id == one.facts.get("machine_id", here.machine_id):
        return _elsewhere(here)
    if not agrees(state, one.facts):
        return _could_not_ask(here, "process.untrusted", "The registry's pid is not the one that its supervisor wrote.")
    if state.result is not None:
        return _ended(here, state, state.result, state.lines)
    if state.start is None:
        return _absent(here, state, "its supervisor never started it")
    if state.job.boot_id != here.us.boot_id:
        return _absent(
            here, state, "the machine has booted since, and there is no result: a reboot is lost, not failed"
        )
    if state.job.pid_namespace != here.us.pid_namespace:
        return _elsewhere(here)
    return _judge_alive(here, state)


def _judge_alive(here: _Here, state: State) -> Sighting:
    assert state.start is not None
    process = find_process(state.start.pid, state.start.start_time)
    supervisor = find_process(state.start.supervisor_pid, state.start.supervisor_start_time)
    if process is not None and not process.ended:
        return _alive(here, state, process)
    if supervisor is not None and not supervisor.ended:
        return _seen(
            here, state, Phase.RUNNING, "RUNNING", _lines(state, supervisor), "its supervisor is still at work"
        )
    # Both are gone; the result may have been written between our first look at it and this one.
    late = read_result(state.folder)
    if late is not None:
        return _ended(here, state, late[0], (*state.lines, late[1]))
    if was_direct(state):
        rule = "we signalled it ourselves, for its supervisor was dead, and it is not there any more"
        return _seen(here, state, Phase.CANCELLED, "GONE", state.lines, rule)
    return _absent(here, state, "no process of that pid and start time, no supervisor, and no result")


def _alive(here: _Here, state: State, process: Process) -> Seen:
    rule = "a process of that pid and start time, on the same boot"
    if process.stopped:
        return _seen(here, state, Phase.SUSPENDED, "STOPPED", _lines(state, process), f"{rule}, stopped")
    return _seen(here, state, Phase.RUNNING, "RUNNING", _lines(state, process), rule)


def _ended(here: _Here, state: State, result: ResultFile, lines: tuple[str, ...]) -> Seen:
    word = f"EXITED {result.exit_code}" if result.signal is None else f"SIGNALED {result.signal}"
    phase = Phase.SUCCEEDED if result.exit_code == 0 else Phase.FAILED
    if result.cancelled:
        phase = Phase.CANCELLED
    seen = _seen(here, state, phase, word, lines, "the supervisor's result file" + ", cancelled" * result.cancelled)
    return seen.model_copy(
        update={
            "exit_code": result.exit_code,
            "signal": result.signal,
            "ended_at": datetime.fromtimestamp(result.ended_at, UTC),
            "reason": "cancelled by jobwarden" if result.cancelled else None,
        }
    )


def _seen(here: _Here, state: State, phase: Phase, status: str, lines: tuple[str, ...], rule: str) -> Seen:
    started = None if state.start is None else datetime.fromtimestamp(state.start.started_at, UTC)
    return Seen(
        phase=phase,
        status=status,
        submitted_at=datetime.fromtimestamp(state.job.submitted_at, UTC),
        started_at=started,
        work_dir=state.job.work_dir,
        log=LogPaths(stdout=state.job.log, stderr=state.job.log),
        evidence=Evidence(asked_at=here.asked_at, question=_question(state), lines=lines, rule=rule),
    )


def _absent(here: _Here, state: State, rule: str) -> Absent:
    evidence = Evidence(asked_at=here.asked_at, question=_question(state), lines=state.lines, rule=rule)
    return Absent(where=_WHERE, evidence=evidence)


def _elsewhere(here: _Here) -> CouldNotAsk:
    text = "It was started on another machine or in another container, and only there can be seen how it fares."
    return _could_not_ask(here, "process.other_machine", text)


def _could_not_ask(here: _Here, code: str, text: str) -> CouldNotAsk:
    return CouldNotAsk(code=code, text=text, evidence=Evidence(asked_at=here.asked_at))


def _question(state: State) -> tuple[str, ...]:
    table = () if state.start is None else (f"read /proc/{state.start.pid}/stat",)
    return (f"read {state.folder / 'result.json'}", *table)


def _lines(state: State, process: Process) -> tuple[str, ...]:
    return (*state.lines, process.line)
