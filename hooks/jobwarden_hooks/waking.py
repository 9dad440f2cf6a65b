"""Waits while a session is idle, and wakes it when one of its jobs has something to tell.

One small process from a turn's end to the next turn's beginning, and only while the session watches something.
"""

import json
import os
import sys
import time

from jobwarden_hooks.events import caller
from jobwarden_hooks.folders import is_plain, modified, process, read_json, remove, runtime, session_folder, written

STEP_S = 2.0
SETTLE_S = 2.0
"""What happens within this time is told in one turn; and a hook or a tool that tells it first has told it by then."""
ASK_S = 60.0
ANNOUNCED_S = 60.0
MOST = 1 << 18
WAKE = 2
"""The exit status by which Claude Code wakes an idle session, with what stands on stderr."""
URGENT = ("stuck", "stalled", "ready", "rule_fired", "lost", "found_again", "finished", "removed", "note")
"""As in jobwarden.delivery.news; a test holds the two equal."""


def main():
    """Wait, if this client can be woken; the exit status is what the hook is to end with."""
    try:
        event = json.loads(sys.stdin.buffer.read(8 << 20).decode("utf-8", "replace"))
        session = event["session_id"]
    except (ValueError, KeyError, TypeError):
        return 0
    if not isinstance(session, str) or not is_plain(session) or not can_be_woken(event):
        return 0
    told = caller(event)
    path = runtime("idle", session + ".json")
    if path is None or not (is_announced(session) or is_watching(session)):
        return 0
    written(path, {"pid": os.getpid()})
    try:
        return wait(told, path)
    except OSError:
        return 0
    finally:
        if is_mine(path):
            remove(path)


def can_be_woken(event):
    """Whether the client runs this hook beside the session, and not before it lets anybody go on.

    A client that does not know `asyncRewake` would wait for this process at each stop. Those that say whether somebody
    sits before them know it: Claude Code 2.1.120 had it already, and did not say that yet. With nobody before it,
    Claude Code 2.1.328 (`claude -p`) does not end before this process does; so none waits there.
    """
    stops = event.get("hook_event_name") == "Stop" and "agent_id" not in event
    return (
        stops and os.environ.get("CLAUDE_CODE_SESSION_ATTENDED") == "1" and os.environ.get("CLAUDE_PID", "").isdigit()
    )


def wait(told, path):
    """Follow the session's journal until there is something to tell, or nobody to tell it to."""
    session, client = told["session_id"], process(told["pid"])
    journal, end = os.path.join(session_folder(session), "events.jsonl"), 0
    pause(SETTLE_S)
    while is_mine(path) and (client is None or process(told["pid"]) == client):
        watches = is_announced(session) or is_watching(session)
        found = size(journal)  # after the look at the list: a job leaves that when its end stands in the journal
        begin = max(end, found - MOST)
        if found > end and is_news(session, journal, begin):
            pause(SETTLE_S)
            text = ask(told) if is_news(session, journal, begin) else ""
            if text:
                sys.stderr.write(text)
                return WAKE
        elif found == end and not watches:
            return 0
        end = max(end, found)
        pause(STEP_S)
    return 0


def pause(seconds):
    """Let time pass."""
    time.sleep(seconds)  # noqa: TID251 -- anyio is not here, and a file tells nobody that it grows


def is_mine(path):
    """Whether this is still the session's waiting process: a prompt, or the next stop, takes that away."""
    return read_json(path).get("pid") == os.getpid()


def is_watching(session):
    """Whether the session's list of jobs has something in it."""
    project = str(read_json(os.path.join(session_folder(session), "session.json")).get("project") or "/")
    return size(os.path.join(project, ".claude", "agents", session, "active_jobs.json")) > 4


def is_announced(session):
    """Whether a job of this session is still being registered."""
    path = runtime("announced", session + "@")
    folder = os.path.dirname(path) if path else "/nowhere"
    try:
        names = [name for name in os.listdir(folder) if name.startswith(session + "@")]
    except OSError:
        return False
    return any(modified(os.path.join(folder, name)) > time.time() - ANNOUNCED_S for name in names)


def is_news(session, journal, begin):
    """Whether something stands in the journal that is worth a turn, and that nobody has told yet."""
    root = (read_json(os.path.join(session_folder(session), "cursors.json")).get("consumers") or {}).get("root") or {}
    try:
        with open(journal, "rb") as file:
            file.seek(begin)
            lines = file.read(MOST).split(b"\n")[:-1]
    except OSError:
        return False
    for line in lines:
        try:
            event = json.loads(line.decode("utf-8", "replace"))
            if event["event"] in URGENT and event["seq"] > root.get("shown", 0):
                return True
        except (ValueError, KeyError, TypeError):
            continue
    return False


def ask(told):
    """Let jobwarden say it, and note that it was said."""
    import subprocess

    from jobwarden_hooks.starting import program

    words = program(sys.argv[1:])
    if not words:
        return ""
    payload = dict(told, event="Rewake", source="", previous=None)
    child = subprocess.Popen(
        words + ["hook", "news"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        said = child.communicate(json.dumps(payload).encode("utf-8"), ASK_S)[0]
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return ""
    return said.decode("utf-8", "replace") if child.returncode == 0 else ""


def size(path):
    """Give a file's length; none where there is no file."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
