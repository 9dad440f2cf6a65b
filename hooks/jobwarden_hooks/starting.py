"""Finds the jobwarden to start, and starts it: one that was named, an installed one, or the plug-in's own by uvx."""

import os
import sys

from jobwarden_hooks.folders import runtime

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MISSING = (
    "jobwarden cannot be started: neither jobwarden nor uvx is on the PATH. "
    "Install uv (https://docs.astral.sh/uv), or jobwarden itself, and start this client again."
)


def program(given):
    """Give the words that start jobwarden; none where there is nothing to start.

    What was named goes first; then an installed one, unless it is known to be another version than this plug-in; then
    this plug-in itself, in the environment that uvx made of it, which needs no network (see `prepared`).
    """
    if given:
        return list(given) if found(given[0]) else []
    installed, uvx = found("jobwarden"), found("uvx")
    own = own_version()
    if installed and (own is None or version_of(installed) in (own, None)):
        return [installed]
    if uvx and own is not None:
        return [uvx, "--offline", "--from", ROOT, "jobwarden"]
    return [installed] if installed else []


def found(name):
    """Find a program; a client that was not started by a shell may lack the user's own folders on its PATH.

    A hook starts in the project: an empty or relative folder of PATH would be one of the project's own.
    """
    home = os.environ.get("HOME", "/")
    usual = [os.path.join(home, ".local/bin"), os.path.join(home, ".cargo/bin"), "/opt/homebrew/bin", "/usr/local/bin"]
    folders = [""] if "/" in name else os.environ.get("PATH", os.defpath).split(os.pathsep) + usual
    for folder in folders:
        if not os.path.isabs(folder) and "/" not in name:
            continue
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def own_version():
    """Give the version of the plug-in that this file is part of; None where it is part of none."""
    try:
        with open(os.path.join(ROOT, ".claude-plugin", "plugin.json")) as file:
            text = file.read(1 << 16)
    except (OSError, ValueError):
        return None
    import json

    try:
        return str(json.loads(text)["version"]) if os.path.isfile(os.path.join(ROOT, "pyproject.toml")) else None
    except (ValueError, KeyError, TypeError):
        return None


def version_of(path):
    """Give the version of an installed jobwarden by what lies beside it, without starting it; None: not to be seen."""
    library = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(path))), "lib")
    for python in listed(library):
        for name in listed(os.path.join(library, python, "site-packages")) if python.startswith("python3") else []:
            if name.startswith("jobwarden-") and name.endswith(".dist-info"):
                return name[len("jobwarden-") : -len(".dist-info")]
    return None


def listed(folder):
    """List a folder; one that cannot be read has nothing in it."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def prepared(words):
    """See to it that these words start something; give what went wrong, or nothing.

    uvx makes the environment at the first start, which takes as long as the network does: seconds, or minutes. That
    goes on when the client has had enough of waiting and ends this process: the next start finds it done.
    """
    if "--offline" not in words or silent(words + ["version"]):
        return ""
    import subprocess

    log = runtime("install.log")
    with open(log or os.devnull, "w+b") as said, open(os.devnull, "rb") as nothing:
        making = [one for one in words if one != "--offline"] + ["version"]
        failed = subprocess.call(making, stdin=nothing, stdout=said, stderr=said, start_new_session=True)
        said.seek(0)
        told = said.read(1 << 16).decode("utf-8", "replace")
    return "uvx could not install jobwarden: " + told[-2000:].strip() if failed else ""


def silent(words):
    """Whether a program ends well; what it says is of no interest."""
    import subprocess

    with open(os.devnull, "r+b") as nothing:
        return subprocess.call(words, stdin=nothing, stdout=nothing, stderr=nothing) == 0


def main():
    """Become jobwarden, with the words of this command line."""
    words = program([])
    wrong = prepared(words) if words else MISSING
    if wrong:
        sys.stderr.write(wrong + "\n")
        sys.exit(1)
    os.execv(words[0], words + sys.argv[1:])
