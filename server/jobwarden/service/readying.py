"""Readiness as people write it: `8000`, `8000/health`, `~ Application startup complete`."""

from __future__ import annotations

import re

from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import Readiness

_FORM = re.compile(r"(?P<port>[0-9]{1,5})(?P<path>/[\x21-\x7e]*)?|~\s*(?P<pattern>.+)")
_CHARS = 1000


def read_readiness(text: str) -> Readiness:
    """Read what shows that a service is up.

    Raises:
        InvalidIdError: It cannot be that; the hint says what it looks like.
    """
    found = _FORM.fullmatch(text.strip())
    hint = 'Write a port (8000), a port with an HTTP path (8000/health), or "~ REGEX" for a line of its log (grep -E).'
    if found is None or not text.isprintable() or len(text) > _CHARS or re.search(r"\\[1-9]", found["pattern"] or ""):
        raise InvalidIdError(f"{text[:80]!r} cannot show that a service is up.", hint=hint)
    if found["pattern"] is not None:
        return Readiness(pattern=found["pattern"])
    port = int(found["port"])
    if not 0 < port < 65536:
        raise InvalidIdError(f"There is no port {port}.", hint=hint)
    return Readiness(port=port, path=found["path"])
