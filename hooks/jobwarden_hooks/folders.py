"""Jobwarden's files, as the hook may read and write them; the forms are those of `jobwarden.bindings`."""

import json
import os
import stat
import time

from jobwarden_hooks.shell import NAME

MOST = 1 << 20
MOST_CLIENTS = 100


def is_plain(text):
    """Whether a session's or call's id is safe as a file name."""
    return (
        0 < len(text) <= 128
        and text[0] in NAME
        and all(one in NAME or one in "._-" for one in text)
        and ".." not in text
    )


def runtime(*parts):
    """Name a file in jobwarden's folder on local disk, and make its folder; None where that is not ours."""
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    try:
        if folder.startswith("/") and os.stat(folder).st_uid == os.geteuid():
            folder = os.path.join(folder, "jobwarden")
        else:
            temporary = os.environ.get("TMPDIR", "")
            usable = temporary.startswith("/") and os.path.isdir(temporary)
            folder = os.path.join(temporary if usable else "/tmp", "jobwarden-%d" % os.geteuid())
    except OSError:
        return None
    for part in ("",) + parts[:-1]:
        folder = os.path.join(folder, part) if part else folder
        try:
            os.mkdir(folder, 0o700)
        except OSError:
            pass
        try:
            found = os.lstat(folder)
        except OSError:
            return None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return None
    return os.path.join(folder, parts[-1])


def written(path, told):
    """Write a small file whole."""
    fresh = "%s.%d.new" % (path, os.getpid())
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(json.dumps(told))
        os.rename(fresh, path)
    except OSError:
        pass


def read_json(path):
    """Read a small JSON object; empty where there is none."""
    try:
        with open(path, "rb") as file:
            told = json.loads(file.read(MOST).decode("utf-8", "replace"))
    except (OSError, ValueError, TypeError):
        return {}
    return told if isinstance(told, dict) else {}


def process(pid):
    """Name a process for good, as jobwarden_registry.processes does; None where /proc does not tell."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            started = file.read().decode("utf-8", "replace").rpartition(")")[2].split()[19]
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        space = os.readlink("/proc/self/ns/pid")
    except (OSError, IndexError):
        return None
    return {"boot_id": boot, "pid_namespace": space, "pid": pid, "start_time": started}


def bind(told):
    """Note which session this client is in; give the one that it was in before, if that was another."""
    which = process(told["pid"]) if told["pid"] else None
    path = runtime("clients", "%d.json" % told["pid"]) if which else None
    if path is None:
        return None
    old = read_json(path)
    earlier, before = [], None
    if old.get("process") == which:
        before = str(old.get("session_id"))
        if before == told["session_id"]:
            return None
        earlier = [one for one in old.get("previous") or [] if one != told["session_id"]] + [before]
    fresh = {
        "v": 1,
        "process": which,
        "session_id": told["session_id"],
        "agent": told["agent"],
        "previous": earlier[-8:],
    }
    written(path, fresh)
    folder = os.path.dirname(path)
    names = os.listdir(folder)
    for name in names if len(names) > MOST_CLIENTS else []:
        if not os.path.exists("/proc/" + name.split(".")[0]):
            remove(os.path.join(folder, name))
    return before


def remove(path):
    """Remove a file that may be gone already."""
    try:
        os.unlink(path)
    except OSError:
        pass


def modified(path):
    """Say when a file was written; now, where there is none."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return time.time()


def note_call(event):
    """Note that a sub-agent makes this call, for the server that will get it."""
    call, agent = event.get("tool_use_id"), event.get("agent_id")
    if not (isinstance(call, str) and is_plain(call) and isinstance(agent, str) and is_plain(agent)):
        return
    path = runtime("calls", call + ".json")
    if path is None:
        return
    written(path, {"session_id": event["session_id"], "agent_id": agent})
    folder = os.path.dirname(path)
    names = os.listdir(folder)
    for name in names if len(names) > 200 else []:
        if modified(os.path.join(folder, name)) < time.time() - 3600:
            remove(os.path.join(folder, name))


def announce(session):
    """Note that a registration is under way, so that who asks for the session's jobs waits for it; give its name."""
    name = "%s@%d" % (session, os.getpid())
    path = runtime("announced", name)
    if path is None:
        return ""
    written(path, {})
    return name


def session_folder(session):
    """Name a session's folder in the user's own state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    state = state if state.startswith("/") else os.path.join(os.environ.get("HOME", "/"), ".local/state")
    return os.path.join(state, "jobwarden", "sessions", session)


def has_news(session, begins):
    """Whether a session watches something, and, but at its beginning, has not been told or acknowledged all of it."""
    folder = session_folder(session)
    try:
        with open(os.path.join(folder, "events.jsonl"), "rb") as file:
            if begins:
                return True
            file.seek(0, 2)
            file.seek(max(0, file.tell() - (MOST >> 2)))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except (IOError, OSError):
        return False
    cursor = (read_json(os.path.join(folder, "cursors.json")).get("consumers") or {}).get("root") or {}
    try:
        latest = json.loads(last.decode("utf-8", "replace"))["seq"]
        if others_seen(session):
            return True
        return not latest <= cursor["acknowledged"]
    except (ValueError, KeyError, TypeError):
        return True


def others_watch(project):
    """Whether another session of this project watches something: its file is longer than an empty list."""
    agents = os.path.join(project, ".claude", "agents")
    try:
        names = os.listdir(agents)
    except OSError:
        return False
    for name in names:
        try:
            if os.stat(os.path.join(agents, name, "active_jobs.json")).st_size > 4:
                return True
        except OSError:
            continue
    return False


def others_seen(session):
    """Whether an answer has shown other jobs of this user since this session was last offered any."""
    seen, offered = runtime("overheard", "x"), runtime("offered", session + ".json")
    if seen is None or offered is None:
        return False
    folder, latest = os.path.dirname(seen), None
    for name in os.listdir(folder):
        try:
            found = os.stat(os.path.join(folder, name)).st_mtime if name.endswith(".json") else None
        except OSError:  # it was taken away meanwhile
            continue
        latest = found if latest is None else max(latest, found or latest)
    try:
        return latest is not None and latest > os.stat(offered).st_mtime
    except OSError:
        return True
