"""Where `jobwarden demo` plays: a throw-away project and state folder, and the job in it."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from jobwarden.programs import on_path
from jobwarden_registry.errors import JobwardenError

JOB = "demo-train"
SESSION = "jobwarden-demo"
SUBMIT = f"sbatch --parsable --job-name={JOB} --time=5 --output={JOB}-%j.log"
_SUBMIT_S = 60.0
_FOREIGN = ("CLAUDE", "CODEX", "JOBWARDEN_")
_KEPT = ("JOBWARDEN_SSH_CONFIG",)
_CLOCKS = """\
[clocks]  # the defaults suit jobs of hours; this one runs for seconds
poll_s = 2
quick_s = [1, 1, 1]
quick_budget = 1000
floor_s = 0.5
scan_s = 1
linger_s = 2
"""


class DemoError(JobwardenError):
    """The demo's job could not be started."""

    code: str = "demo.no_job"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The throw-away places, and the environment of everything that the demo starts."""

    folder: Path
    project: Path
    env: Mapping[str, str]

    async def run(self, argv: Sequence[str]) -> Done:
        """Run a command in the project."""
        done = await anyio.run_process(list(argv), input=b"", env=self.env, cwd=self.project, check=False)
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    @property
    def active_jobs(self) -> Path:
        """The session's active_jobs.json."""
        return self.project / ".claude" / "agents" / SESSION / "active_jobs.json"

    def watched(self) -> list[str]:
        """Give the ids that active_jobs.json holds."""
        try:
            entries = json.loads(self.active_jobs.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return [str(entry["id"]) for entry in entries]

    def journal(self) -> list[dict[str, object]]:
        """Give the events in the session's journal."""
        lines = [line for path in sorted(self.folder.rglob("events.jsonl")) for line in path.read_text().splitlines()]
        return [json.loads(line) for line in lines]


def jobwarden(*words: str) -> list[str]:
    """Build a command line of this very jobwarden, installed as a program or not."""
    return [sys.executable, "-m", "jobwarden", *words]


@contextmanager
def raised(env: Mapping[str, str], host: str | None) -> Generator[Stage]:
    """Make the places, and remove them at the end.

    Raises:
        ConfigError: The user's own configuration, of which the host's part is used, cannot be.
    """
    folder = Path(tempfile.mkdtemp(prefix="jobwarden-demo-"))
    try:
        project = folder / "project"
        project.mkdir()
        for name in ("state", "run"):
            (folder / name).mkdir(mode=0o700)
        config = folder / "config.toml"
        config.write_text(_CLOCKS + _host_table(env, host), encoding="utf-8")
        ours = {
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "JOBWARDEN_CONFIG": str(config),
            "CLAUDE_PROJECT_DIR": str(project),
            "CLAUDE_CODE_SESSION_ID": SESSION,
            "PYTHONUNBUFFERED": "1",
        }
        kept = {name: value for name, value in env.items() if name in _KEPT or not name.startswith(_FOREIGN)}
        yield Stage(folder, project, {**kept, **ours})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _host_table(env: Mapping[str, str], host: str | None) -> str:
    """Write the user's own settings for this host again, so that the demo reaches it as jobwarden does."""
    if host is None:
        return ""
    from jobwarden.config.reading import load_config
    from jobwarden.verdict.world import config_path

    settings = load_config(config_path(env)).host(host).model_dump(exclude_defaults=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]  # JSON's strings are TOML's
    return "\n".join([f"\n[hosts.{json.dumps(host)}]", *lines, ""])


# -- the job


def steps_script(seconds: int) -> str:
    """Write a shell program that prints progress for so many seconds."""
    return (
        f"i=1; while [ $i -le {seconds} ]; do"
        f' echo "step $i of {seconds}: loss 0.$((900 / i))"; i=$((i + 1)); sleep 1; done; echo "done, all is well"'
    )


def slurm_is_here(env: Mapping[str, str]) -> bool:
    """Say whether there is an sbatch on this machine; it may still have no cluster."""
    return on_path("sbatch", env) is not None


async def submit(stage: Stage, host: str | None, seconds: int) -> str:
    """Submit the demo's job, over jobwarden's own transport, and give its id.

    Raises:
        DemoError: It was refused.
        TransportError: The host could not be asked; the hint says what to do.
    """
    done = await there(stage, host, f"cd && {SUBMIT}", stdin=f"#!/bin/sh\n{steps_script(seconds)}\n")
    job_id = done.out.strip().split(";")[0]  # --parsable prints `id` or `id;cluster`
    if done.status != 0 or not job_id.isdigit():
        said = (done.err.strip() or done.out.strip() or f"exit status {done.status}").splitlines()
        raise DemoError(f"sbatch refused the job: {said[-1]}")
    return job_id


async def there(stage: Stage, host: str | None, command: str, *, stdin: str = "") -> Done:
    """Run a shell command on the host (None: here), as the transports do: after the user's own prelude for it.

    Raises:
        TransportError: The host could not be asked; the hint says what to do.
    """
    from jobwarden.config.reading import load_config
    from jobwarden.transport.pool import TransportPool
    from jobwarden.verdict.world import config_path
    from jobwarden_registry.paths import machine_id

    config = load_config(config_path(stage.env))
    argv = ["sh", "-c", command]
    async with (
        TransportPool(config, env=stage.env, machine_id=machine_id(stage.env)) as pool,
        pool.lease(host or "localhost") as transport,
    ):
        done = await transport.run(argv, timeout_s=_SUBMIT_S, stdin=stdin.encode())
    return Done(done.status, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
