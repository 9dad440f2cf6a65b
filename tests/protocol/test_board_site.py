"""The board over HTTP: who sees what, who may act, and that words of strangers stay words."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Receive, Scope, Send

from jobwarden.identity import Caller
from jobwarden.mcp_server import logins
from jobwarden.mcp_server.board_site import BoardSite
from jobwarden.mcp_server.guard import TOKEN_FILE, Guard
from jobwarden.mcp_server.logins import LOGIN_S, READ_FILE, VISIT_S, Doors, Grant, Tokens, find_tokens
from jobwarden.mcp_server.metrics import CONTENT_TYPE, metrics_text
from jobwarden.service.board_views import BoardHost, CountMetric, MetricsView
from jobwarden.service.views import WatcherView
from jobwarden_registry.errors import JobNotFoundError, UnreadableError, UntrustedError
from support.boards import HOSTILE, FakeBoard, a_morning, board_job, board_view
from support.fake_service import NOW

TOKENS = Tokens(full="full-token-of-the-tests-0123", read="read-token-of-the-tests-0123")
FULL = {"authorization": f"Bearer {TOKENS.full}"}
READ = {"authorization": f"Bearer {TOKENS.read}"}
URL = "http://127.0.0.1:8642"
OWN = {"origin": URL}
PERSON = Caller("terminal-1", "manual", Path("/home/alice"), "board")
READING = ("/board", "/board.json", "/board/log?uid=uid48213", "/metrics")
ROUTES = (*READING, "/board/cancel", "/board/control")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def nothing_else(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Stand in for the MCP application behind the guard."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def board() -> FakeBoard:
    return a_morning()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def doors(clock: Clock, *, acts: bool = True) -> Doors:
    return Doors(TOKENS, acts=acts, clock=clock, port=8642)


def login_code(token: str, at: datetime, port: int = 8642) -> str:
    return logins.login_code(token, at, port)


def app(board: FakeBoard, clock: Clock, *, acts: bool = True) -> Guard:
    site = BoardSite(board, PERSON, doors(clock, acts=acts))
    return Guard(nothing_else, token=TOKENS.full, people=site)


@asynccontextmanager
async def visiting(guard: Guard, headers: Mapping[str, str] | None = None) -> AsyncGenerator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=guard)
    async with httpx2.AsyncClient(transport=transport, base_url=URL, headers=headers or {}, timeout=10) as client:
        yield client


def key_of(page: str) -> str:
    found = re.search(r'name="jobwarden-key" content="([^"]*)"', page)
    assert found is not None
    return found[1]


async def log_in(client: httpx2.AsyncClient, token: str = TOKENS.full, at: datetime = NOW) -> dict[str, str]:
    """Come in as a browser; gives the header that its page sends."""
    response = await client.get("/board", params={"login": login_code(token, at)})
    assert response.status_code == 200
    return {"x-jobwarden-key": key_of(response.text)}


async def cancel(client: httpx2.AsyncClient, headers: Mapping[str, str], **body: Any) -> int:
    json = body or {"uid": "uid48230"}
    return (await client.post("/board/cancel", json=json, headers=dict(headers))).status_code


# -- without a secret


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKENS.full}"}])
@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_without_a_secret_no_route_says_anything(
    board: FakeBoard, clock: Clock, path: str, headers: dict[str, str], method: str
) -> None:
    async with visiting(app(board, clock), headers) as client:
        response = await client.request(method, path, json={"uid": "uid48230"} if method == "POST" else None)
    assert response.status_code == 401
    assert "48213" not in response.text
    assert (board.looks, board.tails, board.cancelled) == (0, [], [])


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("strange", "status"), [({"origin": "http://evil.example"}, 403), ({"host": "evil.example"}, 421)]
)
async def test_a_strange_origin_or_host_is_refused_whatever_it_knows(
    board: FakeBoard, clock: Clock, path: str, strange: dict[str, str], status: int
) -> None:
    async with visiting(app(board, clock), {**FULL, **strange}) as client:
        assert (await client.get(path)).status_code == status


async def test_the_board_s_paths_alone_are_the_board_s(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock)) as client:
        for path in ("/mcp", "/board/", "/board/x", "/Board", "/board.json/", "/board/../mcp"):
            assert (await client.get(path)).status_code == 401, path
            assert (await client.get(path, headers=READ)).status_code == 401, "reading opens no tool"
            assert (await client.get(path, headers=FULL)).status_code == 299, path


# -- reading and acting


@pytest.mark.parametrize("secret", [FULL, READ])
@pytest.mark.parametrize("path", READING)
async def test_either_token_reads(board: FakeBoard, clock: Clock, path: str, secret: dict[str, str]) -> None:
    async with visiting(app(board, clock), secret) as client:
        response = await client.get(path)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert (await client.post(path)).status_code == 405


async def test_only_the_full_token_acts_and_only_where_the_server_allows_it(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock, acts=False)) as client:
        assert await cancel(client, FULL) == 403
    async with visiting(app(board, clock)) as client:
        assert await cancel(client, READ) == 403
        assert board.cancelled == []
        assert await cancel(client, FULL) == 200
    assert board.cancelled == [("uid48230", "from the board's page", "terminal-1")]


async def test_holding_and_releasing_are_acting(board: FakeBoard, clock: Clock) -> None:
    deed = {"uid": "uid48231_[1-8]", "action": "hold"}
    async with visiting(app(board, clock)) as client:
        assert (await client.post("/board/control", json=deed, headers=READ)).status_code == 403
        for wrong in ({"uid": "a"}, {**deed, "action": "resubmit"}, {**deed, "value": "x"}):
            assert (await client.post("/board/control", json=wrong, headers=FULL)).status_code == 400
        key = await log_in(client)
        assert (await client.post("/board/control", json=deed, headers=key)).status_code == 403, "no origin"
        assert board.controlled == []
        response = await client.post("/board/control", json=deed, headers={**key, **OWN})
    assert response.json()["rows"][0]["text"] == "it is held"
    assert board.controlled == [("uid48231_[1-8]", "hold")]


async def test_the_json_is_the_snapshot_that_the_command_line_prints(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock), READ) as client:
        assert (await client.get("/board.json")).text == board.view.model_dump_json()


async def test_a_big_snapshot_travels_small_to_who_takes_that(board: FakeBoard, clock: Clock) -> None:
    board.view = board_view(*(board_job(str(number), name=f"job-{number}") for number in range(200)))
    async with visiting(app(board, clock), READ) as client:
        packed = await client.get("/board.json", headers={"accept-encoding": "gzip"})
        plain = await client.get("/board.json", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) * 10 < int(plain.headers["content-length"])


@pytest.mark.parametrize(
    "lines", ["0", "1001", "x", "-1", "1e3", "99999999999999999999", "²", "000001999999", "000001" + "9" * 5000]
)
async def test_a_number_of_lines_that_cannot_be_is_refused(board: FakeBoard, clock: Clock, lines: str) -> None:
    async with visiting(app(board, clock), READ) as client:
        assert (await client.get("/board/log", params={"uid": "uid48213", "lines": lines})).status_code == 400


async def test_errors_are_told_with_what_to_do(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock), READ) as client:
        board.error = JobNotFoundError("nobody", hint="look")
        response = await client.get("/board.json")
        assert (response.status_code, response.json()["error"]["hint"]) == (404, "look")
        board.error = UnreadableError("the disk", retryable=True)
        assert (await client.get("/board.json")).status_code == 503


# -- browsers


async def test_an_address_opens_the_board_once_and_for_five_minutes(board: FakeBoard, clock: Clock) -> None:
    guard = app(board, clock)
    code = login_code(TOKENS.full, NOW)
    async with visiting(guard) as client, visiting(guard) as another:
        assert (await client.get("/board", params={"login": code})).status_code == 200
        assert (await another.get("/board", params={"login": code})).status_code == 401, "used"
        late = login_code(TOKENS.full, NOW)
        clock.now += timedelta(seconds=LOGIN_S)
        assert (await another.get("/board", params={"login": late})).status_code == 401, "old"
        assert (await client.get("/board")).status_code == 200, "the visit goes on"
        clock.now += timedelta(seconds=VISIT_S)
        assert (await client.get("/board")).status_code == 401, "and ends"


async def test_an_address_of_the_future_or_of_another_token_opens_nothing(board: FakeBoard, clock: Clock) -> None:
    good = login_code(TOKENS.full, NOW)
    until, nonce, mac = good.split(".")
    codes = [
        login_code("another-token-0123456789", NOW),
        login_code(TOKENS.full, NOW, 8643),
        login_code(TOKENS.full, NOW + timedelta(days=1)),
        f"{int(until) + 1}.{nonce}.{mac}",
        f"{until}.{nonce}x.{mac}",
        f"{until}.{nonce}",
        f"{good}.x",
        f"{until}.{nonce}.",
        f"{'9' * 30}.{nonce}.{mac}",
        f"²{until}.{nonce}.{mac}",
        f"{until}.{nonce}.\u00e4",
        "",
        TOKENS.full,
    ]
    async with visiting(app(board, clock)) as client:
        for code in codes:
            assert (await client.get("/board", params={"login": code})).status_code == 401, code


async def test_an_address_that_was_used_opens_nothing_at_the_next_server_either(board: FakeBoard, clock: Clock) -> None:
    code = login_code(TOKENS.full, NOW)
    async with visiting(app(board, clock)) as client:
        assert (await client.get("/board", params={"login": code})).status_code == 200
    clock.now += timedelta(seconds=30)
    async with visiting(app(board, clock)) as client:
        assert (await client.get("/board", params={"login": code})).status_code == 401
        await log_in(client, at=clock.now)


def test_a_reading_token_that_opens_everything_is_refused(tmp_path: Path) -> None:
    same = {"JOBWARDEN_HTTP_TOKEN": TOKENS.full, "JOBWARDEN_HTTP_READ_TOKEN": TOKENS.full}
    with pytest.raises(UntrustedError, match="the same"):
        find_tokens(same, tmp_path)


async def test_a_name_that_is_no_utf_8_hides_nothing(board: FakeBoard, clock: Clock) -> None:
    board.view = board_view(board_job("1", name="caf\udce9", session="s-\ud800"), board_job("2"))
    async with visiting(app(board, clock), FULL) as client:
        told = await client.get("/board.json")
        assert [one["job"]["id"] for one in told.json()["jobs"]] == ["1", "2"]
        assert (await client.get("/board/log?uid=uid1")).status_code == 200
        assert await cancel(client, FULL, uid="uid1") == 200


async def test_the_cookie_opens_the_empty_page_alone_for_browsers_send_it_to_every_port(
    board: FakeBoard, clock: Clock
) -> None:
    async with visiting(app(board, clock)) as client:
        with_key = await log_in(client)
        again = await client.get("/board")
        assert key_of(again.text) == "", "the key is told once"
        for path in READING[1:]:
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers={"x-jobwarden-key": "guess"})).status_code == 401
            assert (await client.get(path, headers=with_key)).status_code == 200
        assert await cancel(client, OWN) == 401
    async with visiting(app(board, clock)) as client:
        assert (await client.get("/board.json", headers=with_key)).status_code == 401, "nor does the key alone"
    assert board.cancelled == []


async def test_no_script_can_read_the_cookie_and_no_other_site_send_it(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock)) as client:
        response = await client.get("/board", params={"login": login_code(TOKENS.full, NOW)})
    cookie = response.headers["set-cookie"].lower()
    assert cookie.startswith("jobwarden_board_8642=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKENS.full not in response.text + cookie
    assert TOKENS.read not in response.text + cookie


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 403),
        ("http://localhost:8642", 403),
        ("http://127.0.0.1:9999", 403),
        ("http://127.0.0.1", 403),
        ("null", 403),
        (URL, 200),
    ],
)
async def test_a_browser_acts_from_the_board_s_own_page_alone(
    board: FakeBoard, clock: Clock, origin: str | None, status: int
) -> None:
    async with visiting(app(board, clock)) as client:
        key = await log_in(client)
        assert await cancel(client, {**key, **({} if origin is None else {"origin": origin})}) == status
    assert len(board.cancelled) == (status == 200)


async def test_a_form_of_another_site_cannot_be_mistaken_for_json(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock)) as client:
        headers = {**await log_in(client), **OWN, "content-type": "text/plain"}
        response = await client.post("/board/cancel", content='{"uid": "uid48230"}', headers=headers)
        assert response.status_code == 415
    assert board.cancelled == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"uid": 1}', b'{"uid": "a", "all": true}', b'{"uid": "' + b"a" * 9000 + b'"}']
)
async def test_a_body_that_cannot_be_cancels_nothing(board: FakeBoard, clock: Clock, body: bytes) -> None:
    async with visiting(app(board, clock), FULL) as client:
        headers = {"content-type": "application/json"}
        assert (await client.post("/board/cancel", content=body, headers=headers)).status_code == 400
    assert board.cancelled == []


async def test_a_visit_by_the_reading_token_or_a_reading_server_cannot_act(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock)) as client:
        key = await log_in(client, TOKENS.read)
        assert 'name="jobwarden-grant" content="read"' in (await client.get("/board")).text
        assert await cancel(client, {**key, **OWN}) == 403
    async with visiting(app(board, clock, acts=False)) as client:
        assert await cancel(client, {**await log_in(client), **OWN}) == 403
    assert board.cancelled == []


async def test_the_page_allows_its_own_script_alone_and_holds_no_word_of_a_job(board: FakeBoard, clock: Clock) -> None:
    board.view = board_view(board_job("1", name=HOSTILE))
    async with visiting(app(board, clock), READ) as client:
        response = await client.get("/board")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "window.stolen" not in response.text
    assert not re.findall(r'(?:src|href)="|url\(|@import|innerHTML|insertAdjacent|document\.write', response.text)
    assert len(response.content) < 20_000


def test_old_visits_make_room_and_never_more_are_kept(clock: Clock) -> None:
    ours = doors(clock)
    visits = [ours.come_in(login_code(TOKENS.full, NOW)) for _ in range(101)]
    assert all(visits)
    first, last = visits[0], visits[-1]
    assert first is not None
    assert last is not None
    assert ours.visit(first.cookie) is None
    assert ours.visit(last.cookie) == last
    assert last.grant is Grant.ACT


# -- numbers


async def test_prometheus_can_read_the_numbers(board: FakeBoard, clock: Clock) -> None:
    async with visiting(app(board, clock), READ) as client:
        response = await client.get("/metrics")
    assert response.headers["content-type"] == CONTENT_TYPE
    told = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    near = (("host", "cluster-a"), ("type", "slurm"))
    assert told["jobwarden_watcher_up",] == 1
    assert told["jobwarden_jobs", ("host", "cluster-a"), ("phase", "failed"), ("type", "slurm")] == 1
    assert told["jobwarden_polls_total", *near] == 42
    assert told["jobwarden_poll_errors_total", ("code", "ssh.refused"), *near] == 3
    assert told["jobwarden_remote_commands_total", ("host", "cluster-a")] == 57
    assert told["jobwarden_file_reads_total", ("host", "cluster-a")] == 9
    assert told["jobwarden_answer_age_seconds", *near] == 20
    assert told["jobwarden_host_failing", ("host", "cluster-b"), ("type", "slurm")] == 1
    assert told["jobwarden_sessions_unreadable",] == 1


def test_names_of_strangers_and_two_places_of_one_name_break_no_line() -> None:
    odd = 'a"b\\c\nd{} 1\udc80'
    host = BoardHost(type="slurm", host=odd, jobs=1, asked_at=NOW, age_s=5.0)
    other = host.model_copy(update={"age_s": 9.0, "failure": "x"})
    view = MetricsView(
        at=NOW,
        version="0.1.0",
        watcher=WatcherView(running=False, log_path="/l"),
        jobs=(),
        hosts=(host, other),
        counts=(CountMetric(what="polls", host=odd, type="slurm", code="", count=1),),
        unreadable=0,
    )
    families = {family.name: family.samples for family in text_string_to_metric_families(metrics_text(view))}
    (age,) = families["jobwarden_answer_age_seconds"]
    assert (age.labels["host"], age.value) == ('a"b\\c\nd{} 1?', 9)
    assert families["jobwarden_host_failing"][0].value == 1
    assert families["jobwarden_watcher_up"][0].value == 0


# -- the real command


def test_the_real_server_lets_in_who_opens_what_the_board_command_prints(clean_environment: Path) -> None:
    program = str(Path(sys.executable).with_name("jobwarden"))
    nothing = subprocess.DEVNULL
    serve = [program, "serve", "--http", "--port", "0"]
    with subprocess.Popen(serve, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline().decode() + process.stderr.readline().decode()
            port = re.findall(r"board --web --port (\d+)", said)[0]
            printed = subprocess.run([program, "board", "--web", "--port", port], capture_output=True, check=True)
            address = printed.stdout.decode().strip()
            with httpx2.Client(timeout=20) as client:
                page = client.get(address)
                assert page.status_code == 200
                found = client.get(
                    f"http://127.0.0.1:{port}/board.json", headers={"x-jobwarden-key": key_of(page.text)}
                )
                assert found.json()["jobs"] == []
            state = clean_environment / "home" / ".local" / "state" / "jobwarden"
            read = (state / READ_FILE).read_text().strip()
            with httpx2.Client(timeout=20, headers={"authorization": f"Bearer {read}"}) as scraper:
                told = scraper.get(f"http://127.0.0.1:{port}/metrics")
                assert "jobwarden_watcher_up 0" in told.text
            secrets = [read, (state / TOKEN_FILE).read_text().strip()]
            assert not any(secret in said + address for secret in secrets)
        finally:
            process.terminate()
            process.wait(20)
