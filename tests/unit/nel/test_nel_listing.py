"""Which of nel's runs are listed as living: from its own list of runs, real ones and made ones, without asking nel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobwarden.sources.base import Discovers, Found, Host
from jobwarden.sources.nel.answers import read_noted
from jobwarden_registry.phases import Phase
from support.nel_paper import DATA, INVOCATION, PaperNel
from support.sightings import START, at

DAY = 86400.0
SECRET = "lit:not-a-secret"


@pytest.fixture
def nel(tmp_path: Path) -> PaperNel:
    return PaperNel(tmp_path, seconds=3600.0)


def noted(rows: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    """Rows of an answer as they stand in the list of runs."""
    known = {"timestamp": START.timestamp(), "executor": "local", "config": {"env_vars": {"T": SECRET}}}
    return [
        {"invocation_id": row["invocation"], "job_id": row["job_id"], "data": row["data"], **known, **fields}
        for row in rows
    ]


def keep(nel: PaperNel, rows: list[dict[str, Any]], name: str = "") -> str:
    path = Path(name) if name else nel.home / ".nemo-evaluator" / "exec-db" / "exec.v1.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


async def listed(nel: PaperNel, *watched: Mapping[str, Any]) -> dict[str, Found]:
    assert isinstance(nel.source, Discovers)
    host: Host = replace(nel.host, settings={"watched": [dict(one) for one in watched], "project": None})
    found = {one.id: one for one in await nel.source.discover(host)}
    assert nel.calls == [], "nel itself is not asked"
    return found


async def test_the_runs_of_a_real_list_that_slurm_has_are_told_with_their_first_jobs(nel: PaperNel) -> None:
    text = (DATA / "exec.v1.jsonl").read_text(encoding="utf-8")
    assert SECRET in text
    keep(nel, [json.loads(line) for line in text.splitlines()])
    found = await listed(nel)
    assert len(found) == 8, "the local ones have no folder any more"
    assert next(iter(found)) == "fe8adac49fc3b7c2", "the newest first"
    one = found["ed39a588fa445eba"]
    assert one.depends is not None
    assert (one.depends.slurm_ids, one.depends.host) == (("10", "11"), "alice@cluster-a")
    assert (one.name, one.phase) == ("ifeval, mmlu_pro", Phase.UNKNOWN)
    assert one.what == "2 tasks by slurm in alice@cluster-a:/home/alice/nel/20261120_101045-ed39a588fa445eba"
    assert SECRET.encode() not in nel.transport.heard
    assert SECRET not in "".join(each.model_dump_json() for each in found.values())


async def test_the_job_that_waits_to_resume_a_run_is_one_of_its_own(nel: PaperNel) -> None:
    keep(nel, noted([nel.task()], executor="slurm"))
    nel.chain("10", "12", following="13")
    depends = (await listed(nel))[INVOCATION].depends
    assert depends is not None
    looked = await nel.source.look_there(nel.host, {INVOCATION: depends})
    assert looked[INVOCATION].slurm_ids == ("10", "12", "13")


@pytest.mark.parametrize(
    ("files", "phase"),
    [
        ({}, Phase.PENDING),
        ({"stage.running": ""}, Phase.RUNNING),
        ({"stage.running": "", "stage.exit": "2026-11-20T10:02:26Z 0\n"}, None),
        ({"stage.running": "", "stage.exit": "2026-11-20T10:02:26Z 3\n"}, None),
    ],
)
async def test_a_local_run_is_listed_while_its_folder_says_that_it_lives(
    nel: PaperNel, files: dict[str, str], phase: Phase | None
) -> None:
    keep(nel, noted([nel.task(slurm=None)]))
    for name, text in files.items():
        (nel.folder() / "logs" / name).write_text(text, encoding="utf-8")
    found = (await listed(nel)).get(INVOCATION)
    assert (None if found is None else found.phase) is phase
    assert found is None or found.depends is None


async def test_a_local_run_that_nel_has_killed_is_not_listed(nel: PaperNel) -> None:
    keep(nel, noted([{**nel.task(slurm=None), "data": {**nel.task(slurm=None)["data"], "killed": True}}]))
    assert await listed(nel) == {}


async def test_old_runs_are_left_out_unless_they_were_resumed(nel: PaperNel) -> None:
    rows = noted([nel.task()], executor="slurm", timestamp=at(-15 * DAY).timestamp())
    keep(nel, rows)
    assert await listed(nel) == {}
    rows[0]["data"]["resumed_at"] = at(-1).timestamp()
    keep(nel, rows)
    assert list(await listed(nel)) == [INVOCATION]


async def test_of_another_executor_only_what_is_young_is_listed_as_not_known(nel: PaperNel) -> None:
    keep(nel, noted([nel.task(slurm=None)], executor="lepton"))
    found = (await listed(nel))[INVOCATION]
    assert (found.phase, found.depends) == (Phase.UNKNOWN, None)
    nel.seconds = 2 * DAY
    assert await listed(nel) == {}


async def test_the_lists_of_watched_runs_are_read_too_and_who_adopts_reads_the_same(nel: PaperNel) -> None:
    other = keep(nel, noted([nel.task()], executor="slurm"), str(nel.home / "elsewhere" / "runs.jsonl"))
    assert await listed(nel) == {}
    found = (await listed(nel, {"nel": ["/opt/nel"], "runs": other}))[INVOCATION]
    assert (found.facts["runs"], found.facts["nel"]) == (other, ["/opt/nel"])


def test_a_time_that_cannot_be_one_is_very_old() -> None:
    for moment in ("1e400", "-5", "1e300"):
        (one,) = read_noted([f'{{"job_id": "{INVOCATION}.0", "timestamp": {moment}}}'])
        assert one.at.year == 1970
