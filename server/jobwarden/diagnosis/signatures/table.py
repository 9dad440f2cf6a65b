"""All signatures together."""

from __future__ import annotations

from jobwarden.diagnosis.form import Signature
from jobwarden.diagnosis.signatures import (
    access,
    container,
    data,
    distributed,
    gpu,
    limits,
    memory,
    missing,
    native,
    network,
    programs,
    scheduler,
    settings,
    storage,
)

SIGNATURES: tuple[Signature, ...] = (
    *scheduler.SIGNATURES,
    *memory.SIGNATURES,
    *gpu.SIGNATURES,
    *container.SIGNATURES,
    *missing.SIGNATURES,
    *storage.SIGNATURES,
    *network.SIGNATURES,
    *access.SIGNATURES,
    *data.SIGNATURES,
    *settings.SIGNATURES,
    *limits.SIGNATURES,
    *distributed.SIGNATURES,
    *native.SIGNATURES,
    *programs.SIGNATURES,
)
"""More specific ones first: of two with the same weight in one line, the first is meant."""
