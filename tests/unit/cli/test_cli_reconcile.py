"""The command reconcile, and what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jobwarden.cli.main import main
from jobwarden.identity import Caller
from jobwarden.service.reconciling import Reconciling, Say
from jobwarden.service.reconciling_views import OutputView, ReconciledRow, ReconcileView
from jobwarden.service.service import Service
from jobwarden_registry.phases import Phase
from support.fake_service import EVIDENCE, NOW, Answers, FakeService, Ran, failed_job, job


class Looks(Reconciling):
    """Answers what a test tells it to."""

    def __init__(self, view: ReconcileView) -> None:
        self.view = view
        self.asked: list[Mapping[str, object]] = []

    async def reconcile(
        self,
        caller: Caller,  # noqa: ARG002 -- the base's
        *,
        jobs: Sequence[str] = (),
        everything: bool = False,
        expect: Sequence[str] = (),
        say: Say | None = None,
    ) -> ReconcileView:
        self.asked.append({"jobs": jobs, "everything": everything, "expect": expect})
        if say is not None:
            await say("looking again")
        return self.view


def row(outcome: str = "as it was", **fields: Any) -> ReconciledRow:
    base: dict[str, Any] = {
        "job": job(name="ptq"), "was": Phase.RUNNING, "was_status": "RUNNING", "outcome": outcome,
        "text": "It is RUNNING.", "expects": True, "seen": EVIDENCE,
        "outputs": (OutputView(expect="out/*.json", found=False, line="out/*.json is not there"),),
    }  # fmt: skip
    return ReconciledRow.model_validate(base | fields)


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str], clean_environment: Path) -> Any:
    def run(looks: Looks, *words: str) -> Ran:
        @asynccontextmanager
        async def opened(env: Mapping[str, str], *, project: Path | None = None) -> AsyncGenerator[Service]:
            service = FakeService(Answers())
            service.reconciling = looks
            yield service

        env = {"HOME": str(clean_environment), "XDG_RUNTIME_DIR": str(clean_environment / "run")}
        code = main(("reconcile", *words), open_service=opened, env=env, clock=lambda: NOW)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


def test_each_job_is_told_with_what_it_was_what_was_seen_and_what_it_is(type_in: Any) -> None:
    changed = row(
        "changed", job=failed_job(name="ptq", status="COMPLETED"), text="It ended, but its output is missing."
    )
    looks = Looks(ReconcileView(rows=(changed, row("undecided"))))
    ran = type_in(looks, "ptq", "--expect", "out/*.json")
    assert looks.asked == [{"jobs": ("ptq",), "everything": False, "expect": ("out/*.json",)}]
    assert ran.out.splitlines()[:5] == [
        "changed: ptq (slurm 12346 on cluster-a): was RUNNING (running), is COMPLETED (failed)",
        "  It ended, but its output is missing.",
        "  missing: out/*.json: out/*.json is not there",
        "  $ sacct -j 12345",
        "  | 12345|COMPLETED|0:0",
    ]
    assert "undecided: ptq (slurm 12345 on cluster-a): RUNNING (running)" in ran.out
    assert (ran.code, ran.err) == (3, "looking again\n")


@pytest.mark.parametrize(
    ("outcome", "code"), [("as it was", 0), ("undecided", 5), ("not asked", 4), ("contradicted", 3)]
)
def test_the_exit_code_is_the_worst_of_them(type_in: Any, outcome: str, code: int) -> None:
    assert type_in(Looks(ReconcileView(rows=(row(), row(outcome)))), "--all").code == code


def test_programs_get_the_same_as_json(type_in: Any) -> None:
    ran = type_in(Looks(ReconcileView(rows=(row(),))), "--json")
    (shown,) = json.loads(ran.out)["rows"]
    assert (shown["was"], shown["outcome"], shown["outputs"][0]["found"]) == ("running", "as it was", False)
    assert shown["seen"]["lines"] == ["12345|COMPLETED|0:0"]


def test_without_jobs_it_says_how_to_look_at_all(type_in: Any) -> None:
    ran = type_in(Looks(ReconcileView(rows=())))
    assert (ran.code, "--all" in ran.out) == (0, True)
