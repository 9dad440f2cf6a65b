"""docs/options.md is made from the code; whether it is up to date, `make check` says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from jobwarden.cli.main import build
from jobwarden.config.clocks import Clocks

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made() -> str:
    if not (ROOT / "scripts" / "reference.py").exists():
        pytest.skip("no scripts here: the installed wheel is tested")
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.reference(ROOT))


def test_every_command_and_every_clock_is_in_it(made: str) -> None:
    for name, command in build().commands.items():
        assert (f"### `jobwarden {name}`" in made) is not command.hidden
    for name in Clocks.model_fields:
        assert f"| `{name}` | " in made


def test_the_variables_that_are_read_are_found_in_the_code(made: str) -> None:
    if not (ROOT / "server").is_dir():
        pytest.skip("no sources here: the installed wheel is tested")
    variables = made.partition("## Environment variables")[2]
    assert "`JOBWARDEN_CONFIG` | The configuration file" in variables
    assert "`NEMORUN_HOME` | Where" in variables


def test_every_key_of_a_host_has_a_meaning(made: str) -> None:
    table = made.partition("### `[hosts.NAME]`")[2].partition("###")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) >= 8
    assert not [row for row in rows if row.endswith("|  |")]


def test_a_default_and_its_meaning_stand_beside_each_key(made: str) -> None:
    assert "| `poll_s` | `60.0` | Between two questions to one source on one host. |" in made
    assert "| `gpu_use` | `false` | Whether a step may be added to your running Slurm jobs there" in made
    assert "| `argv` | required | Program and arguments." in made
