"""What an answer shows of the user's other jobs, beside those that were asked about: kept, so that nobody need ask.

One file for each source on one host, there only while there is such a job. It is written when the jobs are others than
before, so that its time says when that was; the hooks look at it (`hooks/jobwarden_hooks/folders.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from jobwarden.ledger.snapshot import LedgerKey
from jobwarden.sources.base import Found

OVERHEARD = "overheard"
_MOST = 200
"""More jobs are for `discover_jobs` to list."""


class Others(BaseModel):
    """The user's jobs that nobody asked about."""

    model_config = ConfigDict(frozen=True)

    type: str
    site: str
    cluster: str
    host: str
    """A name of the site, as ssh understands it."""
    jobs: tuple[Found, ...]

    @property
    def key(self) -> LedgerKey:
        """Say where they were seen."""
        return LedgerKey(self.type, self.site, self.cluster)


class Overheard:
    """The files. Nothing here fails: what cannot be kept is not offered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._noted: dict[LedgerKey, frozenset[str]] = {}

    def note(self, key: LedgerKey, host: str, jobs: Sequence[Found]) -> None:
        """Keep what the latest answer showed."""
        path = self._path(key)
        ids = frozenset(one.id for one in jobs)
        known = self._noted.get(key)
        if known is None:
            others = _read(path)
            known = frozenset[str]() if others is None else frozenset(one.id for one in others.jobs)
        if ids != known:
            with suppress(OSError):
                _write(
                    path, Others(type=key.type, site=key.site, cluster=key.cluster, host=host, jobs=tuple(jobs[:_MOST]))
                )
        self._noted[key] = ids

    def all(self) -> Iterator[Others]:
        """Give what is kept."""
        names: list[Path] = []
        with suppress(OSError):
            names = sorted(self._folder.glob("*.json"))
        for path in names:
            others = _read(path)
            if others is not None and others.jobs:
                yield others

    def _path(self, key: LedgerKey) -> Path:
        return self._folder / f"{hashlib.sha256(key.text.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.json"


def _read(path: Path) -> Others | None:
    try:
        return Others.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, others: Others) -> None:
    if not others.jobs:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(others.model_dump_json(), encoding="utf-8")
    fresh.replace(path)
