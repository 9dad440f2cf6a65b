"""What becomes of an experiment, from nemo-run's real records on a real disk and from what Slurm says of its jobs.

`seed case N`: the numbered cases in which the shell extractor of which jobwarden is the successor gave a wrong state,
as far as they can befall a launcher; each with the right answer.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import (
    Absent,
    Cancels,
    Concludes,
    CouldNotAsk,
    DependsOn,
    Host,
    Prepares,
    Seen,
    Sighting,
    Wanted,
)
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.launcher.source import LauncherSource
from jobwarden.transport.local import LocalTransport
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.phases import Phase
from support.sightings import absent, could_not_ask, seen

DATA = Path(__file__).parents[2] / "data" / "nemo-run" / "0.11.1"
TWO_ON_SLURM = "cicd_1795170275173434547"
JOBS = ("26", "27")
LOCAL = "cicd_1795265891828595358"


@dataclass
class Site:
    """A launcher's machine: this one, with a home of nemo-run that a test fills."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "nemo"

    def host(self, **settings: str | None) -> Host:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.root)}
        transport = LocalTransport("localhost", env=env, clocks=Clocks())
        return Host(transport=transport, machine_id="here", timeout_s=30, settings=settings)

    def experiment(self, experiment: str, tasks: str) -> Path:
        folder = self.home / "experiments" / "cicd" / experiment
        folder.mkdir(parents=True)
        (folder / "_CONFIG").touch()
        (folder / "_TASKS").write_bytes((DATA / tasks).read_bytes())
        return folder

    def slurm(self, text: str | None = None) -> None:
        known = (DATA / "dot_slurm_jobs.txt").read_text(encoding="utf-8")
        (self.home / ".slurm_jobs").write_text(known if text is None else text, encoding="utf-8")

    def output(self, name: str, old: str = "", new: str = "") -> str:
        """Put a recorded output there, of another experiment where one is named."""
        path = self.root / "FAILED-success-error.log"
        text = (DATA / f"{name}.txt").read_text(encoding="utf-8")
        path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
        return str(path)

    async def look(self, experiment: str, **facts: object) -> Sighting:
        wanted = Wanted.model_validate({"id": experiment, "facts": {"home": str(self.home), **facts}})
        found = await LauncherSource().observe(self.host(), [wanted])
        assert set(found) == {experiment}
        return found[experiment]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def two(site: Site) -> Site:
    site.experiment(TWO_ON_SLURM, "tasks_slurm.json")
    site.slurm()
    return site


async def depends(site: Site, experiment: str = TWO_ON_SLURM, /, **facts: object) -> DependsOn:
    found = await site.look(experiment, **facts)
    assert isinstance(found, DependsOn), found
    return found


async def whole(site: Site, first: Sighting, second: Sighting, **facts: object) -> Sighting:
    return LauncherSource().conclude(await depends(site, **facts), dict(zip(JOBS, (first, second), strict=True)))


def phase_of(sighting: Sighting) -> Phase:
    assert isinstance(sighting, Seen), sighting
    return sighting.phase


def test_it_is_what_the_contracts_ask_for() -> None:
    source = LauncherSource()
    assert isinstance(source, Cancels)
    assert isinstance(source, Concludes)
    assert isinstance(source, Prepares)


async def test_an_experiment_hangs_on_the_slurm_jobs_of_its_records_on_their_host(two: Site) -> None:
    found = await depends(two)
    assert (found.slurm_ids, found.host) == (JOBS, "alice@cluster-a")
    assert "id_alice" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("first", "second", "phase"),
    [
        pytest.param("COMPLETED", "RUNNING", Phase.RUNNING, id="seed case 2"),
        pytest.param("COMPLETED", "FAILED", Phase.FAILED, id="seed case 3"),
        pytest.param("FAILED", "RUNNING", Phase.RUNNING, id="seed case 4"),
        ("COMPLETED", "COMPLETED", Phase.SUCCEEDED),
        ("CANCELLED", "FAILED", Phase.FAILED),
        ("COMPLETED", "CANCELLED", Phase.CANCELLED),
        ("PENDING", "COMPLETED", Phase.PENDING),
        pytest.param("COMPLETED", "FROBBED", Phase.UNKNOWN, id="seed case 13"),
        pytest.param("SUSPENDED", "COMPLETED", Phase.SUSPENDED, id="seed case 17"),
    ],
)
async def test_the_whole_is_told_from_all_tasks(two: Site, first: str, second: str, phase: Phase) -> None:
    assert phase_of(await whole(two, seen(first), seen(second))) is phase
    assert phase_of(await whole(two, seen(second), seen(first))) is phase


@pytest.mark.parametrize("other", ["RUNNING", "FAILED", "COMPLETED"])
async def test_an_outage_hides_the_whole_and_ends_nothing(two: Site, other: str) -> None:
    """Seed case 9."""
    assert isinstance(await whole(two, seen(other), could_not_ask()), CouldNotAsk)
    assert isinstance(LauncherSource().conclude(await depends(two), {"26": seen("COMPLETED")}), CouldNotAsk)


async def test_a_job_that_slurm_does_not_know_yet_is_absent_and_not_failed(two: Site) -> None:
    """Seed case 10: the engine's rule of absence waits."""
    assert isinstance(await whole(two, absent(), absent()), Absent)
    assert phase_of(await whole(two, seen("RUNNING"), absent())) is Phase.RUNNING


async def test_a_task_that_can_never_start_makes_the_whole_stuck(two: Site) -> None:
    """Seed case 15."""
    waiting = seen("PENDING", reason="DependencyNeverSatisfied", stuck="waits for a job that has failed")
    found = await whole(two, seen("FAILED"), waiting)
    assert isinstance(found, Seen)
    assert found.phase is Phase.PENDING
    assert "waits for a job that has failed" in (found.stuck or "")
    assert "Qwen3-8B_NVFP4_1" in (found.stuck or "")


async def test_names_and_outputs_full_of_error_words_end_nothing(two: Site) -> None:
    """Seed case 16; and neither do `_DONE`, the status block of the start, `finished: FAILED` and a Traceback."""
    output = two.output("slurm_attached", "cicd_1795170233931334517", TWO_ON_SLURM)
    (two.home / "experiments" / "cicd" / TWO_ON_SLURM / "_DONE").touch()
    found = await whole(two, seen("RUNNING"), seen("PENDING"), output=output)
    assert isinstance(found, Seen)
    assert (found.phase, found.status) == (Phase.RUNNING, "RUNNING")
    assert found.name == "Qwen3-8B_NVFP4"
    assert found.reason == "Qwen3-8B_NVFP4_0: exported to /scratchspace/exported_model"
    assert found.log is not None
    assert found.log.stdout == output


async def test_news_from_an_output_that_has_fallen_silent_are_told_as_old(two: Site) -> None:
    """A launcher that was killed leaves its last words; the job goes on."""
    output = two.output("slurm_attached", "cicd_1795170233931334517", TWO_ON_SLURM)
    os.utime(output, (1795170249, 1795170249))
    found = await whole(two, seen("RUNNING"), seen("PENDING"), output=output)
    assert isinstance(found, Seen)
    assert (
        "exported to /scratchspace/exported_model (its launcher's output says nothing since 2026-11-20 10:24 UTC"
        in (found.reason or "")
    )


async def test_a_log_path_that_is_no_output_of_the_experiment_is_not_read_as_its_log(two: Site) -> None:
    output = two.output("scancelled")
    found = await whole(two, seen("RUNNING"), seen("PENDING"), output=output)
    assert isinstance(found, Seen)
    assert found.log is None


async def test_records_that_are_gone_are_not_forgotten(two: Site) -> None:
    """Seed case 14: the folder was deleted, the jobs run."""
    kept = dict((await depends(two)).facts)
    empty = Site(two.root / "elsewhere")
    empty.home.mkdir(parents=True)
    found = await depends(empty, **{**kept, "home": str(empty.home)})
    assert (found.slurm_ids, found.host) == (JOBS, "alice@cluster-a")


async def test_without_records_the_output_names_the_jobs_and_their_host(site: Site) -> None:
    site.home.mkdir()
    found = await depends(site, output=site.output("slurm_detached"))
    assert (found.slurm_ids, found.host) == (JOBS, "alice@cluster-a")


async def test_of_what_nothing_is_known_nothing_is_said(site: Site) -> None:
    site.home.mkdir()
    found = await site.look(TWO_ON_SLURM, output=site.output("scancelled"))
    assert isinstance(found, CouldNotAsk)
    assert found.code == "launcher.nothing_known"


async def test_a_task_that_is_not_submitted_yet_keeps_the_whole_from_ending(two: Site) -> None:
    lines = (DATA / "dot_slurm_jobs.txt").read_text(encoding="utf-8").splitlines()
    two.slurm("\n".join(line for line in lines if not line.startswith("27 ")) + "\n")
    found = LauncherSource().conclude(await depends(two), {"26": seen("COMPLETED")})
    assert isinstance(found, Seen)
    assert (found.phase, found.status) == (Phase.PENDING, "NOT SUBMITTED")


async def test_an_ssh_port_that_leads_elsewhere_is_not_asked(two: Site) -> None:
    """A number that another cluster gave to another job would be taken for ours."""
    source = LauncherSource()
    one = await depends(two)
    there = await source.look_there(two.host(), {TWO_ON_SLURM: one})
    moved = there[TWO_ON_SLURM]
    assert moved.slurm_ids == ()
    said = source.conclude(moved, {})
    assert isinstance(said, CouldNotAsk)
    assert said.code == "launcher.other_port"
    kept = one.model_copy(update={"facts": {"port_seen": True}})
    assert (await source.look_there(two.host(), {TWO_ON_SLURM: kept}))[TWO_ON_SLURM] is kept


# -- tasks without a scheduler


def local(site: Site, states: tuple[str, str], *, results: bool = False) -> Path:
    folder = site.experiment(LOCAL, "tasks_local.json")
    rows = json.loads((DATA / "local_jobs.json").read_text(encoding="utf-8"))
    for row, state in zip(rows.values(), states, strict=True):
        row[0] = state
        place = folder / Path(row[2]).parent.parent.name / "nemo_run" / row[1]
        place.mkdir(parents=True)
        if results:
            text = (DATA / "success.json").read_text(encoding="utf-8").replace("}{", "}\0{").split("\0")
            (place / "SUCCESS").write_text(next(one for one in text if row[1] in one), encoding="utf-8")
    (site.home / ".local_jobs.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


async def local_whole(site: Site, **facts: object) -> Sighting:
    return LauncherSource().conclude(await depends(site, LOCAL, **facts), {})


async def prepared(site: Site, experiment: str = LOCAL) -> dict[str, object]:
    found = await LauncherSource().prepare(
        site.host(log_path=None, project=None), [experiment], {"NEMORUN_HOME": str(site.home)}
    )
    return dict(found[experiment].facts)


async def test_the_exit_codes_that_a_launcher_left_decide(site: Site) -> None:
    local(site, ("RUNNING", "RUNNING"), results=True)
    end = await local_whole(site)
    assert isinstance(end, Seen)
    assert (end.phase, end.status, end.exit_code) == (Phase.FAILED, "FAILED", 3)
    assert end.ended_at is not None


@pytest.mark.parametrize(
    ("states", "phase"),
    [(("SUCCEEDED", "SUCCEEDED"), Phase.SUCCEEDED), (("SUCCEEDED", "FAILED"), Phase.FAILED)],
)
async def test_an_end_that_the_launcher_saw_decides(site: Site, states: tuple[str, str], phase: Phase) -> None:
    local(site, states)
    assert phase_of(await local_whole(site)) is phase


async def test_a_record_that_says_running_without_a_process_is_gone_and_no_end(site: Site) -> None:
    local(site, ("SUCCEEDED", "RUNNING"))
    assert isinstance(await local_whole(site, **await prepared(site)), Absent)


async def test_nothing_is_believed_gone_that_was_launched_nobody_knows_where_or_on_another_machine(site: Site) -> None:
    local(site, ("SUCCEEDED", "RUNNING"))
    unknown = await local_whole(site)
    assert isinstance(unknown, CouldNotAsk)
    assert unknown.code == "launcher.unproven"
    elsewhere = await local_whole(site, **{**await prepared(site), "machine": "another"})
    assert isinstance(elsewhere, CouldNotAsk)
    assert elsewhere.code == "launcher.other_machine"


async def test_a_task_whose_log_a_process_writes_runs_and_one_that_somebody_reads_does_not(site: Site) -> None:
    folder = local(site, ("SUCCEEDED", "RUNNING"))
    facts = await prepared(site)
    app = next(folder.glob("*_1/nemo_run/*"))
    log = app / "combined.log"
    log.touch()
    with log.open("rb"):
        assert isinstance(await local_whole(site, **facts), Absent)
    with log.open("ab"):
        assert phase_of(await local_whole(site, **facts)) is Phase.RUNNING


async def test_records_in_the_middle_of_a_write_are_asked_again(site: Site) -> None:
    local(site, ("SUCCEEDED", "RUNNING"))
    path = site.home / ".local_jobs.json"
    path.write_text(path.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    found = await site.look(LOCAL)
    assert isinstance(found, CouldNotAsk)
    assert found.code.endswith("_behind")


# -- at the registration


async def test_registering_notes_the_home_and_the_machine(two: Site) -> None:
    facts = await prepared(two, TWO_ON_SLURM)
    assert facts["home"] == str(two.home)
    assert facts["boot"]
    assert json.dumps(facts["slurm"]).count("Qwen3-8B_NVFP4_") == 4
    assert "id_alice" not in json.dumps(facts)


async def test_an_experiment_that_is_not_there_is_refused_with_what_to_give(site: Site) -> None:
    with pytest.raises(InvalidIdError) as caught:
        await prepared(site, TWO_ON_SLURM)
    assert "log_path" in caught.value.hint


async def test_controlling_an_experiment_is_left_to_the_slurm_jobs_of_its_tasks(two: Site) -> None:
    facts = dict((await depends(two)).facts)
    source = LauncherSource()
    wanted = [Wanted(id=TWO_ON_SLURM, facts={**facts, "home": str(two.home)})]
    outcome = (await source.control(two.host(), wanted, Change(Control.HOLD)))[TWO_ON_SLURM]
    assert outcome.depends is not None
    assert outcome.depends.slurm_ids == JOBS
