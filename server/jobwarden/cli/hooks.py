"""The commands that the hooks of agents' clients start: `hook submitted`, `hook news`. People need neither.

A hook's fault is never the client's: every error ends in a line on stderr and exit code 0, for 2 would hold the agent.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, pass_face
from jobwarden_registry.errors import JobwardenError

if TYPE_CHECKING:
    from jobwarden.identity import Caller
    from jobwarden.service.service import Service
    from jobwarden.service.views import HookView


@click.group(hidden=True)
def hook() -> None:
    """What the hooks of Claude Code and Codex run."""


@hook.command()
@pass_face
def submitted(face: Face) -> ExitCode:
    """Watch what a hook saw being submitted: its JSON is on standard input."""
    told = _told()
    jobs = told.get("jobs")
    if not isinstance(jobs, list) or not jobs:
        return ExitCode.OK

    async def work(service: Service, caller: Caller) -> None:
        from jobwarden.service.hooking import Submission

        seen = [Submission.model_validate(one) for one in cast("list[object]", jobs)]
        await service.submitted(caller, seen, announcement=str(told.get("announced") or ""))

    try:
        face.ask_as(_caller(face, told), work)
    except JobwardenError as error:
        click.echo(f"jobwarden: {error}", err=True)
    return ExitCode.OK


@hook.command()
@pass_face
def news(face: Face) -> ExitCode:
    """Say what a session is to be told, in the form of its client's hooks: the event is on standard input."""
    told = _told()
    event, previous = str(told.get("event")), told.get("previous")

    async def work(service: Service, caller: Caller) -> HookView:
        before = previous if isinstance(previous, str) else None
        return await service.tell(caller, event=event, previous=before, held=told.get("held") is True)

    try:
        view = face.ask_as(_caller(face, told), work)
    except JobwardenError as error:
        click.echo(f"jobwarden: {error}", err=True)
        return ExitCode.OK
    from jobwarden.cli.hook_text import hook_text

    text = hook_text(view, face.clock())
    if text and event == "Rewake":
        click.echo(text)
    elif text and event == "Stop" and not told.get("context"):
        click.echo(json.dumps({"decision": "block", "reason": text}))
    elif text:
        click.echo(json.dumps({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}))
    return ExitCode.OK


def _told() -> Mapping[str, object]:
    try:
        told: object = json.loads(sys.stdin.read())
    except ValueError:
        return {}
    return cast("Mapping[str, object]", told) if isinstance(told, dict) else {}


def _caller(face: Face, told: Mapping[str, object]) -> Caller:
    from jobwarden.identity import caller_of_hook
    from jobwarden_registry.paths import user_places

    detail, pid, cwd = told.get("detail"), told.get("pid"), Path(str(told.get("cwd")))
    return caller_of_hook(
        face.env,
        session_id=str(told.get("session_id")),
        agent="codex" if told.get("agent") == "codex" else "claude-code",
        detail=detail if isinstance(detail, str) else None,
        pid=pid if isinstance(pid, int) else None,
        cwd=cwd if cwd.is_absolute() else face.cwd,
        places=user_places(face.env),
        client=f"hook-{secrets.token_hex(4)}",
    )
