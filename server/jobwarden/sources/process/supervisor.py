"""Stands over one local program, keeps its exit code, and outlives whoever started it.

A program of its own, run as `python -I -S supervisor.py ID`: nothing but the standard library, and little of that,
for one of these stays in memory beside every job (9.5 MB resident, 3.6 MB of it private, with Python 3.11; json
and subprocess would add 2 MB). What it writes is numbers, so it needs no JSON encoder.

What to start comes on standard input as NUL-separated words (`Order`), so that neither a secret in the environment
nor a long argument list shows in the process table. One line goes back on standard output: `ok` and the start
record, or `error STAGE ERRNO`. Then nothing is kept open.

The program gets a session and a process group of its own, whose number is its pid. It is started only after the
start record is on disk. Its output goes straight into the log file, opened for appending: the supervisor's death
loses no line of it.

SIGTERM is passed on to the program's group. With the marker file `cancel` beside the record (its text: the grace in
seconds) it means the end: SIGTERM to every group of the program's session, SIGKILL after the grace; the result is
written when all of them are gone. The program is the supervisor's own child and not yet reaped: no signal can reach
another process that got the same pid.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

_WAITED = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGALRM})
_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE)
_TICK_S = 0.2
_AFTER_KILL_S = 5.0
"""A process in uninterruptible sleep does not die at once; it holds up the result no longer than this."""


class Order:
    """What to start, as it came on standard input.

    Words, each ended by NUL: the job's own folder, working directory, log file, number of arguments, the arguments,
    and the environment as `NAME=value`.
    """

    def __init__(self, words: list[bytes]) -> None:
        self.folder, self.cwd, self.log = words[0], words[1], words[2]
        count = int(words[3])
        self.argv = words[4 : 4 + count]
        self.env = dict(word.split(b"=", 1) for word in words[4 + count :])


def main() -> None:
    """Detach, start the program, report, and wait for its end."""
    with open(0, "rb", closefd=False) as stream:
        order = Order(stream.read().split(b"\0")[:-1])
    if os.fork():
        os._exit(0)
    os.chdir("/")
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # a starter that ignores these would pass that on
    signal.pthread_sigmask(signal.SIG_SETMASK, _WAITED)
    pid, record = start(order)
    report(b"ok " + record)
    status, usage, cancelled = attend(order.folder, pid)
    keep_result(order.folder, result_text(status, usage, cancelled=cancelled))


def start(order: Order) -> tuple[int, bytes]:
    """Start the program, its start record first. Does not return when it cannot be started."""
    go_read, go_write = os.pipe()
    err_read, err_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go_write)
        become(order, go_read, err_write)
    os.close(go_read)
    os.close(err_write)
    record = (
        f'{{"v":1,"pid":{pid},"start_time":"{start_time(pid)}","supervisor_pid":{os.getpid()},'
        f'"supervisor_start_time":"{start_time(os.getpid())}","started_at":{time.time():.6f}}}\n'
    ).encode()
    try:
        write_whole(order.folder, b"start.json", record)
        os.write(go_write, b"\n")
    except OSError as error:
        fail(b"state", error.errno or 0)
    os.close(go_write)
    failure = os.read(err_read, 64)
    os.close(err_read)
    if failure:
        os.waitpid(pid, 0)
        os.unlink(order.folder + b"/start.json")  # noqa: PTH108 -- as above
        stage, number = failure.split()
        fail(stage, int(number))
    return pid, record


def become(order: Order, go_read: int, err_write: int) -> None:
    """Turn this child into the program. Never returns."""
    stage = b"state"
    try:
        os.setsid()
        if not os.read(go_read, 1):
            os._exit(127)
        stage = b"log"
        nothing = os.open("/dev/null", os.O_RDONLY)
        log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        stage = b"cwd"
        os.chdir(order.cwd)
        stage = b"exec"
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)  # a program knows nothing of what its starter ignored
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(order.argv[0], order.argv, order.env)  # noqa: S606 -- an argument list, no shell
    except OSError as error:
        os.write(err_write, stage + b" %d" % (error.errno or 0))
    finally:
        os._exit(127)


def fail(stage: bytes, number: int) -> None:
    """Tell the starter that there is no program. Never returns."""
    report(b"error " + stage + b" %d\n" % number)
    os._exit(1)


def report(line: bytes) -> None:
    """Send the one line, and let go of everything that was inherited. The starter may be dead: no matter."""
    with contextlib.suppress(OSError):
        os.write(1, line)
    nothing = os.open("/dev/null", os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(nothing, target)
    os.close(nothing)


def attend(folder: bytes, pid: int) -> tuple[int, list[float], bool]:
    """Wait for the program's end, and cancel it when asked to."""
    kill_at = float("inf")
    cancelled = False
    while True:
        if has_ended(pid) and (not cancelled or not stragglers(pid) or time.monotonic() > kill_at + _AFTER_KILL_S):
            break
        if cancelled and time.monotonic() >= kill_at:
            signal_session(pid, signal.SIGKILL)
        if signal.sigwait(_WAITED) != signal.SIGTERM or has_ended(pid):
            continue
        grace_s = asked_grace(folder)
        if grace_s is None:
            signal_group(pid, signal.SIGTERM)
            continue
        kill_at = min(kill_at, time.monotonic() + grace_s)
        cancelled = True
        signal_session(pid, signal.SIGTERM)
        signal_session(pid, signal.SIGCONT)
        signal.setitimer(signal.ITIMER_REAL, min(_TICK_S, max(grace_s, 0.001)), _TICK_S)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _, status, usage = os.wait4(pid, 0)
    # ru_maxrss counts KiB on Linux and bytes on macOS (getrusage(2) of each).
    scale = 1 if sys.platform == "darwin" else 1024
    return status, [usage.ru_utime, usage.ru_stime, usage.ru_maxrss * scale], cancelled


def has_ended(pid: int) -> bool:
    """Say whether the program has ended, and leave it unreaped, so that its pid stays its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def asked_grace(folder: bytes) -> float | None:
    """Give the grace of a request to cancel, or None where there is no such request."""
    try:
        with open(folder + b"/cancel", "rb") as stream:  # noqa: PTH123 -- pathlib costs memory
            return max(0.0, min(float(stream.read(64).split()[0]), 3600.0))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError):
        return 10.0


def session_members(leader: int) -> list[tuple[int, int]]:
    """List pid and group of what lives in the leader's session, the leader left out; Linux only, else nothing."""
    members: list[tuple[int, int]] = []
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 -- as above
        return members
    for name in os.listdir("/proc"):  # noqa: PTH208 -- as above
        if not name.isdigit() or int(name) == leader:
            continue
        state, group, session, _ = stat_fields(int(name))
        if session == leader and state not in "ZX":
            members.append((int(name), group))
    return members


def stragglers(leader: int) -> bool:
    """Say whether anything else of the session is still alive."""
    return bool(session_members(leader))


def signal_session(leader: int, number: int) -> None:
    """Signal the program's group and every other group of its session."""
    for group in {leader, *(group for _, group in session_members(leader))}:
        signal_group(group, number)


def signal_group(group: int, number: int) -> None:
    """Signal a group that may be gone by now, or hold somebody else's process (a setuid program)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def stat_fields(pid: int) -> tuple[str, int, int, str]:
    """Read state, group, session and start time (ticks since boot) from /proc; proc(5), fields 3, 5, 6 and 22."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123 -- as above
            fields = stream.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0, 0, ""
    return fields[0].decode(), int(fields[2]), int(fields[3]), fields[19].decode()


def start_time(pid: int) -> str:
    """Give what tells this process from a later one of the same pid: as `jobwarden.sources.process.table` does."""
    if os.path.isdir("/proc/self"):  # noqa: PTH112 -- as above
        return stat_fields(pid)[3]
    command = f"LC_ALL=C TZ=UTC /bin/ps -o lstart= -p {pid}"
    # macOS only, where subprocess would cost memory beside every job.
    with os.popen(command) as stream:  # noqa: S605 -- only a number is put in # pyright: ignore[reportDeprecated] -- see above
        return stream.read().strip()


def result_text(status: int, usage: list[float], *, cancelled: bool) -> bytes:
    """Write the wait status as JSON."""
    signalled = os.WIFSIGNALED(status)
    exit_code = "null" if signalled else str(os.WEXITSTATUS(status))
    number = str(os.WTERMSIG(status)) if signalled else "null"
    return (
        f'{{"v":1,"exit_code":{exit_code},"signal":{number},"core_dumped":{str(os.WCOREDUMP(status)).lower()},'
        f'"cancelled":{str(cancelled).lower()},"ended_at":{time.time():.6f},"user_s":{usage[0]:.3f},'
        f'"system_s":{usage[1]:.3f},"max_rss_bytes":{usage[2]:.0f}}}\n'
    ).encode()


def keep_result(folder: bytes, text: bytes) -> None:
    """Write the result, however long the disk stays full; give up when the folder is gone."""
    wait_s = 0.5
    while True:
        try:
            write_whole(folder, b"result.json", text)
        except FileNotFoundError:
            return
        except OSError:
            select.select([], [], [], wait_s)
            wait_s = min(wait_s * 2, 30.0)
        else:
            return


def write_whole(folder: bytes, name: bytes, text: bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever dies."""
    path = folder + b"/" + name
    temporary = path + b".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if os.write(descriptor, text) != len(text):
            raise OSError(28, "short write")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)  # noqa: PTH104 -- as above
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


if __name__ == "__main__":
    main()
