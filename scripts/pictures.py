"""Make the pictures of docs/board.md: the screen by Textual's own export, the page by a real browser.

Usage: .venv/bin/python scripts/pictures.py. What they show is made up (tests/support/boards.py).
"""

import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]
os.environ["TZ"] = "UTC"
time.tzset()

import anyio  # noqa: E402 -- the path and the time zone come first
import uvicorn  # noqa: E402 -- likewise

from jobwarden.cli.board_app import BoardApp  # noqa: E402 -- likewise
from jobwarden.identity import Caller  # noqa: E402 -- likewise
from jobwarden.mcp_server.board_site import BoardSite  # noqa: E402 -- likewise
from jobwarden.mcp_server.guard import Guard  # noqa: E402 -- likewise
from jobwarden.mcp_server.logins import Doors, Tokens, login_code  # noqa: E402 -- likewise
from jobwarden_registry.clock import utc_now  # noqa: E402 -- likewise
from support.boards import a_morning  # noqa: E402 -- likewise
from support.browser import browsing  # noqa: E402 -- likewise
from support.fake_service import NOW  # noqa: E402 -- likewise

OUT = ROOT / "docs" / "pictures"
PERSON = Caller("s-train", "manual", Path("/home/alice"), "cli")
TOKENS = Tokens(full="a-token-of-the-pictures-0", read="a-token-of-the-pictures-1")


async def screens() -> None:
    """Draw the board at 80x24, and the question before a cancel."""
    app = BoardApp(a_morning(), PERSON, clock=lambda: NOW)
    async with app.run_test(size=(80, 24)) as pilot:
        with anyio.fail_after(30):
            while "OutOfMemoryError" not in app.export_screenshot().replace("&#160;", " "):
                await pilot.pause(0.1)
        save(app, "board.svg")
        await pilot.press("down", "down", "c")
        await pilot.pause(0.5)
        save(app, "board-cancel.svg")


def save(app: BoardApp, name: str) -> None:
    """Write what is seen, without the fonts that it would load from elsewhere and names that change each time."""
    svg = app.export_screenshot(title="jobwarden board", simplify=True)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = svg.replace("Fira Code, monospace", "monospace").replace("font-family: Fira Code", "font-family: monospace")
    (OUT / name).write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def pages() -> None:
    """Photograph the page by day and by night."""

    async def nothing_else(*_: object) -> None:
        return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        site = BoardSite(a_morning(), PERSON, Doors(TOKENS, acts=True, clock=utc_now, port=port))
        guard = Guard(nothing_else, token=TOKENS.full, people=site)
        server = uvicorn.Server(uvicorn.Config(guard, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        for name, dark in (("board-page.png", False), ("board-page-dark.png", True)):
            with browsing() as page:
                page.look(width=1000, height=820, dark=dark)
                page.open(f"http://127.0.0.1:{port}/board?login={login_code(TOKENS.full, utc_now(), port)}")
                page.until("document.querySelectorAll('tr.job').length === 8")
                page.js("document.querySelector('tr.job').click()")
                page.until("document.getElementById('log').textContent.includes('OutOfMemoryError')")
                (OUT / name).write_bytes(page.picture())
        server.should_exit = True
        thread.join(20)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    anyio.run(screens)
    pages()
    for path in sorted(OUT.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")
