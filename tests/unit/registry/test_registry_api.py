"""The small Python API, the schema, the records' own rules, and the leaf that is one."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from jobwarden_registry import api, schema_json
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import JobNotFoundError, JobwardenError, RegistryError, UnwritableError
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index
from jobwarden_registry.model import Attempt, JobRecord, LogPaths
from jobwarden_registry.paths import user_places
from jobwarden_registry.phases import Phase
from jobwarden_registry.rawjson import read_object, salvage, write_json
from jobwarden_registry.records import CONTRACT, changes, fresh_raw, in_order, lay_over, read_record
from unit.registry.registry_rig import START, Ticking, slurm


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir(mode=0o700)
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "st"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    return path


# -- the API


def test_what_is_saved_is_loaded(env: dict[str, str], project: Path) -> None:
    assert api.load(project, "s", env) == ()
    assert Index(user_places(env)).all() == ()
    saved = api.save(project, "s", [slurm("1"), slurm("2")], env, clock=Ticking())
    assert api.load(project, "s", env) == saved
    assert api.save(project, "s", [slurm("1")], env) == saved[:1]
    assert [entry.session_id for entry in Index(user_places(env)).all()] == ["s"]


def test_what_was_loaded_can_be_changed_and_saved(env: dict[str, str], project: Path) -> None:
    (job,) = api.save(project, "s", [slurm("1")], env)
    (now,) = api.save(project, "s", [job.changed(description="words")], env)
    (now,) = api.save(project, "s", [now.changed(phase=Phase.RUNNING, last_status="RUNNING")], env)
    assert api.load(project, "s", env) == (now,)
    (ended,) = api.save(project, "s", [now.changed(phase=Phase.FAILED)], env)
    assert ended.phase is Phase.FAILED
    assert api.load(project, "s", env) == ()
    kinds = [event.event for event in api.open_session(project, "s", env).journal.read()]
    assert kinds == [EventKind.REGISTERED, EventKind.UPDATED, EventKind.STATUS_CHANGE, EventKind.FINISHED]


def test_a_new_record_that_has_ended_goes_into_history(env: dict[str, str], project: Path) -> None:
    (job,) = api.save(project, "s", [slurm("1", phase=Phase.SUCCEEDED)], env)
    assert job.uid
    assert api.load(project, "s", env) == ()
    kinds = [event.event for event in api.open_session(project, "s", env).journal.read()]
    assert kinds == [EventKind.REGISTERED, EventKind.FINISHED]


def test_saving_is_all_or_nothing(env: dict[str, str], project: Path) -> None:
    with pytest.raises(JobNotFoundError):
        api.save(project, "s", [slurm("1"), slurm("2", uid="nobody")], env)
    assert api.load(project, "s", env) == ()


def test_hand_written_entries_are_taken_in_by_reconcile(env: dict[str, str], project: Path) -> None:
    session = api.open_session(project, "s", env)
    session.active_path.parent.mkdir(parents=True, mode=0o700)
    session.active_path.write_text('[{"type": "slurm", "id": "7", "host": "h"}]')
    assert api.load(project, "s", env) == ()
    (job,) = api.reconcile(project, "s", env)
    assert api.load(project, "s", env) == (job,)


def test_all_sessions_are_listed_by_id(env: dict[str, str], project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    api.save(project, "a", [slurm("1")], env)
    api.save(other, "b", [slurm("2")], env)
    assert {name: [job.id for job in jobs] for name, jobs in api.list_jobs(env).items()} == {"a": ["1"], "b": ["2"]}
    assert list(api.list_jobs(env, project=other)) == ["b"]


def test_a_session_keeps_the_project_that_the_index_has(env: dict[str, str], project: Path, tmp_path: Path) -> None:
    api.save(project, "a", [slurm("1")], env)
    assert api.load(tmp_path, "a", env) == api.load(project, "a", env)
    assert api.open_session(tmp_path, "a", env).entry.project == project


def test_the_example_in_the_apis_own_words_runs(
    env: dict[str, str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "\n".join(line[4:] for line in (api.__doc__ or "").splitlines() if line.startswith("    "))
    assert "api.save(" in code
    monkeypatch.chdir(project)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    exec(compile(code, "example", "exec"), {})
    assert capsys.readouterr().out == "12345 \n"


def test_the_registry_stands_without_the_server() -> None:
    """In a fresh interpreter; `make check` proves the same of the wheel."""
    code = (
        "import pkgutil, sys, importlib, jobwarden_registry as leaf\n"
        "for module in pkgutil.iter_modules(leaf.__path__, 'jobwarden_registry.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    outside = {name for name in ast.literal_eval(out) if not name.startswith(("_", "sitecustomize"))}
    assert outside <= {
        "jobwarden_registry",
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "typing_extensions",
        "typing_inspection",
    }


# -- the schema


def test_the_shipped_schema_is_the_models() -> None:
    assert schema_json.SCHEMA_FILE.read_text(encoding="utf-8") == schema_json.schema_text(), (
        "run: python -m jobwarden_registry.schema_json --write"
    )


def test_the_schema_tells_the_contract() -> None:
    schema = json.loads(schema_json.schema_text())
    record = schema["$defs"]["JobRecord"]
    assert schema["type"] == "array"
    assert tuple(record["properties"])[:8] == CONTRACT
    assert record["required"] == ["type", "id"]
    assert record["additionalProperties"] is True
    for key in CONTRACT:
        assert key in schema["description"]
        assert key in record["required"] or "default" in record["properties"][key]


def test_the_schema_can_be_printed_and_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert schema_json.main([]) == 0
    assert capsys.readouterr().out == schema_json.schema_text()
    assert schema_json.main(["--help"]) == 2
    assert "--write" in capsys.readouterr().err
    monkeypatch.setattr(schema_json, "SCHEMA_FILE", tmp_path / "schema" / "x.json")
    assert schema_json.main(["--write"]) == 0
    assert (tmp_path / "schema" / "x.json").read_text() == schema_json.schema_text()


def test_the_schema_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobwarden_registry.schema_json"], check=True, capture_output=True, text=True
    )
    assert done.stdout == schema_json.schema_text()


# -- records


def test_ended_is_an_allow_list() -> None:
    assert {phase for phase in Phase if phase.final} == {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED}
    assert {phase for phase in Phase if phase.closed} == {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.LOST}


def test_bookkeeping_is_no_news() -> None:
    assert {kind for kind in EventKind if not kind.news} == {EventKind.UPDATED, EventKind.ACTION}


def test_every_time_is_utc_and_one_without_an_offset_is_none() -> None:
    berlin = datetime(2026, 11, 20, 11, 0, tzinfo=timezone(timedelta(hours=1)))
    job = JobRecord.model_validate({"type": "slurm", "id": "1", "submitted_at": berlin})
    assert job.submitted_at == START
    assert job.submitted_at is not None
    assert job.submitted_at.utcoffset() == timedelta(0)
    assert json.loads(job.model_dump_json())["submitted_at"] == "2026-11-20T10:00:00Z"
    with pytest.raises(ValidationError):
        JobRecord.model_validate({"type": "slurm", "id": "1", "submitted_at": "2026-11-20T10:00:00"})
    lenient = read_record({"type": "slurm", "id": "1", "submitted_at": "2026-11-20T10:00:00"})
    assert lenient is not None
    assert lenient.submitted_at is None
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize("raw", [{}, {"type": "slurm"}, {"id": "1"}, {"type": 1, "id": "1"}, {"type": "x", "id": 1}])
def test_a_record_needs_its_type_and_id(raw: dict[str, Any]) -> None:
    assert read_record(raw) is None


_RECORDS = st.builds(
    slurm,
    st.text(min_size=1, max_size=5),
    description=st.text(max_size=5),
    phase=st.sampled_from(Phase),
    reason=st.none() | st.text(max_size=5),
    tags=st.tuples() | st.tuples(st.text(max_size=3)),
    exit_code=st.none() | st.integers(),
    submitted_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    log=st.none() | st.builds(LogPaths, stdout=st.none() | st.text(max_size=5)),
    attempts=st.tuples() | st.tuples(st.builds(Attempt, id=st.text(max_size=3))),
    facts=st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=3),
)


@given(_RECORDS, _RECORDS, st.dictionaries(st.text(max_size=4).map("x-{}".format), st.none() | st.integers()))
@settings(max_examples=100, deadline=None)
def test_a_record_written_changed_and_laid_over_reads_back(
    one: JobRecord, other: JobRecord, unknown: dict[str, Any]
) -> None:
    """Also through JSON, and whatever unknown keys are there."""
    raw = fresh_raw(one) | unknown
    first = read_record(raw)
    assert first is not None
    assert first.model_extra == unknown
    assert fresh_raw(first) | unknown == raw
    lay_over(raw, changes(first, other))
    again = read_object(write_json(in_order(raw)))
    assert again is not None
    assert read_record(again) == JobRecord.model_validate(other.model_dump() | unknown)
    assert tuple(again)[:8] == CONTRACT


def test_salvaging_ends_on_a_hostile_file() -> None:
    assert salvage(b"{" * 200_000) == []
    assert salvage(b'[{"a":' * 20_000) == []
    assert salvage(b'{"id": "1"} junk {"id": "2"') == [{"id": "1"}]


# -- errors


def test_every_error_has_a_code_of_its_own_and_says_what_to_do() -> None:
    def below(kind: type[JobwardenError]) -> set[type[JobwardenError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    ours = [kind for kind in below(RegistryError) if kind.__module__ == "jobwarden_registry.errors"]
    assert len({kind.code for kind in ours}) == len(ours) == 10
    error = UnwritableError("No.", hint="Do this.", code="x.y", retryable=True)
    assert (str(error), error.code, error.retryable) == ("No. Do this.", "x.y", True)
    assert str(UnwritableError("No.")) == "No."
