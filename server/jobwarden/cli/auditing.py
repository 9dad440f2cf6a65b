"""The command audit: who did what, one line a deed."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face
from jobwarden.cli.upkeep import Duration

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.service.auditing import Wanted
    from jobwarden.service.auditing_views import DeedView
    from jobwarden.service.service import Service

Form = Literal["lines", "json", "csv"]
_COLUMNS = ("at", "action", "by", "job", "result", "session", "seq", "name", "text")


@click.command(
    epilog=examples(
        "jobwarden audit --since 7d",
        "jobwarden audit --job 12345",
        "jobwarden audit --by rule/ --action resubmit",
        'jobwarden audit | awk \'$2 == "cancel" && $5 != "accepted"\'',
        "jobwarden audit --since 30d --csv -o deeds.csv",
        "jobwarden audit --follow",
    )
)
@click.option("--since", "since_s", type=Duration(), metavar="DURATION", help="Only the last so long: 90s, 2h, 7d.")
@click.option("--job", help="Only about this one: its id, name, or type:id@host.")
@click.option("--by", help="Only by those whose name has this in it: codex, rule/, a session's id.")
@click.option("--action", help="Only this: register, cancel, resubmit, halt, ...")
@click.option("--follow", is_flag=True, help="Go on as deeds are done; from now on, or --since.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, with a head.")
@click.option("-o", "path", type=click.Path(dir_okay=False, path_type=Path), help="Into this file, 0600.")
@pass_face
def audit(
    face: Face,
    *,
    since_s: float | None,
    job: str | None,
    by: str | None,
    action: str | None,
    follow: bool,
    as_json: bool,
    as_csv: bool,
    path: Path | None,
) -> ExitCode:
    """Say who did what, over all sessions: one line a deed, oldest first.

    A line is: time, what was done, by whom, to which job, what came of it; then a text. The first five are single
    words, for grep and awk. All of it is read from the journals.
    """
    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both.")
    if follow and path is not None:
        raise click.UsageError("--follow prints; send it into a file with >.")
    form: Form = "json" if as_json else "csv" if as_csv else "lines"
    since = None if since_s is None else face.clock() - timedelta(seconds=since_s)

    async def read(service: Service, _caller: Caller) -> Sequence[DeedView]:
        from jobwarden.service.auditing import Wanted

        wanted = Wanted(since=since, job=job, by=by, action=action)
        if follow:
            await _follow(service, wanted, form)
            return ()
        return await service.audit.deeds(wanted)

    deeds = face.ask(None, read)
    if follow:
        return ExitCode.OK
    text = "".join(_writer(form)(deed) for deed in deeds)
    text = (_row(_COLUMNS) if form == "csv" else "") + text
    if path is None:
        click.echo(text, nl=False)
    else:
        from jobwarden.cli.words import several

        _put(face.cwd / path, text)
        click.echo(f"{path}: {several(len(deeds), 'deed')}.", err=True)
    return ExitCode.OK


async def _follow(service: Service, wanted: Wanted, form: Form) -> None:
    write = _writer(form)
    if form == "csv":
        click.echo(_row(_COLUMNS), nl=False)
    async for deed in service.audit.follow(wanted):
        click.echo(write(deed), nl=False)


def _writer(form: Form) -> Callable[[DeedView], str]:
    if form == "json":
        return lambda deed: json.dumps(deed.model_dump(mode="json")) + "\n"
    return _csv if form == "csv" else _line


def _line(deed: DeedView) -> str:
    from jobwarden.cli.words import clean

    said = ": ".join(part for part in (deed.name, deed.text) if part)
    text = f"{deed.at:%Y-%m-%dT%H:%M:%SZ} {deed.action} {deed.by} {deed.job} {deed.result} {said}"
    return clean(text).rstrip() + "\n"


def _csv(deed: DeedView) -> str:
    from jobwarden.cli.history_csv import harmless

    fields = deed.model_dump(mode="json")
    return _row([harmless(str("" if fields[name] is None else fields[name])) for name in _COLUMNS])


def _row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _put(path: Path, text: str) -> None:
    """Write the file whole, readable by its owner alone."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error
