"""Install the real nemo-run for the tests, into an environment of its own in `.nemo/` of the checkout.

    python3 tests/nemo/install.py

leptonai is pinned because nemo-run 0.11.1 takes any, and cannot be imported with 0.47 (it imports leptonai.api.v1).
rsync, with which nemo-run copies an experiment to a cluster, comes from Debian's packages where it is missing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PINS = ("nemo-run==0.11.1", "torchx==0.7.0", "leptonai==0.27.3", "paramiko==5.1.0", "fabric==3.2.3")
FOLDER = Path(__file__).parents[2] / ".nemo" / "0.11.1"
_STAMP = FOLDER / "installed"
_TRIES = 3
_INSTALL_S = 500
_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")


def python() -> Path | None:
    """Give the Python that can import nemo_run; `JOBWARDEN_TEST_NEMO` names another one."""
    named = os.environ.get("JOBWARDEN_TEST_NEMO")
    if named:
        return Path(named)
    stamped = _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == " ".join(PINS)
    return FOLDER / "bin" / "python" if stamped else None


def install() -> str:
    """Install what is missing, once for all test processes; give what went wrong, or nothing."""
    if python() is not None and shutil.which("rsync"):
        return ""
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        why = "" if shutil.which("rsync") else _retried(["apt-get", "-q", "-y", "install", "rsync"])
        return why or ("" if python() is not None else _make())


def _make() -> str:
    shutil.rmtree(FOLDER, ignore_errors=True)
    pip = [str(FOLDER / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    why = _retried([sys.executable, "-m", "venv", str(FOLDER)]) or _retried([*pip, *PINS])
    if not why:
        _STAMP.write_text(" ".join(PINS), encoding="utf-8")
    return why


def _retried(argv: Sequence[str]) -> str:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if _ROOTS.exists():  # pip has certificates of its own, and a network may have others
        env.setdefault("PIP_CERT", str(_ROOTS))
    said = ""
    for _ in range(_TRIES):
        try:
            done = subprocess.run(
                argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_INSTALL_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = f"{argv[0]}: {error}"
            continue
        if done.returncode == 0:
            return ""
        said = done.stderr.decode(errors="replace")[-2000:] or f"exit {done.returncode}"
    return said


if __name__ == "__main__":
    sys.exit(install() or 0)
