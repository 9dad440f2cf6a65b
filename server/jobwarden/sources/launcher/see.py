"""From a look at one experiment to what its state hangs on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os.path import commonprefix

from pydantic import JsonValue

from jobwarden.sources.base import CouldNotAsk, DependsOn, Sighting, Wanted
from jobwarden.sources.launcher.conclude import memo_of
from jobwarden.sources.launcher.local import LOCAL, local_parts, not_begun
from jobwarden.sources.launcher.look import Experiment, Machine
from jobwarden.sources.launcher.output import task_named
from jobwarden.sources.launcher.records import SlurmJob
from jobwarden_registry.model import Evidence

SLURM = "slurm"


def depends_of(one: Wanted, experiment: Experiment, machine: Machine, question: Evidence) -> DependsOn | CouldNotAsk:
    """Say on which Slurm jobs an experiment hangs, and what is known of its other tasks."""
    jobs = known_jobs(one, experiment)
    evidence = question.model_copy(update={"lines": _lines(experiment, jobs), "rule": "what its launcher recorded"})
    names = [task.name for task in experiment.tasks or ()] or list(experiment.output.tasks)
    foreign = [task.name for task in experiment.tasks or () if task.kind not in {SLURM, LOCAL}]
    hosts = {(job.host, job.port) for job in jobs}
    if foreign or len(hosts) > 1:
        text = f"Its task {foreign[0]} runs under an executor" if foreign else "Its tasks run on several clusters,"
        return CouldNotAsk(code="launcher.executor", text=f"{text} that cannot be followed yet.", evidence=evidence)
    if not jobs and not experiment.apps and experiment.tasks is None:
        text = f"Nothing of this experiment is in {experiment.home}, nor Slurm jobs in its launcher's output."
        return CouldNotAsk(code="launcher.nothing_known", text=text, evidence=evidence)
    besides: dict[str, Sighting] = {**local_parts(experiment, machine, one.facts, evidence)}
    on_slurm = [task.name for task in experiment.tasks or () if task.kind == SLURM]
    begun = {job.task for job in jobs}
    left = [name for name in on_slurm if name not in begun]
    # Tasks of one name share a folder, so only their number tells how many are still to come.
    for name in left[: max(0, len(on_slurm) - len(jobs))]:
        besides[name] = not_begun(experiment, evidence, "NOT SUBMITTED")
    host, port = next(iter(hosts), ("", None))
    proven = one.facts.get("proven") is True or one.id in experiment.output.experiments
    return DependsOn(
        slurm_ids=tuple(job.id for job in jobs),
        host=host,
        evidence=evidence,
        facts=_facts(one, experiment, jobs, proven=proven),
        memo=memo_of(
            names={job.id: job.task for job in jobs},
            besides=besides,
            doing=_doing(experiment, names),
            called=_called(one.id, names or [job.task for job in jobs]),
            log=experiment.place.output if proven and experiment.place.output else None,
            port=port,
        ),
    )


def known_jobs(one: Wanted, experiment: Experiment) -> tuple[SlurmJob, ...]:
    """Give all Slurm jobs of an experiment: recorded now, recorded earlier, or else printed by its launcher.

    A record that was there once is not forgotten because somebody has tidied up.
    """
    known = {job.id: job for job in kept_jobs(one.facts)}
    known |= {job.id: job for job in experiment.slurm}
    if not known and one.id in experiment.output.experiments:
        known = {job.id: job for job in _printed(experiment)}
    return tuple(sorted(known.values(), key=lambda job: int(job.id)))


def _printed(experiment: Experiment) -> Iterable[SlurmJob]:
    tasks = {task.job: task for task in experiment.output.tasks.values()}
    hosts = {host for task in tasks.values() if (host := task.slurm_host)}
    if len(hosts) != 1:  # without the block that names it nobody knows which Slurm it is
        return
    for slurm_id in experiment.output.slurm_ids:
        task = tasks.get(slurm_id)
        yield SlurmJob(slurm_id, task.name if task else "", host=next(iter(hosts)))


def kept_jobs(facts: Mapping[str, JsonValue]) -> Iterable[SlurmJob]:
    """Give the Slurm jobs that the record's facts hold."""
    value = facts.get(SLURM)
    for row in value if isinstance(value, list) else []:
        if isinstance(row, list) and len(row) == 5 and all(isinstance(text, str) for text in row[:4]):
            slurm_id, task, logs, host, port = row
            yield SlurmJob(str(slurm_id), str(task), str(logs), str(host), port if isinstance(port, int) else None)


def _facts(one: Wanted, experiment: Experiment, jobs: Sequence[SlurmJob], *, proven: bool) -> Mapping[str, JsonValue]:
    """Give what has become known and is to be kept: the next look may find less."""
    kept: dict[str, JsonValue] = {"slurm": [[job.id, job.task, job.logs, job.host, job.port] for job in jobs]}
    if experiment.tasks is not None:
        kept["home"] = experiment.home
    if proven:
        kept["proven"] = True
    return {name: value for name, value in kept.items() if value and one.facts.get(name) != value}


def _doing(experiment: Experiment, names: Sequence[str]) -> str:
    """Say the latest news of a task; which one, where there are several."""
    if not experiment.output.doing:
        return ""
    ending, words = list(experiment.output.doing.items())[-1]
    if experiment.silent_since is not None:
        words += f" (its launcher's output says nothing since {experiment.silent_since:%Y-%m-%d %H:%M} UTC)"
    task = task_named(ending, names)
    return f"{task}: {words}" if task in names and len(names) > 1 else words


def _called(experiment: str, names: Sequence[str]) -> str:
    common = (names[0].rpartition("_")[0] or names[0]) if len(names) == 1 else commonprefix(list(names))  # noqa: RUF071 -- they are names
    return common.rstrip("_-.") or experiment.rpartition("_")[0]


def _lines(experiment: Experiment, jobs: Sequence[SlurmJob]) -> tuple[str, ...]:
    """Write down what was found, without what the records hold of keys and environments."""
    lines = [f"task {task.name}: {task.kind or 'unknown'} executor" for task in experiment.tasks or ()]
    lines += [f"Slurm job {job.id}: task {job.task}, logs {job.logs or 'not known'}" for job in jobs]
    lines += [f"local app {app.id}: task {app.task}, {app.state}" for app in experiment.apps]
    lines += [f"{app}: exit codes {result.exit_codes}, {result.state}" for app, result in experiment.results.items()]
    lines += list(experiment.holders.lines[:20]) if experiment.holders else []
    lines += [f"the launcher said: {experiment.output.trouble}"] if experiment.output.trouble else []
    return tuple(line[:500] for line in lines)
