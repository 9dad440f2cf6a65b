"""`jobwarden demo`: everything at once, in a throw-away project, with every promise checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face
from jobwarden_registry.errors import JobwardenError

if TYPE_CHECKING:
    from jobwarden.cli.demo_stage import Stage
    from jobwarden.mcp_server.demo import Agent

_PATIENCE_S = 300.0
"""A Slurm job may have to wait for its turn."""


@click.command(epilog=examples("jobwarden demo", "jobwarden demo --host cluster-a"))
@click.option("--host", metavar="HOST", help="Submit to the Slurm of this host, over ssh.")
@click.option("--local", is_flag=True, help="A program on this machine, even where a Slurm is found.")
@click.option("--seconds", type=click.IntRange(1, 600), default=6, show_default=True, help="How long the job runs.")
@pass_face
def demo(face: Face, *, host: str | None, local: bool, seconds: int) -> ExitCode:
    """Watch one real job to its end, as an agent would.

    Starts a job, drives the real MCP server over stdio, prints every call and answer, and leaves nothing behind.
    The job is a program on this machine; or a Slurm job, where sbatch works or --host is given.
    """
    if host and local:
        raise click.UsageError("Give --host or --local.")
    import anyio

    kept = anyio.run(_play, face.env, host, local, seconds)
    return ExitCode.OK if kept else ExitCode.BROKEN


@dataclass
class _Play:
    """One showing: the stage, the story so far, and what was promised."""

    stage: Stage
    seconds: int
    began: float
    kept: bool = True
    log_files: list[str] = field(default_factory=list[str])

    def say(self, text: str) -> None:
        import anyio

        click.echo(f"[{anyio.current_time() - self.began:5.1f} s] {text}")

    def promise(self, text: str, *, kept: bool) -> None:
        self.kept = self.kept and kept
        self.say(f"{'ok' if kept else 'BROKEN'}: {text}")

    async def call(self, agent: Agent, tool: str, **arguments: object) -> str:
        """Call a tool, and show the call and its answer as an agent sees them."""
        self.say(f"agent calls {tool}({json.dumps(arguments) if arguments else ''})")
        answer = await agent.call(tool, arguments)
        _quote(answer.text)
        if answer.refused:
            self.promise(f"{tool} answers", kept=False)
        return answer.text


def _quote(text: str) -> None:
    from jobwarden.cli.words import clean

    for line in text.splitlines():
        cells = "\t".join(clean(cell) for cell in line.split("\t"))
        click.echo(f"          | {cells}")


async def _play(env: Mapping[str, str], host: str | None, local: bool, seconds: int) -> bool:  # noqa: FBT001 -- anyio.run passes by position
    import anyio

    from jobwarden.cli.demo_stage import raised

    with raised(env, host) as stage:
        play = _Play(stage, seconds, anyio.current_time())
        play.say(f"a throw-away project: {stage.project}")
        try:
            await _acts(play, host, local=local)
        finally:
            with anyio.CancelScope(shield=True):
                await _leave_nothing(play, host)
        click.echo("All went as promised." if play.kept else "Not all went as promised.")
        return play.kept


async def _acts(play: _Play, host: str | None, *, local: bool) -> None:
    from jobwarden.cli.demo_stage import jobwarden
    from jobwarden.mcp_server.demo import connected

    slurm_id = None if local else await _submitted(play, host)
    if slurm_id is None:
        await _started(play)
    async with connected(jobwarden("serve"), env=play.stage.env, cwd=play.stage.project) as agent:
        play.say(f"the MCP server offers {', '.join(await agent.tools())}")
        if slurm_id is not None:
            where = {"host": host} if host else {}
            text = await play.call(agent, "register_job", type="slurm", id=slurm_id, name="demo-train", **where)
            play.promise("the job is registered", kept=slurm_id in text)
        await _watched_to_its_end(play, agent)
    await _looked_back(play)


async def _submitted(play: _Play, host: str | None) -> str | None:
    """Submit to Slurm and give the id; None: there is none here, so a local program must do."""
    from jobwarden.cli.demo_stage import JOB, SUBMIT, slurm_is_here, submit

    if host is None and not slurm_is_here(play.stage.env):
        return None
    play.say(f"$ ssh {host} {SUBMIT}" if host else f"$ {SUBMIT}")
    try:
        job_id = await submit(play.stage, host, play.seconds)
    except JobwardenError as error:
        if host is not None:
            raise
        play.say(f"{error.text}; so a program on this machine must do")
        return None
    _quote(job_id)
    play.log_files.append(f"{JOB}-{job_id}.log")
    return job_id


async def _started(play: _Play) -> None:
    from jobwarden.cli.demo_stage import JOB, jobwarden, steps_script

    script = steps_script(play.seconds)
    play.say(f"$ jobwarden run --name {JOB} -- sh -c '{script[:40]}...'")
    done = await play.stage.run(jobwarden("run", "--name", JOB, "--", "sh", "-c", script))
    _quote(done.out + done.err)
    play.promise("the job is started and registered", kept=done.status == 0 and bool(play.stage.watched()))


async def _watched_to_its_end(play: _Play, agent: Agent) -> None:
    import anyio

    from jobwarden.cli.demo_stage import JOB

    await play.call(agent, "check_status")
    await play.call(agent, "wait_for_change", jobs=[JOB], until="terminal", timeout_s=max(1, play.seconds // 2))
    await play.call(agent, "tail_log", job=JOB, lines=3)
    deadline = anyio.current_time() + _PATIENCE_S + play.seconds
    while not _ended(play) and anyio.current_time() < deadline:
        await play.call(agent, "wait_for_change", jobs=[JOB], until="all_terminal", timeout_s=45)
    text = await play.call(agent, "tail_log", job=JOB, lines=3)
    play.promise("the log is shown to its end", kept="done, all is well" in text)


def _ended(play: _Play) -> bool:
    return any(event["event"] == "finished" for event in play.stage.journal())


async def _looked_back(play: _Play) -> None:
    import anyio

    with anyio.move_on_after(10):
        while play.stage.watched():  # noqa: ASYNC110 -- another process writes the file
            await anyio.sleep(0.1)
    events = play.stage.journal()
    play.say(
        "the journal has: " + ", ".join(f"{event['event']} {event.get('new_status') or ''}".strip() for event in events)
    )
    finished = [event for event in events if event["event"] == "finished"]
    play.promise(
        "its end is in the journal, once, as succeeded", kept=[e.get("phase") for e in finished] == ["succeeded"]
    )
    play.promise("it is pruned from active_jobs.json", kept=not play.stage.watched())


async def _leave_nothing(play: _Play, host: str | None) -> None:
    """End what still runs, and remove the log that Slurm wrote into the home folder."""
    from jobwarden.cli.demo_stage import jobwarden, there

    if play.stage.watched():
        await play.stage.run(jobwarden("cancel", "--all", "--reason", "the demo is over"))
    await play.stage.run(jobwarden("watcher", "stop"))
    state = await play.stage.run(jobwarden("watcher", "status"))
    play.promise("the watcher has ended", kept="not running" in state.out)
    for name in play.log_files:
        await there(play.stage, host, f"cd && rm -f {name}")
