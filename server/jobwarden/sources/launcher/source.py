"""nemo-run experiments, as the Model-Optimizer launcher makes them.

A job is one experiment with its tasks. It lives where its launcher ran: `host` is that machine, mostly this one. What
it is doing comes from the launcher's output; how it ends comes from Slurm for every task (`DependsOn`), and for tasks
on the launcher's own machine from nemo-run's records and the processes. Whether the launcher lives, what it printed and
how it exited decides nothing: it exits 0 whatever happened, and gives up after seconds without accounting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from pydantic import JsonValue

from jobwarden.sources.base import CancelOutcome, CouldNotAsk, DependsOn, Found, Host, Prepared, Sighting, Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.errors import SourceError, UnreadableAnswerError
from jobwarden.sources.framing import Part, new_nonce, read_parts, sample
from jobwarden.sources.launcher.commands import Place, cancel_argv, find_argv, look_argv
from jobwarden.sources.launcher.conclude import concluded
from jobwarden.sources.launcher.ids import parse_experiment_id
from jobwarden.sources.launcher.listing import QUESTION, describe, list_recent
from jobwarden.sources.launcher.logs import logs_of
from jobwarden.sources.launcher.look import Experiment, Machine, read_experiment, read_machine
from jobwarden.sources.launcher.output import Output, read_output
from jobwarden.sources.launcher.see import depends_of
from jobwarden.sources.log_files import Hosts, JobLogs
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import Evidence, LogPaths

_PER_QUESTION = 20
"""Experiments in one command: each may answer with some megabytes."""

_CONNECTION = "SSH_CONNECTION"


class LauncherSource:
    """See `Source`, `Prepares`, `Concludes`, `Discovers`, `Cancels`, `Controls` and `KeepsLogs`."""

    name: str = "launcher"

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock

    def parse_id(self, text: str) -> str:
        """See `Source.parse_id`."""
        return parse_experiment_id(text)

    async def prepare(self, host: Host, ids: Sequence[str], env: Mapping[str, str]) -> Mapping[str, Prepared]:
        """See `Prepares.prepare`: nemo-run's home, the output, and the machine, which only this moment can tell.

        Raises:
            InvalidIdError: Neither an experiment of that id nor an output that speaks of it is there.
        """
        return {one: await self._prepared(host, one, env) for one in ids}

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        """See `Source.observe`."""
        sightings: dict[str, Sighting] = {}
        for first in range(0, len(wanted), _PER_QUESTION):
            chunk = wanted[first : first + _PER_QUESTION]
            look = await self._look(host, [_place(one) for one in chunk])
            sightings |= {one.id: self._see(one, look, n) for n, one in enumerate(chunk)}
        return sightings

    async def look_there(self, host: Host, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn]:
        """See `Concludes.look_there`: is this the machine that the launcher meant, where it named a port of ssh?"""
        unsure = {job: one for job, one in depends.items() if one.memo.get("port") and not one.facts.get("port_seen")}
        if not unsure:
            return depends
        script = 'printf "%s\\n" "${' + _CONNECTION + ':-}"'
        done = await host.transport.run(["sh", "-c", script], timeout_s=host.timeout_s)
        words = done.stdout.decode("utf-8", "replace").split()
        port = words[-1] if done.status == 0 and len(words) >= 4 else ""
        return {**depends, **{job: _with_port(one, port) for job, one in unsure.items()}}

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        """See `Concludes.conclude`."""
        wrong = depends.memo.get("wrong_port")
        if isinstance(wrong, str):
            return CouldNotAsk(code="launcher.other_port", text=wrong, evidence=depends.evidence)
        return concluded(depends, found)

    async def discover(self, host: Host) -> Sequence[Found]:
        """See `Discovers.discover`."""
        places = await list_recent(host, self._clock())
        found: list[Found | None] = []
        for first in range(0, len(places), _PER_QUESTION):
            look = await self._look_once(host, places[first : first + _PER_QUESTION])
            found += [self._describe(look, n) for n in range(len(look.places))]
        return [one for one in found if one is not None]

    def _describe(self, look: _Look, n: int) -> Found | None:
        place = look.places[n]
        facts: dict[str, JsonValue] = {"home": place.home, **look.machine_facts}
        try:
            experiment = read_experiment(look.parts, n, place, look.machine.now)
        except SourceError:  # it is just being written, or cannot be read: then nothing can be told of it
            return None
        question = Evidence(asked_at=look.asked_at, question=(QUESTION,))
        seen = depends_of(Wanted(id=place.experiment, facts=facts), experiment, look.machine, question)
        found = describe(place, experiment, seen)
        return None if found is None else found.model_copy(update={"facts": {**facts, **found.facts}})

    async def cancel(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        """See `Cancels.cancel`: every task. Those on Slurm are cancelled there, by whoever asks us (`depends`)."""
        look = await self._look(host, [_place(one) for one in wanted])
        return {one.id: await self._cancel(host, one, look, n) for n, one in enumerate(wanted)}

    @property
    def controls(self) -> frozenset[Control]:
        """See `Controls.controls`."""
        return frozenset(Control)

    @property
    def cannot(self) -> Mapping[Control, str]:
        """See `Controls.cannot`."""
        return {}

    async def control(self, host: Host, wanted: Sequence[Wanted], change: Change) -> Mapping[str, CancelOutcome]:  # noqa: ARG002 -- the contract's; Slurm is asked by whoever asks us
        """See `Controls.control`: done to the Slurm jobs of its tasks, by whoever asks us (`depends`)."""
        look = await self._look(host, [_place(one) for one in wanted])
        return {one.id: _handed_on(self._see(one, look, n)) for n, one in enumerate(wanted)}

    async def logs(self, hosts: Hosts, wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:  # noqa: ARG002 -- the contract's; who asks us asks Slurm
        """See `KeepsLogs.logs`."""
        return logs_of(wanted, known=known, task=task)

    async def _look(self, host: Host, places: Sequence[Place]) -> _Look:
        """Look at each; and once more where nemo-run's home is known only by what its launcher has printed since."""
        look = await self._look_once(host, places)
        if all(look.found(n) or not look.told(n) for n in range(len(places))):
            return look
        moved = [place if look.found(n) else replace(place, home=look.told(n)) for n, place in enumerate(places)]
        return await self._look_once(host, moved)

    async def _look_once(self, host: Host, places: Sequence[Place]) -> _Look:
        asked_at, nonce = self._clock(), new_nonce()
        argv = look_argv(nonce, places, limit_s=host.timeout_s)
        done = await host.transport.run(argv, timeout_s=host.timeout_s)
        if done.status != 0 and not done.stdout:
            raise UnreadableAnswerError(f"Nothing was answered: {sample(done.stderr)!r}")
        parts = read_parts(done.stdout, nonce)
        return _Look(asked_at, places, parts, read_machine(parts, asked_at))

    def _see(self, one: Wanted, look: _Look, n: int) -> Sighting:
        question = Evidence(asked_at=look.asked_at, question=(f"look for {one.id} in {look.home(n)}",))
        try:
            experiment = read_experiment(look.parts, n, look.places[n], look.machine.now)
        except SourceError as error:
            return CouldNotAsk(code=error.code, text=error.text, evidence=question)
        return depends_of(one, experiment, look.machine, question)

    async def _cancel(self, host: Host, one: Wanted, look: _Look, n: int) -> CancelOutcome:
        depends = self._see(one, look, n)
        if not isinstance(depends, DependsOn):
            text = depends.text if isinstance(depends, CouldNotAsk) else "It is not known what it has launched."
            return CancelOutcome(accepted=False, text=text, failed=isinstance(depends, CouldNotAsk))
        experiment = read_experiment(look.parts, n, look.places[n], look.machine.now)
        on_slurm = depends if depends.slurm_ids else None
        if not experiment.apps:
            text = f"Slurm is asked to cancel {', '.join(depends.slurm_ids)}." if on_slurm else "Nothing was launched."
            return CancelOutcome(accepted=on_slurm is not None, text=text, depends=on_slurm)
        if experiment.holders is None or look.strange(one):
            text = "Its local tasks cannot be seen from here; nothing is signalled."
            return CancelOutcome(accepted=False, text=text)
        text = await self._end_local(host, experiment)
        return CancelOutcome(accepted=True, text=text, depends=on_slurm)

    async def _end_local(self, host: Host, experiment: Experiment) -> str:
        grace = host.settings.get("cancel_grace_s")
        grace_s = float(grace) if isinstance(grace, (int, float)) else 10.0
        nonce = new_nonce()
        folder = PurePosixPath(experiment.home) / "experiments" / _title(experiment) / experiment.place.experiment
        argv = cancel_argv(nonce, str(folder), grace_s=grace_s, limit_s=host.timeout_s)
        done = await host.transport.run(argv, timeout_s=host.timeout_s + grace_s)
        left = read_parts(done.stdout, nonce).get("left")
        if left is None or left.stdout.strip():
            return "SIGTERM and SIGKILL were sent to its local tasks, and some are there still."
        return "Its launcher and its local tasks were ended."

    async def _prepared(self, host: Host, experiment: str, env: Mapping[str, str]) -> Prepared:
        log_path, project = _setting(host, "log_path"), _setting(host, "project")
        homes = [env.get("NEMORUN_HOME", ""), project, f"{project}/tools/launcher" if project else ""]
        home = await self._find(host, experiment, homes)
        look = await self._look(host, [Place(experiment, home, log_path)])
        if not look.found(0) and experiment not in look.output(0).experiments:
            where = ", ".join([*filter(None, homes), "~/.nemo_run", *filter(None, [log_path])])
            raise InvalidIdError(
                f"The experiment {experiment} was not found on {host.transport.host}: looked in {where}.",
                hint="Give the launcher's output file as log_path, and as host the machine where the launcher runs: "
                "Slurm's own host is found out from its records.",
            )
        facts: dict[str, JsonValue] = {"home": look.home(0), "output": log_path, **look.machine_facts}
        seen = self._see(Wanted(id=experiment, facts=facts), look, 0)
        return Prepared(experiment, {**facts, **seen.facts})

    async def _find(self, host: Host, experiment: str, homes: Sequence[str]) -> str:
        """Give the first of these homes that has the experiment; empty where it is nemo-run's default, or none."""
        nonce = new_nonce()
        absolute = [home for home in dict.fromkeys(homes) if home.startswith("/")]
        argv = find_argv(nonce, experiment, absolute, limit_s=host.timeout_s)
        done = await host.transport.run(argv, timeout_s=host.timeout_s)
        part = read_parts(done.stdout, nonce).get("home")
        return part.stdout.decode("utf-8", "replace") if part is not None else ""


def _handed_on(seen: Sighting) -> CancelOutcome:
    if isinstance(seen, DependsOn) and seen.slurm_ids:
        return CancelOutcome(accepted=False, text="It runs on Slurm.", depends=seen)
    if isinstance(seen, CouldNotAsk):
        return CancelOutcome(accepted=False, text=f"{seen.text} Nothing was sent.", failed=True)
    text = "None of its tasks is on Slurm, and what it runs on its own machine can only be cancelled."
    return CancelOutcome(accepted=False, text=text)


@dataclass(frozen=True, slots=True)
class _Look:
    """What one command answered about several experiments."""

    asked_at: datetime
    places: Sequence[Place]
    parts: Mapping[str, Part]
    machine: Machine

    def home(self, n: int) -> str:
        """Give nemo-run's home of the n-th, as it was looked into."""
        part = self.parts.get(f"home.{n}")
        return part.stdout.decode("utf-8", "replace") if part is not None else self.places[n].home

    def found(self, n: int) -> bool:
        """Whether the n-th experiment's folder is there."""
        part = self.parts.get(f"tasks.{n}")
        return part is not None and part.status == 0

    def output(self, n: int) -> Output:
        """Give what the beginning of its launcher's output says, where that was read."""
        part = self.parts.get(f"head.{n}")
        return read_output(part.stdout) if part is not None and part.status == 0 else Output()

    def told(self, n: int) -> str:
        """Give nemo-run's home as the launcher's output has it; empty where it tells none but that."""
        known = self.home(n)
        return next((home for home in self.output(n).homes if home != known), "")

    @property
    def machine_facts(self) -> dict[str, JsonValue]:
        """Give what tells this machine, boot and container from others."""
        return {"machine": self.machine.id, "boot": self.machine.boot, "namespace": self.machine.namespace}

    def strange(self, one: Wanted) -> bool:
        """Whether it was launched on another machine, or in another container."""
        return any(one.facts.get(name, now) != now for name, now in self.machine_facts.items())


def _setting(host: Host, name: str) -> str:
    value = host.settings.get(name)
    return value if isinstance(value, str) else ""


def _place(one: Wanted) -> Place:
    home, output = one.facts.get("home"), one.facts.get("output")
    return Place(
        one.id,
        home if isinstance(home, str) else "",
        output if isinstance(output, str) else "",
        proven=one.facts.get("proven") is True,
    )


def _title(experiment: Experiment) -> str:
    return experiment.place.experiment.rpartition("_")[0]


def _with_port(one: DependsOn, port: str) -> DependsOn:
    wanted = str(one.memo.get("port"))
    if port == wanted:
        return one.model_copy(update={"facts": {**one.facts, "port_seen": True}})
    text = (
        f"The launcher reached Slurm by ssh port {wanted} of {one.host}, and ssh's configuration leads to "
        f"{f'port {port}' if port else 'a port that is not known'}: give that host its Port in ~/.ssh/config."
    )
    return one.model_copy(update={"slurm_ids": (), "memo": {**one.memo, "wrong_port": text}})
