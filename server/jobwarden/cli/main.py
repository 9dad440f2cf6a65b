"""The command line's entry point: puts the commands together, and turns errors into words and exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobwarden.cli import (
    auditing,
    board,
    cleaning,
    controlling,
    demo,
    diagnosing,
    discovering,
    exit_codes,
    halting,
    history,
    hooks,
    install,
    jobs,
    planning,
    reconciling,
    ruling,
    upkeep,
    using,
)
from jobwarden.cli.exit_codes import MEANINGS, ExitCode
from jobwarden.cli.face import Face, OpenService
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.errors import JobwardenError

if TYPE_CHECKING:
    from jobwarden.mcp_server.lifeline import Lifeline

_HELP = """Keep watch over long-running jobs, on clusters and on this machine.

\b
Begin here:
  jobwarden register slurm 12345 --host cluster-a   watch a submitted job
  jobwarden run -- python train.py                  start a local one, watched
  jobwarden status                                  where everything stands
  jobwarden board                                   all sessions, live
  jobwarden wait 12345                              until it has ended
  jobwarden tail -f 12345                           its log, until it ends
  jobwarden diagnose 12345                          why it failed
  jobwarden diagnose --file slurm-12345.out         why, by any log alone
  jobwarden explain 12345                           why it is in that state
  jobwarden cancel 12345                            stop it
  jobwarden history --since 7d                      what ended, and how
  jobwarden doctor                                  what would go wrong
"""
_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS)


class _InOrder(click.Group):
    """Lists its commands in the order in which one meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- the base's signature
        return list(self.commands)


def build() -> click.Group:
    """Put the commands together."""
    group = _InOrder(
        "jobwarden",
        help=_HELP,
        epilog=_EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=True,
    )
    for command in (
        jobs.register,
        jobs.run,
        jobs.status,
        board.board,
        jobs.wait,
        jobs.tail,
        diagnosing.diagnose,
        jobs.explain,
        history.history,
        using.use,
        jobs.cancel,
        halting.stop_all,
        controlling.control,
        controlling.pause,
        controlling.unpause,
        discovering.discover,
        ruling.rules,
        planning.plan,
        reconciling.reconcile,
        upkeep.watch,
        auditing.audit,
        install.install,
        upkeep.doctor,
        cleaning.cleanup,
        upkeep.watcher,
        upkeep.serve,
        demo.demo,
        upkeep.version,
        hooks.hook,
    ):
        group.add_command(command)
    return group


def main(
    args: Sequence[str] | None = None,
    *,
    open_service: OpenService | None = None,
    env: Mapping[str, str] | None = None,
    clock: Clock = utc_now,
    lifeline: Lifeline | None = None,
) -> int:
    """Run one command and give its exit code.

    Args:
        args: The command line without the program's name; None: the process's own.
        open_service: What answers instead of the real service.
        env: The environment; None: the process's own.
        clock: The present.
        lifeline: For `serve`: what reads the client already.
    """
    words = sys.argv[1:] if args is None else list(args)
    face = Face(os.environ if env is None else env, Path.cwd(), clock, open_service, lifeline)
    try:
        code = _invoke(words, face)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader left (`| head`). Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    return code


def _invoke(words: Sequence[str], face: Face) -> int:
    group = build()
    try:
        with group.make_context("jobwarden", list(words), obj=face) as context:
            result = group.invoke(context)
            return result if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("", err=True)
        return ExitCode.INTERRUPTED
    except JobwardenError as error:
        return _tell(error, as_json="--json" in words)
    except BaseExceptionGroup as errors:  # a task group around the service wraps what passes through it
        if errors.subgroup(BrokenPipeError) is not None:
            raise BrokenPipeError from errors
        return _tell(_only(errors), as_json="--json" in words)


def _only(errors: BaseExceptionGroup[BaseException]) -> JobwardenError:
    ours, others = errors.split(JobwardenError)
    if ours is None or others is not None:
        raise errors
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, JobwardenError)
    return first


def _tell(error: JobwardenError, *, as_json: bool) -> ExitCode:
    """Say what went wrong and what to do: as JSON on stdout if that was asked for, and always on stderr."""
    from jobwarden.cli.words import clean

    if as_json:
        told = {"code": error.code, "text": error.text, "hint": error.hint, "retryable": error.retryable}
        click.echo(json.dumps({"error": told}))
    click.echo(f"jobwarden: {clean(error.text)}", err=True)
    if error.hint:
        for line in error.hint.split("\n"):  # some of it is to be pasted
            click.echo(f"  {clean(line)}", err=True)
    return exit_codes.of_error(error)


if __name__ == "__main__":
    sys.exit(main())
