"""The lease as it stands on disk."""

from __future__ import annotations

from jobwarden_registry.disk import Folder
from jobwarden_registry.rawjson import Raw, read_object, write_json

LEASE = "lease.json"


def read_lease(folder: Folder) -> Raw:
    """Read the lease; empty when there is none, or it cannot be read."""
    return read_object(folder.read(LEASE) or b"") or {}


def write_lease(folder: Folder, raw: Raw) -> None:
    """Write the lease; call it under the lock only."""
    folder.replace(LEASE, write_json(raw), sync=False)


def lease_token(folder: Folder) -> str | None:
    """Say whose lease it is."""
    token = read_lease(folder).get("token")
    return token if isinstance(token, str) and token else None
