"""Commands that the configuration names: their output, their time, their children (`actions.running`)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from anyio import to_thread

from support.deeds import GRANTS, Stage, call
from support.household import eventually

LOUD = "import sys; print('x' * 90000); print('token=hf_' + 'a1B2' * 8); sys.exit(3)"
SLOW = """
import os, sys, time
open(sys.argv[1], "w").write(str(os.getpid()))
if os.fork() == 0:
    open(sys.argv[1] + ".child", "w").write(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def granted(clean_environment: Path) -> str:
    commands = {
        "loud": [sys.executable, "-c", LOUD],
        "slow": [sys.executable, "-c", SLOW, str(clean_environment / "pid")],
        "missing": ["/no/such/program"],
        "reads": [sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))"],
    }
    tables = [f"[commands.{name}]\nargv = {json.dumps(argv)}\ntimeout_s = 2.0\n" for name, argv in commands.items()]
    return GRANTS + "\n".join(tables)


async def test_what_a_command_said_is_kept_short_and_masked_with_its_status(stage: Stage) -> None:
    (done,) = await stage.do(call("run_command", command="loud"))
    assert done.outcome == "failed"
    assert "loud ended with status 3" in done.text
    assert "token=" in done.text
    assert "a1B2" not in done.text
    assert len(done.text) < 1200


async def test_a_command_that_takes_too_long_is_ended_with_its_children(stage: Stage, clean_environment: Path) -> None:
    (done,) = await stage.do(call("run_command", command="slow"))
    assert (done.outcome, done.text) == ("failed", "rule diverged: run_command: slow was ended after 2 s.")
    pids = [int((clean_environment / name).read_text(encoding="utf-8")) for name in ("pid", "pid.child")]
    await to_thread.run_sync(lambda: eventually(lambda: not any(map(_lives, pids)), "both have ended"))


async def test_a_program_that_is_not_there_is_told(stage: Stage) -> None:
    (done,) = await stage.do(call("run_command", command="missing"))
    assert done.outcome == "failed"
    assert "was not run" in done.text


async def test_a_command_has_nothing_to_read(stage: Stage) -> None:
    (done,) = await stage.do(call("run_command", command="reads"))
    assert done.text == "rule diverged: run_command: reads ended with status 0: ''"


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z" and os.getpid() != pid
