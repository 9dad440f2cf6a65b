"""What an installation would change, file by file, before anything is changed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobwarden.installing import entries, files, json_text, shipped, toml_text
from jobwarden.installing.clients import NAMES, Client, Places, Scope, data_folder, places, project_of
from jobwarden.installing.drafts import Draft
from jobwarden.installing.plugins import enabled_plugin
from jobwarden.installing.program import running_program
from jobwarden.installing.receipts import Edit, Receipt, digest, edited, load, original
from jobwarden.programs import on_path

HOOKS = "hooks"
RECEIPTS = "installed.json"
_LINE = 240


@dataclass(frozen=True, slots=True)
class Change:
    """One file.

    Attributes:
        before: What it holds; None: it is not there.
        after: What it will hold; None: it will not be there.
        edit: What is to be noted about it; None: nothing any more, or it is a copy.
        copy: Whether it is wholly ours.
    """

    path: Path
    before: str | None
    after: str | None
    edit: Edit | None = None
    copy: bool = False

    @property
    def verb(self) -> str:
        """Say what is done."""
        if self.before is None:
            return "make"
        return "remove" if self.after is None else "change"

    def diff(self) -> str:
        """Show the lines that change, and no others: they may hold what is nobody's business."""
        old, new = (self.before or "").splitlines(), (self.after or "").splitlines()
        head = _same(old, new)  # a client's file may have a hundred thousand lines
        old, new = old[head:], new[head:]
        tail = _same(old[::-1], new[::-1])
        old, new = old[: len(old) - tail], new[: len(new) - tail]
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[3:]
        shown = ("…" if line.startswith("@@") else line for line in lines)
        return "\n".join(line if len(line) <= _LINE else line[:_LINE] + "…" for line in shown)


def _same(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the lines with which both begin."""
    return next(
        (number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


@dataclass(slots=True)
class Plan:
    """All changes for one client in one scope.

    Attributes:
        notes: What a person should know.
        receipt: What is noted when it is done.
        leaves: Whether jobwarden is taken out.
        blocked: Whether it is not to be installed here; the notes say why.
    """

    places: Places
    data: Path
    receipt: Receipt
    leaves: bool = False
    blocked: bool = False
    changes: list[Change] = field(default_factory=list[Change])
    notes: list[str] = field(default_factory=list[str])


def propose(client: Client, scope: Scope, env: Mapping[str, str], cwd: Path, *, uninstall: bool) -> Plan:
    """Find out what must change so that a client has the jobwarden that runs now, or none.

    Raises:
        InstallError: It cannot be done; the text says why.
    """
    there = places(client, scope, env, project_of(cwd))
    return plan_uninstall(there, env) if uninstall else plan_install(there, env, running_program(cwd))


def plan_install(there: Places, env: Mapping[str, str], program: Path) -> Plan:
    """Find out what must change so that a client has this jobwarden.

    Raises:
        InstallError: It cannot be done; the text says why.
    """
    plan = _plan(there, env)
    if plugin := enabled_plugin(there, there.project):
        plan.notes.append(
            f"{NAMES[there.client]} has jobwarden as the plug-in {plugin}: beside it all would run twice."
        )
        plan.blocked = True
        if plan.receipt.edits:
            plan.notes.append("It is installed beside it already: take that out with --uninstall.")
        return plan
    hooks = plan.data / HOOKS
    wanted = entries.wanted_hooks(there, hooks, program)
    server = entries.wanted_server(there, program)
    name, made = str(there.hooks), plan.receipt.made(str(there.hooks))
    _copy(plan, hooks, shipped.hooks(), shared=True)
    _copy_skills(plan)

    before = files.read(there.hooks)
    draft = Draft(before or "")
    json_text.parse(draft.text, name)
    entries.put_hooks(draft, wanted, name, made)
    _edit(plan, there.hooks, before, draft)

    before = files.read(there.server)
    draft = Draft(before or "")
    entries.put_server(draft, there, server)
    _edit(plan, there.server, before, draft)
    _check(plan)
    plan.notes += _advice(there, env)
    return plan


def plan_uninstall(there: Places, env: Mapping[str, str]) -> Plan:
    """Find out what must change so that nothing of jobwarden is left in a client.

    Raises:
        InstallError: It cannot be done; the text says why.
    """
    plan = _plan(there, env)
    plan.leaves = True
    for path in (there.hooks, there.server):
        _take_out(plan, path)
    _take_copies(plan)
    others = load(files.read(plan.data / RECEIPTS)).without(there)
    if not others.whole and (plan.data / HOOKS).is_dir():
        plan.notes.append(
            f"{plan.data / RECEIPTS} could not be read, so nobody knows which other client runs {plan.data / HOOKS}: "
            "that folder stays. Remove both by hand when no client has jobwarden."
        )
    elif not others.receipts and (plan.data / HOOKS).is_dir():
        for path in sorted((plan.data / HOOKS).rglob("*.py")):
            plan.changes.append(Change(path, files.read(path), None, copy=True))
    _check(plan)
    return plan


def _take_out(plan: Plan, path: Path) -> None:
    """Give a file back as it was; where others have written in it since, take out what is ours."""
    text, edit = files.read(path), plan.receipt.edits.get(str(path))
    if text is None:
        return
    after = original(edit, text) if edit else None
    if after is None:
        draft, made = Draft(text), plan.receipt.made(str(path))
        if path == plan.places.hooks:
            json_text.parse(text, str(path))
            entries.take_out_hooks(draft, str(path), made)
        else:
            entries.take_out_server(draft, plan.places, made)
        after = draft.text
    gone = edit is not None and edit.created and _says_nothing(path, after)
    if after != text or gone:
        plan.changes.append(Change(path, text, None if gone else after))


def _take_copies(plan: Plan) -> None:
    known = plan.receipt.copies
    for name, told in known.items():
        text = files.read(Path(name))
        if text is not None and digest(text) == told:
            plan.changes.append(Change(Path(name), text, None, copy=True))
        elif text is not None:
            plan.notes.append(f"{name} was changed since it was installed, and stays.")
    for skill in sorted({name.partition("/")[0] for name in shipped.skills()}):
        path = plan.places.skills / skill / "SKILL.md"
        if path.exists() and str(path) not in known:
            plan.notes.append(f"{path.parent} was not made by jobwarden install, and stays.")


def _plan(there: Places, env: Mapping[str, str]) -> Plan:
    data = data_folder(env)
    return Plan(there, data, load(files.read(data / RECEIPTS)).of(there))


def _advice(there: Places, env: Mapping[str, str]) -> list[str]:
    notes: list[str] = []
    if on_path("python3", env) is None:
        notes.append("The hooks run with python3, which is not on your PATH.")
    if there.client == "codex":
        notes.append("Codex runs hooks only when you have trusted them: start codex, and trust them in /hooks.")
        if there.scope == "project":
            notes.append(
                "Codex reads a project's files only when you trust the project; they name paths of this machine."
            )
    return notes


def _edit(plan: Plan, path: Path, before: str | None, draft: Draft) -> None:
    if draft.text != before and draft.splices:
        edit = edited(plan.receipt.edits.get(str(path)), before, draft)
        plan.changes.append(Change(path, before, draft.text, edit))


def _copy(plan: Plan, folder: Path, wanted: Mapping[str, str], *, shared: bool = False) -> None:
    for name, text in wanted.items():
        path = folder / name
        there = files.read(path)
        if there != text:
            plan.changes.append(Change(path, there, text, copy=True))
    if shared and folder.is_dir():
        for path in sorted(folder.rglob("*.py")):
            if path.relative_to(folder).as_posix() not in wanted:
                plan.changes.append(Change(path, files.read(path), None, copy=True))


def _copy_skills(plan: Plan) -> None:
    """Copy the skills; one that is a person's own, by its making or by a change, is left alone."""
    folder, known = plan.places.skills, plan.receipt.copies
    skills: dict[str, dict[str, str]] = {}
    for name, text in shipped.skills().items():
        skills.setdefault(name.partition("/")[0], {})[name] = text
    for skill, wanted in skills.items():
        foreign = [folder / name for name in wanted if not _is_ours(folder / name, wanted[name], known)]
        if foreign:
            plan.notes.append(f"{foreign[0]} is your own, or was changed by you: the skill {skill} is left alone.")
        else:
            _copy(plan, folder, wanted)
    offered = {str(folder / name) for wanted in skills.values() for name in wanted}
    for dropped in [one for one in known if one not in offered]:
        there = files.read(Path(dropped))
        if there is not None and digest(there) == known[dropped]:
            plan.changes.append(Change(Path(dropped), there, None, copy=True))
        del known[dropped]


def _is_ours(path: Path, wanted: str, known: Mapping[str, str]) -> bool:
    there = files.read(path)
    return there is None or there == wanted or known.get(str(path)) == digest(there)


def _says_nothing(path: Path, text: str) -> bool:
    if not text.strip():
        return True
    if path.suffix == ".toml":
        return not toml_text.parse(text, str(path)) and "#" not in text
    return not json_text.parse(text, str(path))


def _check(plan: Plan) -> None:
    for change in plan.changes:
        files.check_writable(change.path)
        if plan.places.scope == "project":
            for folder in {plan.places.project, plan.places.hooks.parents[1]}:
                files.check_inside(change.path, folder)
    files.check_writable(plan.data / RECEIPTS)
