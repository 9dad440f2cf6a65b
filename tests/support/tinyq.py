"""A scheduler in one file, for the plug-in that docs/writing-a-source.md writes: jobwarden knows nothing of it.

tinyq submit COMMAND...    starts it, and prints its id
tinyq list                 one line a job: id, QUEUED ACTIVE DONE BROKE or KILLED, exit code or -, log, tab-separated
tinyq kill ID              ends it
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path.home() / "tinyq"


def put(job: int, state: str, code: str = "-", pid: int = 0) -> None:
    """Write down how a job stands: whole, or not at all."""
    fresh = FOLDER / f"{job}.{os.getpid()}"
    fresh.write_text(f"{state} {code} {pid}", encoding="utf-8")
    fresh.replace(FOLDER / f"{job}.job")


def submit(argv: list[str]) -> None:
    """Leave the job to a process of its own."""
    FOLDER.mkdir(exist_ok=True)
    job = len(list(FOLDER.glob("*.job"))) + 1
    put(job, "QUEUED")
    command = [sys.executable, __file__, "_attend", str(job), *argv]
    nothing = subprocess.DEVNULL
    subprocess.Popen(command, start_new_session=True, stdin=nothing, stdout=nothing, stderr=nothing)
    print(job)


def attend(job: int, argv: list[str]) -> None:
    """Run the job to its end."""
    with (FOLDER / f"{job}.log").open("wb") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        put(job, "ACTIVE", pid=child.pid)
        code = child.wait()
    put(job, "KILLED" if code == -signal.SIGTERM else "BROKE" if code else "DONE", str(code) if code >= 0 else "-")


def show() -> None:
    """List them all."""
    for job in sorted(int(path.stem) for path in FOLDER.glob("*.job")):
        state, code, _ = (FOLDER / f"{job}.job").read_text(encoding="utf-8").split()
        print(job, state, code, FOLDER / f"{job}.log", sep="\t")


def main(verb: str, *words: str) -> None:
    """Do what the first word says."""
    match verb:
        case "submit":
            submit(list(words))
        case "_attend":
            attend(int(words[0]), list(words[1:]))
        case "list":
            show()
        case "kill":
            pid = int((FOLDER / f"{words[0]}.job").read_text(encoding="utf-8").split()[2])
            os.killpg(pid, signal.SIGTERM)
        case _:
            sys.exit(f"tinyq: no such verb: {verb}")


if __name__ == "__main__":
    main(*sys.argv[1:])
