"""Tasks that a launcher runs on its own machine, judged by nemo-run's records and by the processes. Pure.

What decides, in this order: the exit codes that the launcher left behind; the end that it saw and wrote down; a process
whose output is that task's log; the launcher at work on that log. Where none of these is, the task is gone, and that is
believed only of the machine, boot and pid namespace in which the experiment was registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from jobwarden.sources.base import Absent, CouldNotAsk, Seen, Sighting
from jobwarden.sources.launcher.ids import launched_at
from jobwarden.sources.launcher.look import Experiment, Machine
from jobwarden.sources.launcher.records import LocalApp, Result
from jobwarden_registry.model import Evidence
from jobwarden_registry.phases import Phase

_ENDED: Final[Mapping[str, Phase]] = {
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}
_WHERE = ("nemo-run's records", "process table")
LOCAL = "local"


def local_parts(
    experiment: Experiment, machine: Machine, facts: Mapping[str, JsonValue], evidence: Evidence
) -> dict[str, Sighting]:
    """Judge every local task that was started, and those that were not; by name."""
    parts: dict[str, Sighting] = {
        app.task if [one.task for one in experiment.apps].count(app.task) == 1 else app.id: _judge(
            app, experiment, machine, facts, evidence
        )
        for app in experiment.apps
    }
    waiting = [task.name for task in experiment.tasks or () if task.kind == LOCAL]
    at_work = experiment.holders is None or bool(experiment.holders.launchers or experiment.holders.output)
    for name in waiting[len(experiment.apps) :]:
        if experiment.cancelled and not at_work:
            begun = launched_at(experiment.place.experiment)
            parts[name] = Seen(phase=Phase.CANCELLED, status="CANCELLED", submitted_at=begun, evidence=evidence)
            continue
        parts[name] = not_begun(experiment, evidence, "NOT STARTED").model_copy(
            update={"submitted_at": launched_at(experiment.place.experiment)}
        )
    return parts


def not_begun(experiment: Experiment, evidence: Evidence, status: str) -> Seen:
    """Say of a task that no scheduler knows it yet: it waits for its launcher, and for ever where that has gone."""
    gone = experiment.holders is not None and not experiment.holders.output and not experiment.holders.launchers
    looked = bool(experiment.place.output) and gone
    late = evidence.asked_at.timestamp() - launched_at(experiment.place.experiment).timestamp() > 600
    stuck = None
    if looked and late:
        stuck = (
            "was not given to its scheduler, and the launcher that should do it is not there any more: launch it again"
        )
    return Seen(
        phase=Phase.PENDING,
        status=status,
        reason=experiment.output.trouble or "its launcher has not come to it",
        stuck=stuck,
        evidence=evidence,
    )


def _judge(
    app: LocalApp, experiment: Experiment, machine: Machine, facts: Mapping[str, JsonValue], evidence: Evidence
) -> Sighting:
    begun = launched_at(experiment.place.experiment)
    result = experiment.results.get(app.id)
    if result is not None:
        return _ended(result, experiment, evidence)
    state = _ENDED.get(app.state)
    if state is not None:
        phase = Phase.CANCELLED if experiment.cancelled and state is Phase.FAILED else state
        return Seen(phase=phase, status=app.state, submitted_at=begun, evidence=evidence)
    strange = _elsewhere(machine, facts)
    if strange:
        return CouldNotAsk(code="launcher.other_machine", text=strange, evidence=evidence)
    holders = experiment.holders
    if holders is None:
        text = "Which processes are at work cannot be seen on that machine."
        return CouldNotAsk(code="launcher.no_process_table", text=text, evidence=evidence)
    if holders.tasks.get(app.id) or holders.launchers.get(app.id):
        return Seen(phase=Phase.RUNNING, status="RUNNING", submitted_at=begun, evidence=evidence)
    if experiment.cancelled:
        return Seen(phase=Phase.CANCELLED, status="CANCELLED", submitted_at=begun, evidence=evidence)
    if not facts.get("boot"):
        text = "It is not known on which machine it was launched, so that it is not there says nothing."
        return CouldNotAsk(code="launcher.unproven", text=text, evidence=evidence)
    return Absent(where=_WHERE, evidence=evidence)


def _ended(result: Result, experiment: Experiment, evidence: Evidence) -> Seen:
    bad = next((code for code in result.exit_codes if code), 0)
    phase = Phase.FAILED if bad else Phase.SUCCEEDED
    if bad and (experiment.cancelled or result.state == "CANCELLED"):
        phase = Phase.CANCELLED
    words = {Phase.FAILED: "FAILED", Phase.SUCCEEDED: "SUCCEEDED", Phase.CANCELLED: "CANCELLED"}
    return Seen(
        phase=phase,
        status=words[phase],
        exit_code=bad if bad >= 0 else None,
        signal=-bad if bad < 0 else None,
        submitted_at=launched_at(experiment.place.experiment),
        ended_at=None if result.ended_at is None else datetime.fromtimestamp(result.ended_at, UTC),
        evidence=evidence,
    )


def _elsewhere(machine: Machine, facts: Mapping[str, JsonValue]) -> str:
    """Say why this machine cannot see its processes; a machine that has booted since can: there are none."""
    known = {name: facts.get(name) for name in ("machine", "namespace")}
    if known["machine"] and known["machine"] != machine.id:
        return "It was launched on another machine, and only there can be seen how it fares."
    if not known["machine"] and facts.get("boot") not in (None, machine.boot):
        return "That machine tells no name of its own and has booted since, or is another one."
    if known["namespace"] and known["namespace"] != machine.namespace and facts.get("boot") == machine.boot:
        return "It was launched in another container, and only there can be seen how it fares."
    return ""
