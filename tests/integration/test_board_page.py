"""The board's page in a real browser, over the real server and real processes: it shows, stays text, and cancels."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.browser import Page, browsing, program
from support.household import Household, cli, eventually, household

pytestmark = pytest.mark.browser

HOSTILE = "<script>window.stolen = 1</script><img src=x onerror=\"window.stolen='1'\">"


@dataclass
class Served:
    home: Household
    port: str

    def address(self, *words: str) -> str:
        printed = cli(self.home, "board", "--web", "--port", self.port, *words)
        assert printed.returncode == 0, printed.stderr
        return printed.stdout.strip()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Generator[Household]:
    """A home with three real processes: one whose every word is hostile, one that failed, one to be cancelled."""
    program()
    root = tmp_path_factory.mktemp("b")
    with household(root) as home:
        gate = root / "end"
        hold = f"until [ -e {gate} ]; do sleep 0.2; done"
        script = f"printf '%s\\n' {json.dumps(HOSTILE)}; {hold}"
        for name, line in ((HOSTILE, script), ("fails", "echo 'ValueError: <b>bad</b>' >&2; exit 3"), ("long", hold)):
            ran = cli(home, "run", "--name", name, "--", "sh", "-c", line)
            assert ran.returncode == 0, ran.stderr
        eventually(lambda: "finished" in home.kinds(_session(home)), "the failing one has ended", within_s=60)
        yield home
        gate.touch()


def _session(home: Household) -> str:
    (session,) = [path.name for path in (home.places.state / "sessions").iterdir()]
    return session


@pytest.fixture
def served(jobs: Household) -> Generator[Served]:
    words = [str(Path(sys.executable).with_name("jobwarden")), "serve", "--http", "--act", "--port", "0"]
    nothing = subprocess.DEVNULL
    with subprocess.Popen(
        words, env=jobs.env, cwd=jobs.project, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline().decode() + process.stderr.readline().decode()
            yield Served(jobs, re.findall(r"board --web --port (\d+)", said)[0])
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def page() -> Generator[Page]:
    with browsing() as lent:
        yield lent


def board(home: Household) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(cli(home, "board", "--json").stdout)
    return {one["job"]["name"]: one["job"] for one in told["jobs"]}


def row(name: str) -> str:
    """Find the row of a job by its name, in the page."""
    return f"[...document.querySelectorAll('tr.job')].find((row) => row.cells[1].textContent === {json.dumps(name)})"


def test_the_page_shows_hostile_words_as_text_filters_and_cancels_when_the_person_says_yes(
    served: Served, page: Page
) -> None:
    page.open(served.address())
    page.until("document.querySelectorAll('tr.job').length === 3")
    assert page.js("location.pathname + location.search + location.hash") == "/board", "no secret stays in the address"
    assert page.js(f"{row('fails')}.cells[0].className") == "state failed"
    assert page.js(f"{row('fails')}.innerText.includes('exit code 3')")

    # Words of strangers: as a name, as a log, and as what is asked back.
    page.js(f"{row(HOSTILE)}.click()")
    page.until(f"document.getElementById('log').textContent.includes({json.dumps(HOSTILE)})")
    assert page.js("document.getElementById('title').textContent").startswith(HOSTILE)
    page.click("#cancel")
    assert HOSTILE in page.until("document.getElementById('question').textContent")
    page.click("#no")
    assert page.js("document.querySelectorAll('main script, main img, dialog script, dialog img').length") == 0
    assert page.js("window.stolen") is None

    page.click("#filter")
    page.type("lon")
    page.until("document.querySelectorAll('tr.job').length === 1")
    page.click("tr.job")
    page.click("#cancel")
    assert board(served.home)["long"]["phase"] == "running", "nothing before the person has said yes"
    page.click("#yes")
    page.until("document.getElementById('told').textContent.includes('accepted')")
    eventually(lambda: board(served.home)["long"]["phase"] == "cancelled", "it has ended", within_s=60)
    page.until("document.querySelector('tr.job .state').className.includes('cancelled')")
    assert board(served.home)[HOSTILE]["phase"] == "running"
    page.js("(box => { box.value = ''; box.dispatchEvent(new Event('input')) })(document.getElementById('filter'))")
    page.js(f"{row(HOSTILE)}.click()")
    page.click("#watching")
    page.until(f"{row(HOSTILE)}.cells[5].textContent === 'off'")
    assert board(served.home)[HOSTILE]["paused_since"] is not None
    page.click("#watching")
    page.until(f"{row(HOSTILE)}.cells[5].textContent !== 'off'")
    assert page.complaints == []


def test_a_tab_that_is_loaded_again_goes_on_and_one_without_the_key_learns_nothing(served: Served, page: Page) -> None:
    page.open(served.address("--read-only"))
    page.until("document.querySelectorAll('tr.job').length === 3")
    page.js(f"{row(HOSTILE)}.click()")
    assert page.js("document.getElementById('deeds').hidden"), "who may only read is offered nothing else"
    page.call("Page.reload")
    page.until("document.readyState === 'complete' && document.querySelectorAll('tr.job').length === 3")
    page.js("sessionStorage.clear()")
    page.call("Page.reload")
    page.until("document.readyState === 'complete' && document.body.innerText.includes('jobwarden board --web')")
    assert page.js("document.querySelectorAll('tr.job').length") == 0
    page.open(f"http://localhost:{served.port}/board")
    page.until("document.readyState === 'complete' && document.body.innerText.includes('Log in')")


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_read_by_day_and_by_night_and_on_a_telephone(served: Served, page: Page, *, dark: bool) -> None:
    page.look(width=390, height=800, dark=dark)
    page.open(served.address("--read-only"))
    page.until("document.querySelectorAll('tr.job').length === 3")
    back = [int(part) for part in re.findall(r"\d+", page.js("getComputedStyle(document.body).backgroundColor"))]
    text = [int(part) for part in re.findall(r"\d+", page.js("getComputedStyle(document.body).color"))]
    assert (sum(back[:3]) < 150) is dark
    assert abs(sum(back[:3]) - sum(text[:3])) > 500
    assert page.js("document.documentElement.scrollWidth <= innerWidth"), "the table scrolls, not the page"
