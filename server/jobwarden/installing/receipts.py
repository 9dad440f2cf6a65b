"""What was installed where: enough to take it back exactly, and nothing of what else is in a client's files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import cast

from jobwarden.installing.clients import Places
from jobwarden.installing.drafts import Draft, Splice, taken_back
from jobwarden.installing.entries import Made


@dataclass(frozen=True, slots=True)
class Edit:
    """A file of the client's that holds entries of ours.

    Attributes:
        digest: Of the file as we left it.
        splices: Lead from what it was to that; None: they are not known, since others wrote in between.
        made: Containers that are there for our entries alone.
        created: Whether there was no file before.
    """

    digest: str
    splices: tuple[Splice, ...] | None
    made: tuple[tuple[str, ...], ...]
    created: bool


@dataclass(slots=True)
class Receipt:
    """One client in one scope.

    Attributes:
        edits: By path.
        copies: The digests of the files that were copied for this client alone, by path.
        folders: Those that were made for them.
    """

    client: str
    scope: str
    project: str
    edits: dict[str, Edit] = field(default_factory=dict[str, Edit])
    copies: dict[str, str] = field(default_factory=dict[str, str])
    folders: list[str] = field(default_factory=list[str])

    def of(self, places: Places) -> bool:
        """Whether it is about these places."""
        project = str(places.project) if places.scope == "project" else ""
        return (self.client, self.scope, self.project) == (places.client, places.scope, project)

    def made(self, path: str) -> Made:
        """Give the containers in a file that are there for us alone."""
        edit = self.edits.get(path)
        return None if edit is None else frozenset(edit.made)


@dataclass(frozen=True, slots=True)
class Notes:
    """All receipts.

    Attributes:
        receipts: As far as they are known.
        whole: Whether there are no others: false from when the file could not be read on.
    """

    receipts: tuple[Receipt, ...] = ()
    whole: bool = True

    def of(self, places: Places) -> Receipt:
        """Give the receipt of a client in a scope, or an empty one."""
        project = str(places.project) if places.scope == "project" else ""
        found = next((one for one in self.receipts if one.of(places)), None)
        return found or Receipt(places.client, places.scope, project)

    def without(self, places: Places) -> Notes:
        """Give those of all others."""
        return Notes(tuple(one for one in self.receipts if not one.of(places)), self.whole)


def digest(text: str) -> str:
    """Give a text's fingerprint."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def edited(old: Edit | None, before: str | None, draft: Draft) -> Edit:
    """Note what was done to a file, on top of what was noted about it."""
    made = tuple(draft.made)
    if old is None:
        return Edit(digest(draft.text), tuple(draft.splices), made, before is None)
    whole = old.splices is not None and digest(before or "") == old.digest
    splices = (*(old.splices or ()), *draft.splices) if whole else None
    return Edit(digest(draft.text), splices, tuple(dict.fromkeys((*old.made, *made))), old.created)


def original(edit: Edit, text: str) -> str | None:
    """Give what the file was before us, if nobody else has written in it since."""
    if edit.splices is None or digest(text) != edit.digest:
        return None
    return taken_back(text, edit.splices)


def load(text: str | None) -> Notes:
    """Read the notes; None: there are none. What cannot be read says nothing of who has jobwarden."""
    if text is None:
        return Notes()
    try:
        told = cast("Mapping[str, object]", json.loads(text))
        installs = cast("list[Mapping[str, object]]", told["installs"])
        return Notes(tuple(_receipt(one) for one in installs), whole=told.get("whole", True) is True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Notes(whole=False)


def dump(notes: Notes) -> str:
    """Write the notes."""
    told: dict[str, object] = {"v": 1, "installs": [asdict(one) for one in notes.receipts]}
    if not notes.whole:
        told["whole"] = False
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _receipt(told: Mapping[str, object]) -> Receipt:
    edits = cast("Mapping[str, Mapping[str, object]]", told["edits"])
    return Receipt(
        client=str(told["client"]),
        scope=str(told["scope"]),
        project=str(told["project"]),
        edits={path: _edit(one) for path, one in edits.items()},
        copies={path: str(one) for path, one in cast("Mapping[str, object]", told["copies"]).items()},
        folders=[str(one) for one in cast("list[object]", told["folders"])],
    )


def _edit(told: Mapping[str, object]) -> Edit:
    splices = cast("list[Mapping[str, object]] | None", told["splices"])
    return Edit(
        digest=str(told["digest"]),
        splices=None
        if splices is None
        else tuple(Splice(int(str(one["at"])), str(one["cut"]), str(one["put"])) for one in splices),
        made=tuple(tuple(str(key) for key in path) for path in cast("list[list[object]]", told["made"])),
        created=bool(told["created"]),
    )
