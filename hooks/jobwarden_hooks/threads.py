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
    client = os.getppid()
    which, home = process(client), os.environ.get("CODEX_HOME") or os.path.join(os.environ.get("HOME", ""), ".codex")
    try:
        program = os.readlink("/proc/%d/exe" % client)
    except OSError:
        return
    if which is None or not os.path.basename(program).startswith("codex"):
        return  # another program between us, or one that was replaced: nothing is known of it
    idle = time.time() if name == "Stop" else None
    written(path, {"v": 1, "process": which, "program": program, "home": home, "idle_since": idle})
