"""The changes of a plan, made."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jobwarden.installing import files
from jobwarden.installing.planning import HOOKS, RECEIPTS, Change, Plan
from jobwarden.installing.receipts import Notes, digest, dump, load


def carry_out(plan: Plan) -> None:
    """Do it. What is noted about copies is noted before they are made, so that a crash leaves none behind unnoticed.

    Raises:
        InstallError: A file could not be written; those before it are, and the text says which one it was.
    """
    place = plan.data / RECEIPTS
    receipt = plan.receipt
    for change in plan.changes:
        if change.copy and change.after is not None and not change.path.is_relative_to(plan.data):
            receipt.copies[str(change.path)] = digest(change.after)
    if not plan.leaves:
        receipt.folders += [str(one) for one in (plan.data, *plan.data.parents) if not one.exists()]
        _note(plan, place)
    try:
        for change in plan.changes:
            _do(plan, change)
    finally:
        if not plan.leaves:
            _note(plan, place)
    if plan.leaves:
        _forget(plan, place)


def _do(plan: Plan, change: Change) -> None:
    name = str(change.path)
    if change.after is None:
        files.delete(change.path, change.before or "")
        plan.receipt.copies.pop(name, None)
        plan.receipt.edits.pop(name, None)
        return
    made = files.write(change.path, change.before, change.after, private=not change.copy)
    plan.receipt.folders += [str(one) for one in made if not one.is_relative_to(plan.data)]
    if change.edit is not None:
        plan.receipt.edits[name] = change.edit
    elif not change.copy:
        plan.receipt.edits.pop(name, None)


def _note(plan: Plan, place: Path) -> None:
    others = load(files.read(place)).without(plan.places)
    _save(place, Notes((*others.receipts, plan.receipt), others.whole))


def _forget(plan: Plan, place: Path) -> None:
    """Take the notes back, and the copy of the hooks with the last client that runs it, where that is known."""
    _remove_empty(plan.receipt.folders)
    notes = load(files.read(place))
    others = notes.without(plan.places)
    if others.receipts:
        others.receipts[0].folders += [one for one in plan.receipt.folders if Path(one).exists()]
    if others.receipts or not others.whole:
        if notes.receipts:  # what cannot be read is left for whoever can mend it
            _save(place, others)
        return
    with suppress(OSError):
        shutil.rmtree(plan.data / HOOKS)
    with suppress(OSError):
        place.unlink()
    _remove_empty([str(plan.data), *plan.receipt.folders])


def _save(place: Path, notes: Notes) -> None:
    before, after = files.read(place), dump(notes)
    if before != after:
        files.write(place, before, after, private=True)


def _remove_empty(folders: Iterable[str]) -> None:
    for folder in sorted(folders, key=len, reverse=True):
        with suppress(OSError):
            Path(folder).rmdir()
