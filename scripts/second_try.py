"""Print the failed tests of a run where they may be tried once more: few, and each with real parts.

Usage: second_try.py CACHE_DIR (pytest's), prints node ids, one a line; nothing where a second try is not fair.
"""

import json
import sys
from pathlib import Path

MOST = 3
WHERE = "tests/integration/"

failed_file = Path(sys.argv[1]) / "v" / "cache" / "lastfailed"
failed = list(json.loads(failed_file.read_text(encoding="utf-8"))) if failed_file.exists() else []
if len(failed) <= MOST and all(name.startswith(WHERE) for name in failed):
    print("\n".join(failed))
