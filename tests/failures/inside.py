"""Run one job in its throw-away machine, as alice, the way slurmd does.

Started by enter.sh in any Python: the standard library alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

OUT = Path("/out")
HOME = Path("/home/alice")
SCRIPT = Path("/var/spool/slurmd/job04711/slurm_script")
PATH = "/usr/local/bin:/usr/bin:/bin:/opt/python/3.11/bin:/opt/rust/cargo/bin:/usr/lib/go/bin"
UID = 1001


def settle(hosts: str) -> None:
    """Make /etc look like a node's, with alice for a user and the named hosts on loopback."""
    etc = Path("/etc")
    names = "\n".join(f"127.0.0.1 {name}" for name in hosts.split())
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 c1\n{names}\n", "utf-8")
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", "utf-8")
    people = [line for line in (etc / "passwd").read_text("utf-8").splitlines() if f":{UID}:" not in line]
    people = [line for line in people if not line.startswith("alice:")]
    (etc / "passwd").write_text("\n".join([*people, f"alice:x:{UID}:{UID}::/home/alice:/bin/bash"]) + "\n", "utf-8")
    for mirrored in ("pip.conf", "npmrc"):
        (etc / mirrored).unlink(missing_ok=True)
    Path("/root").chmod(0o711)  # alice's Python finds its library there
    HOME.mkdir(exist_ok=True)
    (HOME / "project").mkdir()
    os.chown(HOME, UID, UID)
    os.chown(HOME / "project", UID, UID)


def environment() -> dict[str, str]:
    """Give what a job finds."""
    return {
        "HOME": str(HOME),
        "USER": "alice",
        "LOGNAME": "alice",
        "SHELL": "/bin/bash",
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "HOSTNAME": "c1",
        "RUSTUP_HOME": "/opt/rust/rustup",
        "CARGO_HOME": "/home/alice/.cargo",
        "RUSTUP_TOOLCHAIN": os.environ.get("FAILURES_TOOLCHAIN", "stable"),
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": "1",
        "SLURM_JOB_NODELIST": "c1",
        "CUDA_VISIBLE_DEVICES": "0" if Path("/dev/nvidiactl").exists() else "",
    }


def run_job(text: str, *, split: bool, as_root: bool, look_after_s: int) -> int | None:
    """Run the batch script; a negative number is the signal that ended it, None that it runs on."""
    SCRIPT.parent.mkdir(parents=True, exist_ok=True)
    SCRIPT.write_text(text, "utf-8", newline="")
    SCRIPT.chmod(0o755)
    who = None if as_root else UID
    with (OUT / "out").open("wb") as out, (OUT / "err").open("wb") as err:
        job = subprocess.Popen(
            ["/bin/bash", str(SCRIPT)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err if split else out,
            env=environment(),
            cwd=HOME / "project",
            user=who,
            group=who,
            extra_groups=None if as_root else [],
        )
        try:
            return job.wait(look_after_s or None)
        except subprocess.TimeoutExpired:
            return None


def main() -> int:
    """Read the case from /out/case.json; leave its output and /out/ended.json there."""
    case = json.loads((OUT / "case.json").read_text("utf-8"))
    settle(case["hosts"])
    root_env = {**environment(), "HOME": "/root", "PATH": f"{PATH}:/usr/sbin:/sbin"}
    if case["root"]:
        with (OUT / "root.log").open("wb") as log:
            subprocess.run(
                ["/bin/bash", "-eu"], input=case["root"].encode(), env=root_env, stdout=log, stderr=log, check=True
            )
    status = run_job(case["job"], split=case["split"], as_root=case["as_root"], look_after_s=case["look"])
    for number, more in enumerate(sorted((HOME / "project").glob(case["logs"])) if case["logs"] else []):
        shutil.copyfile(more, OUT / f"more-{number}-{more.name}")
    (OUT / "ended.json").write_text(json.dumps({"status": status}), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
