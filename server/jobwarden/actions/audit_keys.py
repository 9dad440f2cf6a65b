"""How an event says what was done, by whom and with what result: `service/auditing.py` reads these extra fields."""

from __future__ import annotations

from typing import Final

DID: Final = "did"
"""What was done, in one word: cancel, halt, lift, ..."""
BY: Final = "by"
"""Who did it: `codex session 01ab…`, `rule diverged`."""
WHY: Final = "why"
"""For what reason, in the doer's words."""
RESULT: Final = "result"
"""What came of it, in one word; missing where the event only says that it begins."""
