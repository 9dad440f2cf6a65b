"""How the command line fails: in words, with what to do, with an exit code, and never with half a line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobwarden.cli.exit_codes import MEANINGS, ExitCode
from jobwarden.cli.main import build
from jobwarden.config.reading import ConfigError
from jobwarden.logs.pattern import PatternError
from jobwarden.logs.position import CursorError
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.transport.errors import AuthRejectedError
from jobwarden_registry.errors import (
    AmbiguousJobError,
    InvalidIdError,
    JobNotFoundError,
    JobwardenError,
    UnwritableError,
)
from support.fake_service import Answers, Terminal


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JobNotFoundError, 6),
        (AmbiguousJobError, 6),
        (InvalidIdError, 2),
        (CursorError, 2),
        (PatternError, 2),
        (AuthRejectedError, 4),
        (SourceUnavailableError, 4),
        (UnwritableError, 1),
        (ConfigError, 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_says_what_to_do(
    terminal: Terminal, answers: Answers, error: type[JobwardenError], code: int
) -> None:
    answers.error = error("It is\x1b[2J so.", hint="Do this.")
    ran = terminal("status")
    assert (ran.code, ran.out, ran.err) == (code, "", "jobwarden: It is\\x1b[2J so.\n  Do this.\n")


def test_a_program_gets_the_error_as_json(terminal: Terminal, answers: Answers) -> None:
    answers.error = AuthRejectedError("No.", hint="ssh cluster-a")
    told = json.loads(terminal("status", "--json").out)
    assert told == {"error": {"code": "ssh.auth_rejected", "text": "No.", "hint": "ssh cluster-a", "retryable": False}}


def test_an_error_out_of_a_task_group_is_told_like_any_other(terminal: Terminal, answers: Answers) -> None:
    answers.error = BaseExceptionGroup("tasks", [ExceptionGroup("inner", [JobNotFoundError("No such job.")])])
    ran = terminal("status")
    assert (ran.code, ran.err) == (6, "jobwarden: No such job.\n")


def test_a_fault_of_ours_is_not_hidden_behind_an_error_of_ours(terminal: Terminal, answers: Answers) -> None:
    answers.error = ExceptionGroup("tasks", [JobNotFoundError("x"), RuntimeError("a bug")])
    with pytest.raises(ExceptionGroup):
        terminal("status")


def test_ctrl_c_is_130_without_a_traceback(terminal: Terminal, answers: Answers) -> None:
    answers.error = KeyboardInterrupt()
    ran = terminal("status")
    assert (ran.code, ran.err) == (130, "\n")


def test_a_wrong_command_is_a_usage_error(terminal: Terminal) -> None:
    for words in (("nonsense",), ("status", "--nonsense"), ("register", "slurm"), ()):
        ran = terminal(*words)
        assert (ran.code, ran.out) == (2, ""), words


def test_help_teaches_every_exit_code_and_every_command_has_examples(terminal: Terminal) -> None:
    out = terminal("--help").out
    for code, meaning in MEANINGS:
        assert f"{code.value:>3}  {meaning}" in out
    for name in (name for name, command in build().commands.items() if not command.hidden):
        assert f"  {name} " in out
        if name not in {"watcher", "version"}:
            assert f"    jobwarden {name}" in terminal(name, "--help").out or name == "serve"


def test_help_fits_in_eighty_columns(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ((), *((name,) for name in build().commands)):
        for line in terminal(*words, "--help").out.splitlines():
            assert len(line) <= 80, line


def test_every_exit_code_but_the_silent_one_is_explained() -> None:
    assert {code for code, _ in MEANINGS} == set(ExitCode) - {ExitCode.BROKEN_PIPE}


# -- the process itself


def _python(*words: str) -> list[str]:
    return [sys.executable, "-W", "error", *words]


def test_a_reader_that_leaves_is_no_error() -> None:
    code = "import sys; from jobwarden.cli.main import main; sys.exit(main(['--help']))"
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(_python("-c", code), stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_ctrl_c_ends_a_watch_cleanly(tmp_path: Path) -> None:
    """A real SIGINT, sent to a real process while it waits for the next event."""
    ready = tmp_path / "ready"
    program = tmp_path / "program.py"
    program.write_text(_WATCHING, encoding="utf-8")
    process = subprocess.Popen(_python(str(program), str(ready)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(300):
        if ready.exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"\n")


_WATCHING = """
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from jobwarden.cli.main import main
from jobwarden.service.service import Service


class Silent(Service):
    def __init__(self):
        pass

    async def follow(self, caller, *, after_seq=None):
        Path(sys.argv[1]).touch()
        await anyio.sleep_forever()
        yield


@asynccontextmanager
async def opened(env, *, project=None):
    async with anyio.create_task_group():
        yield Silent()


sys.exit(main(["watch"], open_service=opened))
"""


@pytest.mark.parametrize(
    ("words", "never"),
    [
        (["--help"], ["mcp", "pydantic", "rich", "anyio", "asyncssh", "jobwarden.service"]),
        (["version"], ["mcp", "pydantic", "rich", "anyio", "asyncssh", "jobwarden.service"]),
        (["status", "--help"], ["mcp", "pydantic", "rich", "anyio", "asyncssh"]),
        (["status", "--json", "--no-refresh"], ["mcp", "rich", "starlette", "uvicorn"]),
    ],
)
def test_a_command_imports_only_what_it_needs(words: list[str], never: list[str]) -> None:
    code = (
        "import sys; from jobwarden.cli.main import main; main(sys.argv[2:]);"
        "print([name for name in sys.argv[1].split(',') if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run(_python("-c", code, ",".join(never), *words), capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1:] == ["[]"], ran.stderr
