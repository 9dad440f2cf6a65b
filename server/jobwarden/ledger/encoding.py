"""A snapshot as JSON, of which only what is new is written anew."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from jobwarden.ledger.snapshot import LedgerKey, Snapshot, Stored
from jobwarden.sources.base import Sighting

_STORED = TypeAdapter(Stored)


class Encoder:
    """Writes the snapshots of one key.

    Of a job of which nothing has changed its source gives the very same sighting again (`Seen.stands`), for which the
    text of the last time is taken: to make it is the most of the work.
    """

    def __init__(self, key: LedgerKey) -> None:
        self._key = key.text
        self._written: dict[str, tuple[Sighting, bytes]] = {}
        """By job, each as a member of a JSON object."""

    def encode(self, snapshot: Snapshot) -> bytes:
        """Write it as a `Stored`."""
        self._written = {job: self._member(job, sighting) for job, sighting in snapshot.answered.items()}
        rest = Stored.model_construct(key=self._key, **dict(snapshot))
        start = _STORED.dump_json(rest, exclude={"answered"}).removesuffix(b"}")
        return b'%b,"answered":{%b}}' % (start, b",".join([text for _, text in self._written.values()]))

    def _member(self, job: str, sighting: Sighting) -> tuple[Sighting, bytes]:
        known = self._written.get(job)
        if known is not None and known[0] is sighting:
            return known
        return sighting, f"{json.dumps(job)}:{sighting.model_dump_json()}".encode()
