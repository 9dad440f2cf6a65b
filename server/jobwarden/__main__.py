"""Where the program begins. A client that starts `jobwarden serve` is answered before anything slow is imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; see `jobwarden.cli.main.main`."""
    lifeline = None
    if sys.argv[1:] == ["serve"]:
        from jobwarden.mcp_server.front import Front, baked

        answers = baked()
        if answers is not None:
            from jobwarden.mcp_server.lifeline import Lifeline

            lifeline = Lifeline(Front(answers))
    from jobwarden.cli.main import main as run

    return run(lifeline=lifeline)


if __name__ == "__main__":
    sys.exit(main())
