"""Make the logs of tests/data/failures again: `python tests/failures/make.py [NAME ...]`.

A name is a case's, or a family's. What cannot be made on this machine is said with its reason, and stays as it is.
`--tell-again` runs nothing, and finds the truth anew in the logs that are kept, as after a change of a case's header.
`--prepare` first makes the environment with PyTorch and its like, outside the repository.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from failures import cluster_jobs, sandbox, truth
from failures.case import Case, read_all

PACKAGES = (
    "torch==2.13.0",
    "numpy",
    "pandas",
    "pyarrow",
    "h5py",
    "safetensors",
    "huggingface_hub",
    "transformers",
    "click",
    "hydra-core",
    "pyyaml",
    "pydantic",
    "pytest",
    "rich",
)


def prepare() -> None:
    """Make the environment that the jobs of `needs: venv` see at /opt/venvs/train."""
    venv = sandbox.VENV
    venv.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--copies", str(venv)], check=True)
    subprocess.run([str(venv / "bin/python"), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    for script in (venv / "bin").iterdir():
        data = script.read_bytes() if script.is_file() else b""
        if data.startswith(b"#!") or script.name.startswith("activate"):
            script.write_bytes(data.replace(str(venv).encode(), b"/opt/venvs/train"))
    config = venv / "pyvenv.cfg"
    text = re.sub(r"(?m)^home = .*$", "home = /opt/python/3.11/bin", config.read_text("utf-8"))
    config.write_text(text.replace(str(venv), "/opt/venvs/train"), "utf-8")
    for name in ("python", "python3", "python3.11"):
        link = venv / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/opt/python/3.11/bin/python3.11")


def clean(data: bytes) -> bytes:
    """Take out what would name the machine it was made on."""
    swaps = {
        sys.base_prefix.encode(): b"/opt/python/3.11",
        str(Path.home() / ".cargo").encode(): b"/opt/rust/cargo",
    }
    for old, new in swaps.items():
        data = data.replace(old, new)
    return re.sub(rb"\b%s\b" % re.escape(socket.gethostname().encode()), b"c1", data)


def version(tool: str) -> str:
    """Give what a tool says of its version: a command, or `venv PACKAGE`."""
    kind, _, package = tool.partition(" ")
    if kind == "venv":
        found = sorted(sandbox.VENV.glob(f"lib/*/site-packages/{package}-*.dist-info"))
        return found[0].name.removesuffix(".dist-info").replace("-", " ") if found else package
    argv = tool.split()
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return tool
    return (done.stdout + done.stderr).strip().split("\n")[0].split(" from /")[0]


def make(case: Case) -> dict[str, Any]:
    """Make one case."""
    if reason := sandbox.absent(case):
        raise sandbox.NotMadeError(reason)
    ran = sandbox.run(case)
    if ran.status is not None and case.healthy != (ran.status == 0):
        raise truth.OtherwiseError(f"ended with {ran.status}")
    if ran.status is None:
        facts: dict[str, Any] = {"state": "RUNNING", "ended": False, "exit_code": None, "signal": None}
    else:
        facts = {
            "state": "COMPLETED" if ran.status == 0 else "FAILED",
            "exit_code": ran.status if ran.status >= 0 else None,
            "signal": -ran.status if ran.status < 0 else None,
        }
    facts |= {name: float(told) if name.endswith("_s") else told for name, told in case.facts.items()}
    made_by = {
        "script": f"tests/failures/jobs/{case.family}/{case.name}.sh",
        "programs": [version(t) for t in case.tools],
    }
    return truth.keep(case, {part: clean(data) for part, data in ran.files.items()}, facts, made_by)


def tell_again(case: Case) -> dict[str, Any]:
    """Find the truth of a case anew in the logs that are kept; nothing is run."""
    told = truth.load().get(case.key)
    if told is None:
        raise sandbox.NotMadeError("was never made")
    parts = {name: name.removeprefix(f"{case.key}.") for name in told["files"]}
    files = {"" if part == "log" else part: (truth.DATA / name).read_bytes() for name, part in parts.items()}
    facts = {name: value for name, value in told.items() if name in truth.FACTS}
    return truth.keep(case, files, facts, told["made_by"])


def make_on_cluster(case: Case, ran: Mapping[str, cluster_jobs.Ran]) -> dict[str, Any]:
    """Keep one that ran on the test cluster."""
    if case.key not in ran:
        raise sandbox.NotMadeError("no test cluster here")
    one = ran[case.key]
    sandbox.LAST.text = b"".join(one.files.values()).decode("utf-8", "replace") + str(one.facts)
    made_by = {"script": f"tests/failures/jobs/{case.key}.sh", "programs": [version("sinfo --version")]}
    return truth.keep(case, {part: clean(data) for part, data in one.files.items()}, one.facts, made_by)


def made_now(case: Case, ran: Mapping[str, cluster_jobs.Ran]) -> dict[str, Any]:
    """Make a case, or take it from what ran on the cluster."""
    return make_on_cluster(case, ran) if case.family == "slurm" else make(case)


def names_of(case: Case) -> set[str]:
    """Give the names by which a case may be asked for."""
    return {case.name, case.family, case.key}


def main(names: list[str]) -> int:
    """Make those named; all without names."""
    if "--prepare" in names:
        prepare()
        return 0
    show, again = "--show" in names, "--tell-again" in names
    names = [name for name in names if not name.startswith("--")]
    chosen = [case for case in read_all() if not names or names_of(case) & set(names)]
    new: dict[str, Any] = {}
    missed = 0
    ran = cluster_jobs.run_all([case for case in chosen if case.family == "slurm" and not again])
    for case in chosen:
        try:
            new[case.key] = made = tell_again(case) if again else made_now(case, ran)
        except sandbox.NotMadeError as why:
            missed += 1
            print(f"{case.name}: not made: {why}")
        except truth.OtherwiseError as why:
            missed += 1
            print(f"{case.name}: OTHERWISE: {why}")
        else:
            print(f"{case.name}: {made['state']} {made['exit_code']} {made['signal']} {made['evidence']}")
        if show:
            print(sandbox.last_output())
    there = {case.key for case in read_all()}
    truth.save({name: told for name, told in (truth.load() | new).items() if name in there})
    print(f"{len(chosen) - missed} made, {missed} not")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
