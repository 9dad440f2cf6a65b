"""Run a case in a machine of its own and say how it ended."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from failures.case import Case

HERE = Path(__file__).parent
VENV = Path(os.environ.get("FAILURES_VENV", "/var/tmp/jobwarden-failures/venv"))  # made by `make.py --prepare`


@dataclass(frozen=True)
class Ran:
    """What a job left.

    Attributes:
        status: Of the batch script; negative: the signal; None: it runs on.
        files: Name (empty, `out`, `err`, or of a further log) to what stood in it.
    """

    status: int | None
    files: dict[str, bytes]


@dataclass
class Last:
    """What the last job printed, for whoever writes a case."""

    text: str = ""


LAST = Last()


def last_output() -> str:
    """Give what the last job printed."""
    return LAST.text


class NotMadeError(Exception):
    """It cannot be made here; the text says why."""


def absent(case: Case) -> str:
    """Say what this machine lacks for it; empty: nothing."""
    if os.geteuid() != 0:
        return "needs root"
    for need in case.needs:
        if need == "venv":
            if not (VENV / "bin").is_dir():
                return f"needs {VENV} (make.py --prepare)"
        elif need == "cuda":
            if not Path("/dev/nvidiactl").exists():
                return "needs an NVIDIA GPU"
        elif shutil.which(need) is None and not Path(need).exists():
            return f"needs {need}"
    return ""


@contextmanager
def folder() -> Generator[Path]:
    """Lend a folder."""
    made = Path(tempfile.mkdtemp(prefix="failures-", dir="/var/tmp"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def toolchain() -> str:
    """Name the Rust toolchain, or nothing."""
    found = (
        subprocess.run(["rustup", "default"], capture_output=True, text=True, check=False) if has("rustup") else None
    )
    return found.stdout.split(" ")[0] if found and found.returncode == 0 else "stable"


def has(program: str) -> bool:
    """Whether a program is on the PATH."""
    return shutil.which(program) is not None


def run(case: Case) -> Ran:
    """Run it.

    Raises:
        NotMadeError: The machine could not be made, or the job did not end in its time.
    """
    home = Path.home()
    with folder() as out:
        words = {"hosts": case.hosts, "root": case.root, "job": case.job, "split": case.split, "logs": case.logs}
        (out / "case.json").write_text(
            json.dumps({**words, "as_root": case.as_root, "look": case.look_after_s}), "utf-8"
        )
        argv = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "bash"]
        argv += [
            str(HERE / "enter.sh"),
            str(out),
            sys.base_prefix,
            str(home / ".cargo"),
            str(home / ".rustup"),
            str(VENV),
        ]
        env = {**os.environ, "FAILURES_TOOLCHAIN": toolchain()}
        try:
            done = subprocess.run(argv, capture_output=True, timeout=case.limit_s, check=False, env=env)
        except subprocess.TimeoutExpired as late:
            raise NotMadeError(f"not done after {case.limit_s} s: {tail(out / 'out')}") from late
        ended = out / "ended.json"
        if done.returncode != 0 or not ended.exists():
            raise NotMadeError(f"{done.stderr.decode(errors='replace')[-2000:]}\n{tail(out / 'root.log')}")
        files = {"out": (out / "out").read_bytes(), "err": (out / "err").read_bytes()}
        LAST.text = (files["out"] + files["err"]).decode("utf-8", "replace")
        if not case.split:
            files = {"": files["out"]}
        for more in sorted(out.glob("more-*")):
            files[more.name.split("-", 2)[2]] = more.read_bytes()
        return Ran(json.loads(ended.read_text("utf-8"))["status"], files)


def tail(path: Path) -> str:
    """Give the end of a log, if there is one."""
    return path.read_text("utf-8", "replace")[-1500:] if path.exists() else ""
