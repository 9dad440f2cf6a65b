"""`jobwarden install`: shows what would change in a client's files, asks, and does it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face

if TYPE_CHECKING:
    from jobwarden.installing.clients import Client, Scope
    from jobwarden.installing.planning import Plan


@click.command(
    epilog=examples(
        "jobwarden install claude --dry-run",
        "jobwarden install claude",
        "jobwarden install codex --scope project --yes",
        "jobwarden install codex --uninstall",
    )
)
@click.argument("client", type=click.Choice(["claude", "codex"]))
@click.option(
    "--scope",
    type=click.Choice(["user", "project"]),
    default="user",
    show_default=True,
    help="For all your projects, or for this one.",
)
@click.option("--uninstall", is_flag=True, help="Take it out again.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@pass_face
def install(
    face: Face, *, client: Client, scope: Scope, uninstall: bool, dry_run: bool, yes: bool, as_json: bool
) -> ExitCode:
    """Give a client the MCP server, the hooks and the skills, without a plug-in.

    Shows what it would change, and asks first. Only jobwarden's own entries are touched; --uninstall takes them out
    again. Run it once more after an upgrade: clients get copies of the hooks and the skills.
    """
    from jobwarden.installing.doing import carry_out
    from jobwarden.installing.planning import propose

    made = propose(client, scope, face.env, face.cwd, uninstall=uninstall)
    may = not dry_run and bool(made.changes)
    if may and not yes:
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("Nobody is here to be asked: --dry-run shows what would change, --yes does it.")
        click.echo(_shown(face, made))
        may = click.confirm("Do this?", default=True)
    elif not as_json:
        click.echo(_shown(face, made))
    if may:
        carry_out(made)
    if as_json:
        click.echo(json.dumps(_told(made, written=may)))
    elif made.changes:
        done = "Done." if uninstall else "Done. Sessions that are open: start them anew. Then: jobwarden doctor"
        click.echo(done if may else "Nothing was changed.")
    return ExitCode.OK


def _shown(face: Face, plan: Plan) -> str:
    from jobwarden.cli.words import clean

    lines: list[str] = []
    copies: dict[tuple[str, str], int] = {}
    for change in plan.changes:
        if change.copy:
            where = (change.verb, _short(face, change.path.parent))
            copies[where] = copies.get(where, 0) + 1
            continue
        lines.append(f"{change.verb} {_short(face, change.path)}")
        if change.after is not None:
            lines += [f"    {clean(line)}" for line in change.diff().splitlines()]
    lines += [f"{verb} {count} file{'s' * (count > 1)} in {folder}" for (verb, folder), count in copies.items()]
    if not plan.changes and not plan.blocked:
        lines.append("Nothing is to be changed.")
    return "\n".join([*lines, *(f"note: {note}" for note in plan.notes)])


def _told(plan: Plan, *, written: bool) -> dict[str, object]:
    changes = [
        {"path": str(one.path), "change": one.verb, "diff": None if one.copy else one.diff()} for one in plan.changes
    ]
    return {"changes": changes, "notes": plan.notes, "written": written}


def _short(face: Face, path: Path) -> str:
    home = face.env.get("HOME")
    return f"~/{path.relative_to(home)}" if home and path.is_relative_to(home) else str(path)
