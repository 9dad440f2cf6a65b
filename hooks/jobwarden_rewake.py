#!/usr/bin/env python3
"""What Claude Code runs beside an idle session: python3 -I -S jobwarden_rewake.py [PROGRAM [ARGUMENT...]].

The event of the stop is on stdin. It ends with 2, and news on stderr, when there is something to tell.

The standard library alone, in the syntax of Python 3.6, like the hook beside it.
"""

import sys

if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/")[0] or ".")
    from jobwarden_hooks.waking import main

    sys.exit(main())
