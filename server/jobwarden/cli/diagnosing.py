"""The command diagnose: why a job failed, a watched one or, by its logs alone, any other."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options

if TYPE_CHECKING:
    from jobwarden.diagnosis.model import Diagnosis, EvidenceLine, Log, Piece
    from jobwarden.service.views import DiagnoseView, EvidenceView

_END_BYTES = 4 << 20
"""Of a larger file this much of both ends is read."""
_CHUNK_BYTES = 1 << 20
_MOST_LINE_BYTES = 1 << 20
_AROUND_BYTES = 16 << 10
_MOST_SIGNS = 16
_SIGN = re.compile(
    rb"Traceback \(most recent call last\)|out of memory|oom[-_]kill|No space left|panicked at|terminate called"
    rb"|Segmentation fault|CANCELLED AT|Exception in thread|FATAL|Fatal error"
)


@click.command(
    epilog=examples(
        "jobwarden diagnose ptq-llama-8b",
        "jobwarden diagnose --file slurm-12345.out",
        "jobwarden diagnose --file rank0.log --file rank1.log --exit-code 1 --json",
        "jobwarden diagnose --file train.err --state TIMEOUT",
    )
)
@click.argument("job", required=False)
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="LOG",
    type=click.Path(path_type=Path),
    help="A log of the job; may be given again.",
)
@click.option("--exit-code", type=int, metavar="N", help="The program's exit code.")
@click.option("--signal", type=click.IntRange(0, 128), metavar="N", help="The signal that ended it.")
@click.option("--state", default="", metavar="WORD", help="The scheduler's word for its end, such as OUT_OF_MEMORY.")
@shared_options
@pass_face
def diagnose(
    face: Face,
    *,
    job: str | None,
    files: tuple[Path, ...],
    exit_code: int | None,
    signal: int | None,
    state: str,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """Say why a job failed.

    JOB is a watched one: its scheduler is asked, and its logs are read where it ran. With --file it is any other,
    by its logs alone.

    It gives the first cause, the lines that show it, whether to start it again helps, and what to change. Category
    `none`: nothing shows a failure. Category `unknown`: it failed, and nothing says why.

    JSON of --file: category, kind, cause, confidence (high, medium, low), evidence (file, line, text, context),
    retryable (yes, no, after_change), change, also. The exit code is 0 whenever it answered.
    """
    if (job is None) == (not files):
        raise click.UsageError("Name a job, or give --file.")
    if job is not None:
        view = face.ask(session, lambda service, caller: service.diagnose(caller, job))
        click.echo(view.model_dump_json(indent=2) if as_json else "\n".join(_job_told(view)))
        return ExitCode.OK
    from jobwarden.diagnosis.diagnose import diagnose as find_cause
    from jobwarden.diagnosis.model import Outcome

    logs = [_read(path) for path in files]
    found = find_cause(logs, Outcome(state=state, exit_code=exit_code, signal=signal))
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps(asdict(found), indent=2))
    else:
        click.echo("\n".join(_told(found)))
    return ExitCode.OK


def _read(path: Path) -> Log:
    """Read a log; of a large one both ends, and what stands around the first signs of failure between them.

    Raises:
        click.BadParameter: It cannot be read.
    """
    from jobwarden.diagnosis.model import Log, Piece

    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or size <= 2 * _END_BYTES:
                return Log(str(path), (Piece(file.read(2 * _END_BYTES)),))
            head = file.read(_END_BYTES)
            head += file.readline(_MOST_LINE_BYTES)
            line = head.count(b"\n") + 1
            pieces, line = _signs(file, size - _END_BYTES, line)
            tail = file.read(2 * _END_BYTES)
    except OSError as error:
        hint = f"cannot read {path}: {error.strerror or error}"
        raise click.BadParameter(hint, param_hint="--file") from error
    return Log(str(path), (Piece(head), *pieces, Piece(tail, line)))


def _signs(file: BinaryIO, end: int, line: int) -> tuple[list[Piece], int]:
    """Read on to a place, and give what stands around the first signs of failure, and the number of the next line."""
    from jobwarden.diagnosis.model import Piece

    pieces: list[Piece] = []
    while file.tell() < end and (chunk := file.read(min(_CHUNK_BYTES, end - file.tell()))):
        chunk += file.readline(_MOST_LINE_BYTES)
        found = _SIGN.search(chunk) if len(pieces) < _MOST_SIGNS else None
        if found:
            chunk += file.read(4 * _AROUND_BYTES) + file.readline(_MOST_LINE_BYTES)  # it may go on behind the chunk
            start = chunk.rfind(b"\n", 0, max(0, found.start() - _AROUND_BYTES)) + 1
            stop = chunk.find(b"\n", found.end() + 4 * _AROUND_BYTES) + 1 or len(chunk)
            pieces.append(Piece(chunk[start:stop], line + chunk.count(b"\n", 0, start)))
        line += chunk.count(b"\n")
    return pieces, line


def _job_told(view: DiagnoseView) -> list[str]:
    """Write a watched job's for a person: whose it is, then as of any other, then what it had and what was not read."""
    from jobwarden.cli.words import clean, resources, state, title

    part = f", {clean(view.part)}" if view.part else ""
    lines = [f"{title(view.job)} ({clean(view.job.id)}{part}): {state(view.job)}", *_told(view)]
    lines.extend(clean(line) for line in resources(view.resources))
    if view.using:
        lines.append(f"Uses now: {clean(view.using)}")
    lines.extend(f"Step {clean(step)}" for step in view.steps)
    return [*lines, *(f"Note: {clean(note)}" for note in view.notes)]


def _told(found: Diagnosis | DiagnoseView) -> list[str]:
    """Write it for a person."""
    from jobwarden.cli.words import clean

    kind = f" ({found.kind})" if found.kind else ""
    lines = [f"{found.category}{kind}, {found.confidence} confidence: {clean(found.cause)}"]
    if found.evidence:
        lines.append("")
        lines.extend(_shown(found.evidence))
        lines.append("")
    again = {"yes": "yes, as it is", "after_change": "after a change", "no": "no"}[found.retryable]
    if found.category != "none":
        lines.append(f"Start it again: {again}")
    if found.change:
        lines.append(f"Change: {clean(found.change)}")
    lines.extend(f"Also: {clean(also)}" for also in found.also)
    return lines


def _shown(evidence: Sequence[EvidenceLine | EvidenceView]) -> list[str]:
    from jobwarden.cli.words import clean

    width = max(len(str(line.line or "")) for line in evidence)
    rows: list[str] = []
    file = ""
    for line in evidence:
        if line.file != file:
            file = line.file
            rows.append(f"  {clean(file)}")
        rows.append(f"  {' ' if line.context else '>'} {line.line or '':>{width}}  {clean(line.text)}")
    return rows
