"""The board on a real terminal (a pty of 80x24): the real command, real processes, and few bytes over the line."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator
from pathlib import Path
from select import select

import pytest

from support.household import Household, cli, household

_QUIET_BYTES = 600


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Generator[Household]:
    root = tmp_path_factory.mktemp("b")
    with household(root) as made:
        gate = root / "end"
        line = f"echo epoch 3 begins; until [ -e {gate} ]; do sleep 0.2; done"
        assert cli(made, "run", "--name", "train", "--", "sh", "-c", line).returncode == 0
        yield made
        gate.touch()


class Screen:
    """What came over the line, as it came."""

    def __init__(self, line: int) -> None:
        self._line = line
        self.bytes = b""

    def read(self, for_s: float) -> int:
        """Read for so long; gives how many bytes came."""
        before, deadline = len(self.bytes), time.monotonic() + for_s
        while (left := deadline - time.monotonic()) > 0:
            if select([self._line], [], [], left)[0]:
                try:
                    self.bytes += os.read(self._line, 65536)
                except OSError:  # the far side has closed
                    break
        return len(self.bytes) - before

    def until(self, there: Callable[[str], object], what: str) -> None:
        deadline = time.monotonic() + 60
        while not there(self.text):
            assert time.monotonic() < deadline, f"not seen: {what}\n{self.text}"
            self.read(0.1)

    @property
    def text(self) -> str:
        """Give it without what moves the cursor."""
        return re.sub(r"\x1b\[[0-9;?<>=]*[A-Za-z]", "\n", self.bytes.decode(errors="replace"))

    def press(self, keys: str) -> None:
        os.write(self._line, keys.encode())


@pytest.fixture
def screen(home: Household) -> Generator[tuple[Screen, subprocess.Popen[bytes]]]:
    line, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    words = [str(Path(sys.executable).with_name("jobwarden")), "board"]
    env = {**home.env, "TERM": "xterm-256color"}
    with subprocess.Popen(
        words, env=env, cwd=home.project, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        os.close(terminal)
        try:
            yield Screen(line), process
        finally:
            process.terminate()
            process.wait(30)
            os.close(line)


def test_on_a_real_terminal_it_shows_the_job_and_its_log_and_a_quiet_board_sends_next_to_nothing(
    screen: tuple[Screen, subprocess.Popen[bytes]],
) -> None:
    shown, process = screen
    shown.until(lambda text: "train" in text and "epoch 3 begins" in text, "the job and its log")
    assert len(shown.bytes) < 20_000, "a screen of 80x24 is 2 kB of signs"
    # It looks every two seconds; a minute that turns, or the first answer, changes a cell or two.
    assert any(shown.read(5.0) < _QUIET_BYTES for _ in range(3)), shown.bytes[-2000:]
    shown.press("q")
    deadline = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < deadline
        shown.read(0.1)
    assert process.returncode == 0
    assert b"\x1b[?1049l" in shown.bytes, "the terminal is given back"
