"""Break a test cluster in chosen ways, and mend it."""

import signal
from collections.abc import Iterable
from pathlib import Path

from cluster import people
from cluster.daemons import SSHD_NAMES, await_ready, known, running, start, stop
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.processes import Process, end, name_of, send, with_descendants


def stop_daemon(layout: Layout, daemon: str) -> None:
    """End a daemon as an administrator does. Steps of a slurmd and sessions of an sshd go on, as they really do."""
    stop(layout, known(daemon))


def kill_daemon(layout: Layout, daemon: str) -> None:
    """End a daemon as a crash does: nothing is tidied up (a munged killed so leaves its socket file)."""
    stop(layout, known(daemon), patience_s=0)


def start_daemon(layout: Layout, daemon: str) -> None:
    """Start a daemon again and wait until it answers."""
    start(layout, known(daemon))
    try:
        await_ready(layout, daemon)
    except ClusterError:
        if running(layout, daemon) is not None:
            raise
        # slurmctld 24.11.5 may divide by zero when it is asked something before it has read its state.
        start(layout, daemon)
        await_ready(layout, daemon)


def hang_daemon(layout: Layout, daemon: str) -> None:
    """Make a daemon hold its connections and say nothing; an sshd's open sessions hang with it."""
    for process in _hangable(layout, daemon):
        send(process, signal.SIGSTOP)


def resume_daemon(layout: Layout, daemon: str) -> None:
    """Let a hanging daemon go on and wait until it answers."""
    for process in _hangable(layout, daemon):
        send(process, signal.SIGCONT)
    await_ready(layout, daemon)


def drop_sessions(layout: Layout, daemon: str) -> int:
    """Break all open connections of an sshd, which goes on; return how many processes had them."""
    if daemon not in SSHD_NAMES:
        raise ClusterError(f"only {' and '.join(SSHD_NAMES)} have sessions")
    listener = _must_run(layout, daemon)
    sessions = [process for process in _hangable(layout, daemon) if process != listener]
    end(sessions, patience_s=0)
    return len(sessions)


def hide_program(layout: Layout, program: str) -> None:
    """Make a program not installed, for ssh sessions and new jobs."""
    try:
        (layout.programs / program).unlink()
    except FileNotFoundError as error:
        raise ClusterError(f"{program} is not among the programs of ssh sessions") from error


def replace_program(layout: Layout, program: str, script: str) -> None:
    """Put a shell script in the place of a program, for ssh sessions and new jobs."""
    hide_program(layout, program)
    path = layout.programs / program
    path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def move_programs(layout: Layout, programs: Iterable[str], folder: Path) -> None:
    """Put programs where the PATH of ssh sessions does not lead."""
    folder.mkdir(parents=True)
    for program in programs:
        (layout.programs / program).rename(folder / program)


def show_programs(layout: Layout) -> None:
    """Bring back what was hidden or replaced."""
    people.make_links(layout)


def set_noise(layout: Layout, user: str, noise: str) -> None:
    """Make the user's login files print this in front of every command's answer; an empty text ends it."""
    people.set_noise(layout, user, noise=noise)


def set_login(layout: Layout, user: str, text: str) -> None:
    """Make the user's login files run this shell text before every command; an empty text ends it."""
    people.set_login(layout, user, text=text)


def _hangable(layout: Layout, daemon: str) -> list[Process]:
    process = _must_run(layout, known(daemon))
    if daemon not in SSHD_NAMES:
        return [process]
    # Not the commands that run in the sessions: a hanging sshd does not stop those.
    return [each for each in with_descendants([process]) if name_of(each).startswith("sshd")]


def _must_run(layout: Layout, daemon: str) -> Process:
    process = running(layout, daemon)
    if process is None:
        raise ClusterError(f"{daemon} does not run")
    return process
