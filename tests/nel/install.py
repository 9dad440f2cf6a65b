"""Install the real nemo-evaluator-launcher for the tests, into an environment of its own in `.nel/` of the checkout.

    python3 tests/nel/install.py

Pinned: 0.2.6 of the launcher takes any nemo-evaluator, and the formats of both are what is tested. rsync, which
`nel run` needs on both sides, comes from Debian's packages where it is missing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PINS = ("nemo-evaluator-launcher==0.2.6", "nemo-evaluator==0.2.8")
FOLDER = Path(__file__).parents[2] / ".nel" / "0.2.6"
_STAMP = FOLDER / "installed"
_TRIES = 3
_INSTALL_S = 500
_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")


def program() -> Path | None:
    """Give the installed nel; `JOBWARDEN_TEST_NEL` names another one."""
    named = os.environ.get("JOBWARDEN_TEST_NEL")
    found = Path(named) if named else FOLDER / "bin" / "nel"
    return found if found.exists() and (named or _stamped()) else None


def install() -> str:
    """Install what is missing, once for all test processes; give what went wrong, or nothing."""
    if program() is not None and shutil.which("rsync"):
        return ""
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        why = "" if shutil.which("rsync") else _retried(["apt-get", "-q", "-y", "install", "rsync"])
        return why or ("" if program() is not None else _make())


def _stamped() -> bool:
    return _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == " ".join(PINS)


def _make() -> str:
    shutil.rmtree(FOLDER, ignore_errors=True)
    why = _run([sys.executable, "-m", "venv", str(FOLDER)])
    pip = [str(FOLDER / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PINS]
    why = why or _retried(pip)
    if not why:
        _STAMP.write_text(" ".join(PINS), encoding="utf-8")
    return why


def _retried(argv: list[str]) -> str:
    said = ""
    for attempt in range(_TRIES):
        said = _run(argv)
        if not said:
            return ""
        time.sleep(2 * attempt)
    return said


def _run(argv: list[str]) -> str:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if _ROOTS.exists():
        env.setdefault("PIP_CERT", str(_ROOTS))
    try:
        done = subprocess.run(
            argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{argv[0]}: {error}"
    return "" if done.returncode == 0 else done.stderr.decode(errors="replace")[-2000:] or f"exit {done.returncode}"


if __name__ == "__main__":
    sys.exit(install() or 0)
