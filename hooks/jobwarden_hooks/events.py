"""What is done at each event of a client."""

import json
import os
import sys

from jobwarden_hooks.folders import announce, bind, has_news, is_plain, note_call, others_watch, remove, runtime

MOST = 1 << 20
ASK_S = 15
"""Less than any client gives an event at which jobwarden is asked; a test says so."""


def handle(data):
    """Do what an event asks for; whatever the machine lacks for it is no fault of the client's."""
    try:
        event = json.loads(data.decode("utf-8", "replace"))
        name, session = event["hook_event_name"], event["session_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if not isinstance(session, str) or not is_plain(session):
        return
    try:
        respond(name, event)
    except (OSError, RecursionError):  # quotes within substitutions within quotes, by the thousand
        return


def respond(name, event):
    """Do what this event asks for."""
    if name in ("PostToolUse", "PostToolUseFailure"):
        after_command(event)
    elif name == "PreToolUse":
        note_call(event)
    elif name in ("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"):
        news(event)


def output_of(event):
    """Give what a command printed, in the form of either client."""
    told = event.get("tool_response")
    if isinstance(told, dict):
        told = told.get("stdout") or told.get("output")
    if not isinstance(told, str):
        told = event.get("error")
    return told if isinstance(told, str) else ""


def after_command(event):
    """See what was submitted, start its registration, and say so."""
    from jobwarden_hooks.programs import SHELLS, base
    from jobwarden_hooks.reading import Place, Reader
    from jobwarden_hooks.settling import settle

    given = event.get("tool_input")
    given = given if isinstance(given, dict) else {}
    text = given.get("command") or given.get("cmd")
    if isinstance(text, list):
        shell = len(text) == 3 and base(str(text[0])) in SHELLS and "c" in str(text[1])
        text = str(text[2]) if shell else " ".join("'%s'" % str(one).replace("'", "'\\''") for one in text)
    if not isinstance(text, str):
        return
    cwd = event.get("cwd")
    cwd = cwd if isinstance(cwd, str) and cwd.startswith("/") else "/"
    reader = Reader(cwd)
    reader.read(text, Place(cwd=cwd))
    if reader.spent:
        reader = Reader(cwd)
        reader.unsure.append(Place(cwd=cwd))
    if not reader.submissions and not reader.unsure:
        return
    answer = settle(reader, output_of(event))
    if event["hook_event_name"] == "PostToolUseFailure" and not answer.jobs:
        return
    told = []
    if answer.jobs:
        payload = caller(event)
        payload["jobs"] = answer.jobs[:50]
        # A launcher names its experiment when it likes, and nobody is to wait for that.
        payload["announced"] = "" if any("output" in one for one in answer.jobs) else announce(payload["session_id"])
        started = start(payload)
        told = [describe(one, started) for one in answer.jobs[:10]]
        if len(answer.jobs) > 10:
            told.append("and %d more." % (len(answer.jobs) - 10))
    told += ["jobwarden: %s; register_job or discover_jobs watches it." % one for one in answer.doubts[:3]]
    if told:
        say(event["hook_event_name"], " ".join(told))


def describe(job, started):
    """Say what becomes of one submission."""
    if "output" in job:
        what = "the launcher's experiment that %s will name" % job["output"]
    else:
        what = "%s job %s on %s" % (job["type"], job["id"], job["host"])
    if not started:
        return "jobwarden is not to be found on the hook's PATH, and %s is not watched." % what
    guess = " The host is a guess: %s." % job["guess"] if job["guess"] else ""
    return "jobwarden registers %s for this session and watches it from now on.%s" % (what, guess)


def say(name, text):
    """Give the agent a context line."""
    told = {"hookSpecificOutput": {"hookEventName": name, "additionalContext": text[:4000]}}
    sys.stdout.write(json.dumps(told) + "\n")


# -- who it is for, and what is started


def caller(event):
    """Say whose event it is."""
    rollout = "/rollout-" in str(event.get("transcript_path") or "")
    codex = "turn_id" in event or (rollout and "prompt_id" not in event)
    pid = "" if codex else os.environ.get("CLAUDE_PID", "")
    agent_id = event.get("agent_id")
    return {
        "v": 1,
        "session_id": event["session_id"],
        "agent": "codex" if codex else "claude-code",
        "detail": agent_id if isinstance(agent_id, str) and is_plain(agent_id) else None,
        "cwd": str(event.get("cwd") or "/"),
        "pid": int(pid) if pid.isdigit() and len(pid) < 10 else None,
    }


def start(payload):
    """Start the registration, and leave it to itself: it may wait for a host, and nobody waits for it."""
    from jobwarden_hooks.starting import prepared, program

    words = program(sys.argv[1:])
    if not words:
        return False
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        try:
            with os.fdopen(writing, "wb") as file:
                file.write(json.dumps(payload).encode("utf-8")[:60000])
        except OSError:  # it has ended already
            return False
        os.wait()
        return True
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.close(writing)
        os.dup2(reading, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        errors_to_log()
        wrong = prepared(words)
        if wrong:
            os.write(2, (wrong + "\n").encode("utf-8"))
        os.execv(words[0], words + ["hook", "submitted"])
    finally:
        os._exit(127)


def errors_to_log():
    """Send this process's stderr, which is a client's, to a file of ours."""
    log = runtime("hook.log")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    errors = os.open(log, flags, 0o600) if log else os.open(os.devnull, os.O_WRONLY)
    if os.fstat(errors).st_size > MOST:
        os.ftruncate(errors, 0)
    os.dup2(errors, 2)


def ask(payload):
    """Let jobwarden itself answer the event. Whatever becomes of it, it is no fault of the client's.

    Its exit status goes no further: 2 would take the user's prompt away, and an older jobwarden, or uvx without a
    network, ends with that. It holds nothing of the client's, which may end this hook and then waits for its pipes.
    """
    from jobwarden_hooks.starting import program

    words = program(sys.argv[1:])
    if not words:
        return
    reading, writing = os.pipe()
    os.write(writing, json.dumps(payload).encode("utf-8")[:60000])
    os.close(writing)
    answer, telling = os.pipe()
    if os.fork():
        os.close(reading)
        os.close(telling)
        with os.fdopen(answer, "rb") as file:
            said = file.read().decode("utf-8", "replace")
        os.wait()
        sys.stdout.write(said)
        return
    try:
        import signal

        os.dup2(reading, 0)
        os.dup2(telling, 1)
        errors_to_log()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(ASK_S)
        os.execv(words[0], words + ["hook", "news"])
    finally:
        os._exit(127)


def takes_context(told):
    """Whether a stop of this client can be held by a context; by a reason Claude Code 2.1.328 tells the model twice.

    2.1.120 passes over a context there, as Codex does, and does not say whether somebody sits before it.
    """
    return told["agent"] == "claude-code" and "CLAUDE_CODE_SESSION_ATTENDED" in os.environ


def end_idleness(session):
    """Let the process end that would have woken this session (`waking.py`)."""
    path = runtime("idle", session + ".json")
    if path is not None:
        remove(path)


def missing():
    """Whether there is no jobwarden to start; the person is told so."""
    from jobwarden_hooks.starting import MISSING, program

    if program(sys.argv[1:]):
        return False
    sys.stdout.write(json.dumps({"systemMessage": MISSING}) + "\n")
    return True


def news(event):
    """Bind the session to the client; where there may be something to tell, let jobwarden tell it."""
    told = caller(event)
    name = event["hook_event_name"]
    before = None if name in ("Stop", "SessionEnd") else bind(told)
    if told["detail"] is not None:
        return
    if told["agent"] == "codex":
        from jobwarden_hooks.threads import note_thread

        note_thread(told["session_id"], name)
    if name == "SessionEnd":
        return
    if name == "UserPromptSubmit":
        end_idleness(told["session_id"])
    begins = name == "SessionStart"
    if begins and event.get("source") in ("startup", "resume") and missing():
        return
    before = before if begins and event.get("source") == "clear" and before and is_plain(before) else None
    known = has_news(told["session_id"], begins) or (before and has_news(before, True))
    if not known and not (begins and others_watch(os.environ.get("CLAUDE_PROJECT_DIR") or told["cwd"])):
        return
    told["event"], told["source"], told["previous"] = name, str(event.get("source") or ""), before
    told["context"] = takes_context(told)
    told["held"] = name == "Stop" and bool(event.get("stop_hook_active"))
    ask(told)
