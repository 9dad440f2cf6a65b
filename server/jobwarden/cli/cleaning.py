"""The command cleanup: old journals and sessions, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face
from jobwarden.cli.upkeep import Duration

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.service.retention_views import CleanupView
    from jobwarden.service.service import Service

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@click.command(
    epilog=examples("jobwarden cleanup --dry-run", "jobwarden cleanup --older-than 60d", "jobwarden cleanup --json")
)
@click.option(
    "--older-than",
    "older_s",
    type=Duration(),
    metavar="DURATION",
    help="Drop what was seen on the way of jobs that ended before: 60d. [default: as configured, 90d]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be freed, and free nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@pass_face
def cleanup(face: Face, *, older_s: float | None, dry_run: bool, as_json: bool) -> ExitCode:
    """Make old journals smaller, and remove sessions that were not used for a year.

    Of a job that is long over stay its registration, its end and who did what; a session that watches anything, or has
    news that nobody was told, is left alone. The watcher does the same once a day ([retention] in the configuration).
    """

    async def work(service: Service, _caller: Caller) -> CleanupView:
        return await service.retention.clean(service.retention.ages(older_s), dry_run=dry_run)

    view = face.ask(None, work)
    if as_json:
        click.echo(view.model_dump_json(indent=2))
    else:
        _tell(view)
    return ExitCode.BROKEN if any(row.what == "failed" for row in view.sessions) else ExitCode.OK


def _tell(view: CleanupView) -> None:
    from jobwarden.cli.words import clean

    for row in view.sessions:
        what = f"would be {row.what}" if view.dry_run and row.what in ("compacted", "removed") else row.what
        more = f": {row.why}" if row.why else f", {_size(row.freed_bytes)}"
        click.echo(clean(f"{what}: session {row.session}{more}"))
    for path in view.files:
        click.echo(clean(f"{'would be removed' if view.dry_run else 'removed'}: {path}"))
    click.echo(f"{'Would free' if view.dry_run else 'Freed'} {_size(view.freed_bytes)}.")


def _size(size_bytes: int) -> str:
    for unit, name in _UNITS:
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f} {name}"
    return f"{size_bytes} bytes"
