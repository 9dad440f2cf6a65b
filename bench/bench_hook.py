"""What each shell command of an agent pays for the hook: its script against `python3 -I -S -c pass`, in turns.

The system's python3, as a client starts it (`--python PATH`: another one). A busy machine slows both of a pair.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

PAIRS = 60
SCRIPT = Path(__file__).parents[1] / "hooks" / "jobwarden_hook.py"
OUTPUT = "drwxr-xr-x 2 alice alice 4096 Nov 21 10:00 a-folder\n" * 200


def shell(command: str, output: str) -> dict[str, Any]:
    told = {"tool_name": "Bash", "tool_input": {"command": command}, "tool_response": {"stdout": output}}
    return {"session_id": "s-1", "prompt_id": "p", "cwd": "/", "hook_event_name": "PostToolUse", **told}


def prompt(session: str) -> dict[str, Any]:
    return {
        "session_id": session,
        "prompt_id": "p",
        "cwd": "/",
        "hook_event_name": "UserPromptSubmit",
        "prompt": "go on",
    }


EVENTS: Mapping[str, dict[str, Any]] = {
    "a shell command, 10 kB of output": shell("ls -l", OUTPUT),
    "a prompt, nothing watched": prompt("s-1"),
    "a prompt, 5000 events, all of them told": prompt("s-2"),
    "a commit that speaks of sbatch": shell("git commit -m 'sbatch: more memory'", "[main 1] sbatch"),
    "a submission, without what it starts": shell("ssh cluster-a sbatch x.sh", "Submitted batch job 12\n"),
}


def run(words: Sequence[str], data: bytes, env: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, input=data, env=env, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - began)


def told_session(state: Path) -> None:
    """Make a session with a long journal, told to its end."""
    folder = state / "jobwarden" / "sessions" / "s-2"
    folder.mkdir(parents=True)
    line = json.dumps({"v": 1, "event": "status_change", "text": "x" * 300, "seq": 5000})
    (folder / "events.jsonl").write_text(f"{line}\n" * 5000, encoding="utf-8")
    cursors = {"v": 1, "consumers": {"root": {"shown": 5000, "acknowledged": 5000}}}
    (folder / "cursors.json").write_text(json.dumps(cursors), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    system = "/usr/bin/python3"
    parser.add_argument("--python", default=system if Path(system).exists() else sys.executable)
    python = parser.parse_args().python
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{PAIRS} pairs each, {version}, {os.cpu_count()} CPUs, {platform.system()}")
    print(f"{'event':42} {'added ms (median)':>18} {'ratio to python3 -I -S -c pass':>32}")
    with tempfile.TemporaryDirectory(prefix="jw-hook-") as folder:
        told_session(Path(folder) / "state")
        run_folder = Path(folder) / "run"
        run_folder.mkdir(mode=0o700)
        env = {"PATH": "", "HOME": folder, "XDG_STATE_HOME": f"{folder}/state", "XDG_RUNTIME_DIR": str(run_folder)}
        for name, event in EVENTS.items():
            data = json.dumps(event).encode()
            words = [python, "-I", "-S", str(SCRIPT), "no-such-program"]
            run(words, data, env)  # compiled once, as after the first time
            pairs = [(run([python, "-I", "-S", "-c", "pass"], data, env), run(words, data, env)) for _ in range(PAIRS)]
            added = median(hook - bare for bare, hook in pairs)
            ratio = median(hook / bare for bare, hook in pairs)
            print(f"{name:42} {added:18.1f} {ratio:32.2f}")


if __name__ == "__main__":
    main()
