"""How jobwarden itself is started from a plug-in: what is installed, else the plug-in's own by uvx."""

import os

HOMES = (".local/bin", ".cargo/bin")
"""Where uv and pipx put programs; a client that a desktop has started often lacks them on its PATH."""


def found(name):
    """Give a program's path, or its name as it was given; None where it cannot be started."""
    if "/" in name:
        return name if os.access(name, os.X_OK) else None
    home = os.environ.get("HOME", "")
    folders = [one for one in os.environ.get("PATH", os.defpath).split(os.pathsep) if one.startswith("/")]
    for folder in folders + [os.path.join(home, one) for one in HOMES if home.startswith("/")]:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return None


def program(given=()):
    """Give the words that start jobwarden, those that were given before all others; None where nothing can be started."""
    if given:
        return list(given) if found(given[0]) else None
    installed = found("jobwarden")
    if installed:
        return [installed]
    uvx = found("uvx")
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [uvx, "--from", here, "jobwarden"] if uvx else None


def missing(given=()):
    """Say why nothing can be started, and what mends it."""
    if given:
        return "jobwarden cannot be started: there is no %s" % given[0]
    return (
        "jobwarden cannot be started: neither jobwarden nor uvx is on the PATH or in ~/.local/bin. "
        "With uv installed (https://docs.astral.sh/uv) the plug-in runs as it is"
    )
