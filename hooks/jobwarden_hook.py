#!/usr/bin/env python3
"""What a client runs at its events: python3 -I -S jobwarden_hook.py [PROGRAM [ARGUMENT...]], the event on stdin.

After a shell command: sees what was submitted, and starts `PROGRAM hook submitted` for it, detached.
At a session's start, a prompt and a stop: notes which session this client is in; where this session watches something
and has not been told all of it, becomes `PROGRAM hook news`. Before a tool call of a sub-agent: notes whose call it is.

The standard library alone, in the syntax of Python 3.6; it asks no host. Every shell command of an agent pays for this
file, which is compiled each time: what "nothing to do here" does not need lies beside it, is imported late, and kept
compiled.
"""

import sys

MARKS = (b"sbatch", b"Submitted batch job", b"Invocation ID: ", b"Entering Experiment ", b"launch.py")
"""No submission is without one of these, in its command or its output."""


def is_named(name, data):
    """Whether the event has this name, by how the clients space it; in a text within it each quote has a backslash."""
    return b'"hook_event_name":' + name in data or b'"hook_event_name": ' + name in data


def main():
    """Read the event, and leave at once where it is none of ours."""
    data = sys.stdin.buffer.read(8 << 20)
    if is_named(b'"PostToolUse', data) and not any(mark in data for mark in MARKS):
        return
    if is_named(b'"PreToolUse"', data) and b'"agent_id"' not in data:
        return
    sys.path.insert(0, __file__.rpartition("/")[0] or ".")
    from jobwarden_hooks.events import handle

    handle(data)


if __name__ == "__main__":
    main()
