"""Where a program of this machine is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping


def on_path(name: str, env: Mapping[str, str]) -> str | None:
    """Find a program in the PATH of an environment.

    Its empty and relative folders are passed over: they would be the project's, which an agent may write.

    Returns:
        Its absolute path; None where there is none.
    """
    path = os.pathsep.join(one for one in env.get("PATH", os.defpath).split(os.pathsep) if one.startswith("/"))
    return shutil.which(name, path=path) if path else None
