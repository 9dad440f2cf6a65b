#!/usr/bin/env python3
"""Starts the jobwarden that goes with this plug-in: python3 -I -S jobwarden_start.py WORD..., as `jobwarden WORD...`.

The standard library alone, in the syntax of Python 3.6, like the hook beside it.
"""

import sys

if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/")[0] or ".")
    from jobwarden_hooks.starting import main

    main()
