"""`python3 tests/cluster/cluster.py --help`: the command line of the test cluster. README.md beside it tells more."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Run as a file, Python looks for modules beside it; ours are in the folder above, as the package `cluster`.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from cluster import faults, install, layout, lifecycle, releases  # noqa: E402 the path comes first
from cluster.daemons import DAEMONS, SSHD_NAMES, command, running  # noqa: E402 the path comes first
from cluster.errors import ClusterError  # noqa: E402 the path comes first

DAEMON_FAULTS: dict[str, Callable[[layout.Layout, str], object]] = {
    "stop": faults.stop_daemon,
    "kill": faults.kill_daemon,
    "start": faults.start_daemon,
    "hang": faults.hang_daemon,
    "resume": faults.resume_daemon,
    "drop": faults.drop_sessions,
    "hide": faults.hide_program,
}
EPILOG = f"""\
daemons: {" ".join(DAEMONS)}
faults:  stop|kill|start|hang|resume DAEMON; drop {"|".join(SSHD_NAMES)}; hide PROGRAM; show; noise TEXT
"""


def main() -> int:
    """Do what the command line says; return the exit status."""
    options = _parser().parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", flush=True)

    root: Path = (options.dir or layout.default_root(options.name)).resolve()
    try:
        return _do(options, root, say)
    except ClusterError as error:
        print(f"test cluster: {error}", file=sys.stderr)
        return 1


def _do(options: argparse.Namespace, root: Path, say: lifecycle.Say) -> int:
    match options.verb:
        case "install":
            say(f"installed {' '.join(install.install()) or 'nothing: all is there'}")
            for release in options.release or ():
                made = releases.make(release)
                say(f"{releases.folder_of(release)}: {'made' if made else 'was there'}")
        case "up":
            here = lifecycle.up(root, say=say, users=options.users, flavor=options.flavor, release=options.release)
            say(f"up: {root}")
            print(_exports(here), end="")
        case "down":
            lifecycle.down(root, say=say, wipe=options.wipe)
        case "status":
            return _status(layout.load(root))
        case "env":
            print(_exports(layout.load(root)), end="")
        case _:
            _fault(layout.load(root), options.fault, options.words)
    return 0


def _fault(cluster: layout.Layout, fault: str, words: list[str]) -> None:
    if fault == "show":
        faults.show_programs(cluster)
    elif fault == "noise":
        for user in cluster.users:
            faults.set_noise(cluster, user, " ".join(words))
    elif len(words) != 1:
        raise ClusterError(f"fault {fault} needs one name\n{EPILOG}")
    else:
        DAEMON_FAULTS[fault](cluster, words[0])


def _status(cluster: layout.Layout) -> int:
    processes = {daemon: running(cluster, daemon) for daemon in DAEMONS}
    for daemon, process in processes.items():
        print(f"{daemon:10} {f'up    pid {process.pid}' if process else 'down'}")
    if processes["slurmctld"]:
        for argv in (["sinfo"], ["squeue"]):
            done = command(cluster, *argv)
            print(done.stdout + done.stderr, end="")
    return 0 if all(processes.values()) else 1


def _exports(cluster: layout.Layout) -> str:
    """Return shell lines for a developer: `eval "$(python3 tests/cluster/cluster.py env)"`."""
    return (
        f"export SLURM_CONF={cluster.slurm_conf}\n"
        f"export JOBWARDEN_TEST_CLUSTER={cluster.root}\n"
        f"# ssh -F {cluster.ssh_config} cluster-a squeue\n"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cluster.py", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--name", default="dev", help="which cluster: .cluster/NAME of the checkout (default: dev)")
    place.add_argument("--dir", type=Path, help="its folder, in place of --name")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    get = verbs.add_parser("install", parents=[place], help="install Debian's packages, start nothing")
    get.add_argument("--release", action="append", choices=releases.RELEASES, help="and another release, in a folder")
    up = verbs.add_parser("up", parents=[place], help="install what is missing, start what does not run, mend faults")
    up.add_argument("--users", type=_names, help="ordinary users, created where absent (default: alice,bob)")
    up.add_argument("--flavor", choices=layout.FLAVORS, help="how Slurm tracks processes (default: plain)")
    up.add_argument("--release", choices=releases.RELEASES, help="whose programs run (default: the machine's)")
    down = verbs.add_parser("down", parents=[place], help="end every process of it")
    down.add_argument("--wipe", action="store_true", help="and remove its folder")
    verbs.add_parser("status", parents=[place], help="what runs; exit 1 when a daemon does not")
    verbs.add_parser("env", parents=[place], help="lines for the shell")
    fault = verbs.add_parser("fault", parents=[place], help="break something, or mend it")
    fault.add_argument("fault", choices=[*DAEMON_FAULTS, "show", "noise"])
    fault.add_argument("words", nargs="*", metavar="NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
