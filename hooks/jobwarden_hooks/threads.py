"""Where a session of Codex is at home, and whether it rests: what waking an idle one takes (jobwarden.delivery.codex).

It is written into the user's own state, where a sandboxed shell of Codex cannot write: a program's path stands there.
"""

import os
import time

from jobwarden_hooks.folders import process, remove, session_folder, written


def note_thread(session, name):
    """Note for a session that watches something whether its turn goes on or has ended, and by which program."""
    folder = session_folder(session)
    if not os.path.isdir(folder):
        return
    path = os.path.join(folder, "codex.json")
    if name == "SessionEnd":
        remove(path)
        return
    client, program = codex()
    which = process(client) if client else None
    if which is None:
        return  # another program between us, or one that was replaced: nothing is known of it
    home = os.environ.get("CODEX_HOME") or os.path.join(os.environ.get("HOME", ""), ".codex")
    idle = time.time() if name == "Stop" else None
    written(path, {"v": 1, "process": which, "program": program, "home": home, "idle_since": idle})


def codex():
    """Find the Codex that runs this hook, itself or through a shell: (pid, program); (None, "") where none does."""
    pid = os.getppid()
    for _ in range(4):
        try:
            program = os.readlink("/proc/%d/exe" % pid)
            if os.path.basename(program).startswith("codex"):
                return (pid, program) if os.path.exists(program) else (None, "")
            with open("/proc/%d/stat" % pid, "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return None, ""
