#!/usr/bin/env python3
"""What a plug-in starts as its MCP server: python3 -I -S jobwarden_serve.py [ARGUMENT...]; becomes `jobwarden serve`.

The standard library alone, in the syntax of Python 3.6, as the hooks beside it, which start the same jobwarden.
"""

import os
import sys


def main():
    """Become the server; where there is none, say what to install, and fail."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from jobwarden_hooks.starting import missing, program

    words = program()
    if words is None:
        sys.stderr.write(missing() + ".\n")
        return 127
    os.execv(words[0], words + ["serve"] + sys.argv[1:])
    return 127


if __name__ == "__main__":
    sys.exit(main())
