"""A real browser without a window, driven over a pipe by Chromium's DevTools protocol: no package is needed for that.

Debian's chromium-headless-shell (seen with 156): `--remote-debugging-pipe` reads commands from descriptor 3 and writes
answers and events to descriptor 4, each a JSON object with a NUL after it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from select import select
from typing import Any, cast

from cluster.errors import ClusterError
from cluster.install import install
from support.require import require

PROGRAM = "chromium-headless-shell"
PACKAGES = {
    PROGRAM: (f"/usr/bin/{PROGRAM}",),
    "fonts-dejavu-core": ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",),
}
_LIMIT_S = 60.0
_START = """import fcntl, os, sys
far = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
for number, one in zip((3, 4), far):
    os.dup2(one, number)
os.execv(sys.argv[3], sys.argv[3:])"""


@cache
def program() -> str:
    """Give the browser, installed where it is missing and root may; the test skips, or fails, where there is none."""
    found = shutil.which(PROGRAM)
    why = "" if found else install_browser()
    found = found or shutil.which(PROGRAM)
    require("browser", found is not None, f"{PROGRAM} is not installed: {why}")
    assert found is not None
    return found


def install_browser() -> str:
    """Install it from Debian's packages, as root; give what went wrong, or nothing."""
    try:
        install(PACKAGES)
    except ClusterError as error:
        return str(error)
    return ""


class Page:
    """One page of a browser.

    Attributes:
        complaints: What it said was wrong: faults of scripts, and what its policy forbade.
    """

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._left = b""
        self._last = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command and give its answer."""
        self._last += 1
        told: dict[str, object] = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            told["sessionId"] = self._session
        os.write(self._requests, json.dumps(told).encode() + b"\0")
        deadline = time.monotonic() + _LIMIT_S
        while True:
            message = self._read(deadline)
            if message.get("id") == self._last:
                assert "error" not in message, (method, message)
                return cast("dict[str, Any]", message["result"])

    def _read(self, deadline: float) -> Mapping[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser has ended"
            self._left += data
        text, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(message["params"]))
        return message

    def open(self, url: str) -> None:
        """Go there."""
        self.call("Page.navigate", url=url)

    def js(self, expression: str) -> Any:
        """Give what an expression comes to in the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, (expression, told)
        return told["result"].get("value")

    def until(self, expression: str, within_s: float = _LIMIT_S) -> Any:
        """Wait until an expression is true in the page, and give it."""
        deadline = time.monotonic() + within_s
        while not (found := self.js(expression)):
            assert time.monotonic() < deadline, f"not so: {expression}\n{self.text()}\n{self.complaints}"
            time.sleep(0.05)
        return found

    def text(self) -> str:
        """Give what a person reads."""
        return str(self.js("document.body.innerText"))

    def click(self, selector: str) -> None:
        """Press the mouse where this is; it must be there to be seen."""
        where = self.until(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); if (!one) return null;"
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            "return box.width && box.height ? [box.x + box.width / 2, box.y + box.height / 2] : null })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def look(self, *, width: int, height: int, dark: bool) -> None:
        """Have a window of this size, and this taste."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def picture(self) -> bytes:
        """Give what is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browsing() -> Generator[Page]:
    """Lend a page of a fresh browser that knows nothing and ends with the block."""
    from_us, requests = os.pipe()
    answers, to_us = os.pipe()
    with tempfile.TemporaryDirectory(prefix="jw-browser-", ignore_cleanup_errors=True) as folder:
        words = [
            program(), "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", f"--user-data-dir={folder}",
        ]  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(from_us), str(to_us), *words],
            pass_fds=(from_us, to_us),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"HOME": folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        )
        os.close(from_us)
        os.close(to_us)
        try:
            yield Page(requests, answers)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(requests)
            os.close(answers)


if __name__ == "__main__":  # scripts/test.sh, before the tests run side by side
    sys.exit(install_browser() or None)
