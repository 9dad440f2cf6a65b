"""The command use: what running jobs use of what they have."""

from __future__ import annotations

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options
from jobwarden.cli.jobs import answer


@click.command(epilog=examples("jobwarden use", "jobwarden use ptq-llama-8b --json"))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@shared_options
@pass_face
def use(face: Face, *, jobs: tuple[str, ...], session: str | None, as_json: bool) -> ExitCode:
    """Say what running jobs use: CPU, memory, GPUs.

    By default every running job of the session. CPU is the cores that were busy on the average of the run so far, of
    those that it has. Memory of a Slurm job is the most so far (sstat), of a local process what it has now. GPUs of a
    Slurm job are looked at in a step of their own, only on a host with `gpu_use = true` in your configuration.
    """
    view = face.ask(session, lambda service, caller: service.using.use(caller, jobs))
    from jobwarden.cli.use_table import use_text

    answer(face, view, use_text, as_json=as_json)
    return ExitCode.OK
