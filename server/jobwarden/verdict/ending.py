"""What is told with an end beside the state: it decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobwarden_registry.model import Used


@dataclass(frozen=True, slots=True)
class Causes:
    """What was found out about the ends of one answer; by the record's `uid`.

    Attributes:
        why: The cause, of those that failed or were cancelled.
        used: What each used, where accounting has it already.
    """

    why: Mapping[str, str] = field(default_factory=dict[str, str])
    used: Mapping[str, Used] = field(default_factory=dict[str, Used])
