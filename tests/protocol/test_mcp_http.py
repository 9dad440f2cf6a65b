"""HTTP: who gets in, and that those who do are served in both eras on one path."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import EmptyResult, SubscribeRequest, SubscribeRequestParams, TextContent

from jobwarden.mcp_server.app import build_server
from jobwarden.mcp_server.guard import TOKEN_FILE, TOKEN_VARIABLE, find_token
from jobwarden.mcp_server.run import http_app
from jobwarden_registry.errors import UntrustedError
from protocol.fake_service import FakeService, a_job, find_caller

if TYPE_CHECKING:
    from starlette.types import ASGIApp

TOKEN = "a-token-of-the-tests-0123456789"
GOOD = {"authorization": f"Bearer {TOKEN}"}
URL = "http://127.0.0.1:8642"
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
def service() -> FakeService:
    fake = FakeService()
    fake.jobs = [a_job()]
    return fake


@pytest.fixture
async def app(service: FakeService) -> AsyncGenerator[ASGIApp]:
    """The whole guarded application, with its lifespan entered."""
    server = build_server(service, find_caller=find_caller)
    guarded = http_app(server, token=TOKEN, names=["login.example.org"])
    async with server.session_manager.run():
        yield guarded


@asynccontextmanager
async def _http(app: ASGIApp, headers: dict[str, str]) -> AsyncGenerator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=URL, headers=headers, timeout=10) as client:
        yield client


async def _status(app: ASGIApp, headers: dict[str, str], path: str = "/mcp") -> tuple[int, str]:
    async with _http(app, {**ACCEPT, **headers}) as client:
        response = await client.post(path, json=INITIALIZE)
        return response.status_code, response.text


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/", "/.well-known/oauth-protected-resource/mcp"])
async def test_without_the_token_every_route_answers_401_and_says_nothing_else(
    app: ASGIApp, value: str | None, path: str
) -> None:
    headers = {} if value is None else {"authorization": value}
    status, text = await _status(app, headers, path)
    assert (status, text) == (401, "a bearer token is needed\n")


async def test_a_401_names_the_scheme_and_no_server(app: ASGIApp) -> None:
    async with _http(app, {}) as client:
        response = await client.get("/mcp")
    assert response.headers["www-authenticate"] == "Bearer"
    assert "server" not in response.headers


async def test_two_authorization_headers_are_no_authorization(app: ASGIApp) -> None:
    headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")]
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
        assert (await client.post("/mcp", json=INITIALIZE)).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_with_the_token_a_client_is_served(app: ASGIApp, scheme: str) -> None:
    status, text = await _status(app, {"authorization": f"{scheme} {TOKEN}"})
    assert status == 200
    assert '"jobwarden"' in text


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://evil@localhost",
        "null",
        "file://localhost/x",
        "http://[bad",
        "http://127.0.0.1:99999999",
    ],
)
async def test_a_strange_origin_is_refused_even_with_the_token(app: ASGIApp, origin: str) -> None:
    assert (await _status(app, {**GOOD, "origin": origin}))[0] == 403


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:6274"])
async def test_loopback_s_own_origins_are_served(app: ASGIApp, origin: str) -> None:
    assert (await _status(app, {**GOOD, "origin": origin}))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8642",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "localhost@evil.example",
        "[bad",
        "",
        "localhost:x",
    ],
)
async def test_a_strange_host_is_refused_even_with_the_token(app: ASGIApp, host: str) -> None:
    assert (await _status(app, {**GOOD, "host": host}))[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8642", "[::1]:8642", "login.example.org:8642"])
async def test_the_server_s_own_names_are_served(app: ASGIApp, host: str) -> None:
    assert (await _status(app, {**GOOD, "host": host}))[0] == 200


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_both_eras_are_served_on_one_path_and_headers_say_who_calls(
    app: ASGIApp, service: FakeService, mode: str
) -> None:
    headers = {**GOOD, "x-jobwarden-session": "http-session-1", "x-jobwarden-project": "/srv/project"}
    async with (
        _http(app, headers) as http,
        Client(streamable_http_client(f"{URL}/mcp", http_client=http), mode=mode) as client,
    ):
        result = await client.call_tool("check_status", {})
        (block,) = result.content
        assert isinstance(block, TextContent)
        assert "1 running" in block.text
        assert service.calls[-1][1].session_id == "http-session-1"
        await client.call_tool("check_status", {"session_id": "told-2"})
        assert service.calls[-1][1].session_id == "told-2"


async def test_a_subscribed_client_that_leaves_is_followed_for_no_longer(app: ASGIApp, service: FakeService) -> None:
    subscribe = SubscribeRequest(params=SubscribeRequestParams(uri="jobs://active"))
    with anyio.fail_after(20):
        async with (
            _http(app, GOOD) as http,
            Client(streamable_http_client(f"{URL}/mcp", http_client=http), mode="legacy") as client,
        ):
            await client.session.send_request(subscribe, EmptyResult)
            while not service.followers:
                await anyio.lowlevel.checkpoint()
        while service.followers:
            await anyio.lowlevel.checkpoint()


@pytest.fixture
def served(clean_environment: Path) -> Generator[tuple[str, str]]:
    """The real command's address, and the token that it made."""
    command = [str(Path(sys.executable).with_name("jobwarden")), "serve", "--http", "--port", "0"]
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline().decode()
            said = re.search(r"serving (http://127\.0\.0\.1:\d+/mcp); the token is in (\S+)", line)
            assert said is not None, line
            yield said[1], Path(said[2]).read_text().strip()
        finally:
            process.terminate()
            process.wait(20)


async def _asked(url: str, headers: dict[str, str]) -> str:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=20) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        (block,) = (await client.call_tool("check_status", {})).content
        assert isinstance(block, TextContent)
        return block.text


async def test_the_real_command_serves_with_the_token_that_it_made(served: tuple[str, str]) -> None:
    url, token = served
    async with httpx2.AsyncClient(timeout=20) as stranger:
        assert (await stranger.post(url, json=INITIALIZE, headers=ACCEPT)).status_code == 401
    known = {"authorization": f"Bearer {token}"}
    assert "register a job first" in await _asked(url, {**known, "x-jobwarden-session": "s-http"})
    assert "[identity.unknown; not retryable]" in await _asked(url, known), "the server's environment is nobody's"


async def test_a_taken_port_is_an_error_that_says_what_to_do(clean_environment: Path) -> None:
    command = [str(Path(sys.executable).with_name("jobwarden")), "serve", "--http", "--port"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await anyio.run_process([*command, port], check=False)
    assert done.returncode != 0
    assert b"--port 0" in done.stderr
    assert b"Traceback" not in done.stderr


# -- the token


def test_the_first_start_makes_a_token_that_is_kept_and_only_the_user_can_read(tmp_path: Path) -> None:
    token = find_token({}, tmp_path)
    assert len(token) >= 32
    assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
    assert find_token({}, tmp_path) == token


def test_a_named_file_goes_before_the_environment_and_that_before_the_state_folder(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("file-token-0123456789\n")
    file.chmod(0o600)
    env = {TOKEN_VARIABLE: "environment-token-01"}
    assert find_token(env, tmp_path, file) == "file-token-0123456789"
    assert find_token(env, tmp_path) == "environment-token-01"
    assert not (tmp_path / TOKEN_FILE).exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_token_that_others_can_read_is_none(tmp_path: Path, mode: int) -> None:
    find_token({}, tmp_path)
    (tmp_path / TOKEN_FILE).chmod(mode)
    with pytest.raises(UntrustedError, match="not yours alone") as raised:
        find_token({}, tmp_path)
    assert "chmod 600" in raised.value.hint


@pytest.mark.parametrize("text", ["", "short", "with space in the middle", "ümläut-0123456789ab", "a" * 15])
def test_a_file_without_a_usable_token_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(UntrustedError):
        find_token({}, tmp_path, file)
    with pytest.raises(UntrustedError):
        find_token({}, tmp_path, tmp_path / "missing")


def test_another_user_s_token_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    find_token({}, tmp_path)
    os.chown(tmp_path / TOKEN_FILE, 12345, -1)
    with pytest.raises(UntrustedError):
        find_token({}, tmp_path)
