"""How often nel is asked, what is kept between, and what never leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobwarden.sources.base import CouldNotAsk, DependsOn, Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.nel.answers import read_runs
from jobwarden.sources.nel.program import Nel, find_program, list_runs
from support.nel_paper import DATA, INVOCATION, PaperNel
from support.sightings import at, seen

TASK = f"{INVOCATION}.0"


@pytest.fixture
def nel(tmp_path: Path) -> PaperNel:
    return PaperNel(tmp_path)


async def test_in_two_minutes_nel_is_asked_once_and_slurm_by_its_ids_in_between(nel: PaperNel) -> None:
    nel.says([nel.task()])
    facts = (await nel.ask(TASK, {"10": seen("RUNNING")})).facts
    for seconds in (30, 60, 119):
        nel.seconds = seconds
        told = await nel.source.observe(nel.host, [Wanted(id=TASK, facts=facts)])
        one = told[TASK]
        assert isinstance(one, DependsOn)
        assert (one.slurm_ids, one.host) == (("10",), "alice@cluster-a")
        facts = (await nel.ask(TASK, {"10": seen("RUNNING")}, **facts)).facts
    assert len(nel.calls) == 1
    nel.seconds = 121
    await nel.ask(TASK, {"10": seen("RUNNING")}, **facts)
    assert len(nel.calls) == 2


async def test_ten_invocations_are_one_call_and_those_out_of_step_come_together(nel: PaperNel) -> None:
    ids = [f"{number:016x}" for number in range(10)]
    rows = [{**nel.task(), "invocation": one, "job_id": f"{one}.0"} for one in ids]
    nel.says(rows)
    told = await nel.source.observe(nel.host, [Wanted(id=one) for one in ids])
    assert set(told) == set(ids)
    assert nel.calls == [f"status --json {' '.join(ids)}"]
    ages = {one: at(-100.0 if number < 5 else -40.0).isoformat() for number, one in enumerate(ids)}
    wanted = [Wanted(id=one, facts={**told[one].facts, "asked_at": ages[one]}) for one in ids]
    for seconds, calls in ((30.0, 1), (70.0, 1), (85.0, 2)):
        nel.seconds = seconds
        await nel.source.observe(nel.host, wanted)
        assert len(nel.calls) == calls
    assert nel.calls[-1] == f"status --json {' '.join(ids)}"


async def test_a_nel_that_fails_leaves_a_slurm_run_to_slurm_and_is_not_asked_all_the_time(nel: PaperNel) -> None:
    nel.says([nel.task()])
    facts = (await nel.ask(TASK, {"10": seen("RUNNING")})).facts
    nel.seconds = 130
    nel.says([], stderr="Traceback (most recent call last):\nImportError: failed\n", status=1)
    told = await nel.ask(TASK, {"10": seen("COMPLETED")}, **facts)
    assert told.kind == "seen"
    nel.seconds = 160
    await nel.ask(TASK, {"10": seen("RUNNING")}, **told.facts)
    assert len(nel.calls) == 2


async def test_one_runs_trouble_is_not_anothers(nel: PaperNel) -> None:
    other = "f" * 16
    nel.says([nel.task(), {"invocation": other, "job_id": None, "status": "not_found", "data": {}}])
    told = await nel.source.observe(nel.host, [Wanted(id=TASK), Wanted(id=other)])
    assert isinstance(told[TASK], DependsOn)
    dark = told[other]
    assert isinstance(dark, CouldNotAsk)
    assert dark.code == "nel.not_found"


async def test_registration_notes_the_sessions_own_nel_and_list_of_runs(nel: PaperNel, tmp_path: Path) -> None:
    nel.program.write_text("#!/bin/sh\necho 'nemo_evaluator_launcher: 0.2.6'\n")
    runs = tmp_path / "my-runs.jsonl"
    runs.write_text((DATA / "exec.v1.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    env = {"PATH": str(nel.program.parent), "NEMO_EVALUATOR_EXEC_DB_FILE": str(runs)}
    prepared = (await nel.source.prepare(nel.host, ["ed39a588"], env))["ed39a588"]
    assert prepared.id == "ed39a588fa445eba"
    assert prepared.facts["nel"] == [str(nel.program)]
    assert prepared.facts["runs"] == str(runs)
    assert "lit:" not in json.dumps(prepared.facts)
    argv = Nel((str(nel.program),), str(runs)).argv("status")
    assert f"NEMO_EVALUATOR_EXEC_DB_FILE={runs}" in argv


async def test_nel_is_the_configurations_then_that_of_the_environment_then_the_paths(
    nel: PaperNel, tmp_path: Path
) -> None:
    nel.program.write_text("#!/bin/sh\necho 'nemo_evaluator_launcher: 0.2.6'\n")
    mine = tmp_path / "mine"
    mine.write_text(nel.program.read_text())
    mine.chmod(0o755)
    env = {"PATH": str(nel.program.parent)}
    assert (await find_program(nel.host, env)).words == (str(nel.program),)
    assert (await find_program(nel.host, {**env, "NEL": str(mine)})).words == (str(mine),)
    nel.settings["nel"] = str(nel.program)
    assert (await find_program(nel.host, {**env, "NEL": str(mine)})).words == (str(nel.program),)


@pytest.mark.parametrize("path", ["", ".", "bin"])
async def test_no_nel_of_the_project_is_found_by_an_empty_or_relative_folder_of_path(
    nel: PaperNel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    nel.program.write_text("#!/bin/sh\necho 'nemo_evaluator_launcher: 0.2.6'\n")
    project = tmp_path / "project"
    for folder in (project, project / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "nel").write_text("#!/bin/sh\n")
        (folder / "nel").chmod(0o755)
    monkeypatch.chdir(project)
    env = {"PATH": f"{path}:{nel.program.parent}"}
    assert (await find_program(nel.host, env)).words == (str(nel.program),)


async def test_nothing_of_a_runs_configuration_comes_here_or_leaves(nel: PaperNel) -> None:
    """The configuration holds the values of environment variables in the clear, in nel's own list of runs."""
    secret = "lit:not-a-secret"
    text = (DATA / "exec.v1.jsonl").read_text(encoding="utf-8")
    assert secret in text
    folder = nel.home / ".nemo-evaluator" / "exec-db"
    folder.mkdir(parents=True)
    (folder / "exec.v1.jsonl").write_text(text, encoding="utf-8")
    assert len((await list_runs(nel.host, Nel())).tasks) == 17
    for status in (await list_runs(nel.host, Nel()), read_runs(text.splitlines())):
        assert secret not in status.model_dump_json()
    assert secret.encode() not in nel.transport.heard  # it is cut off where the file is
    nel.says(
        [{**nel.task(), "config": {"env_vars": {"TOKEN": secret}}, "data": {**nel.task()["data"], "token": secret}}]
    )
    (nel.folder() / "artifacts" / "results.yml").write_text(f"config:\n  token: {secret}\nresults:\n  tasks: {{}}\n")
    told = (await nel.source.observe(nel.host, [Wanted(id=TASK)]))[TASK]
    assert isinstance(told, DependsOn)
    nel.transport.heard = b""
    looked = (await nel.source.look_there(nel.host, {TASK: told}))[TASK]
    assert b"results:" in nel.transport.heard
    assert secret.encode() not in nel.transport.heard
    for one in (told, looked, nel.source.conclude(looked, {"10": seen("COMPLETED")})):
        assert secret not in one.model_dump_json()


async def test_cancelling_a_run_on_slurm_is_left_to_slurm_and_nel_kill_is_not_called(nel: PaperNel) -> None:
    nel.says([nel.task()])
    nel.chain("10", "12", following="13")
    outcome = (await nel.source.cancel(nel.host, [Wanted(id=TASK)]))[TASK]
    assert outcome.depends is not None
    looked = (await nel.source.look_there(nel.host, {TASK: outcome.depends}))[TASK]
    assert looked.slurm_ids == ("10", "12", "13")
    assert not any(call.startswith("kill") for call in nel.calls)


async def test_controlling_a_run_on_slurm_is_left_to_slurm_but_for_what_its_own_chain_would_undo(nel: PaperNel) -> None:
    nel.says([nel.task()])
    outcome = (await nel.source.control(nel.host, [Wanted(id=TASK)], Change(Control.HOLD)))[TASK]
    assert outcome.depends is not None
    assert outcome.depends.slurm_ids == ("10",)
    killed = (await nel.source.control(nel.host, [Wanted(id=TASK)], Change(Control.SIGNAL, "B:KILL")))[TASK]
    assert (killed.accepted, "cancel it" in killed.text) == (False, True)
    assert "two of them" in nel.source.cannot[Control.REQUEUE]
    assert Control.REQUEUE not in nel.source.controls
