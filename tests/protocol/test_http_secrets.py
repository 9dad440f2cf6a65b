"""What a server over HTTP hands on of its own environment."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from jobwarden.mcp_server.run import serve_http
from jobwarden.service.service import Service


class SeenError(Exception):
    """Stands where the server would begin."""


def test_what_the_server_starts_inherits_none_of_its_tokens(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def look(env: Mapping[str, str]) -> AbstractAsyncContextManager[Service]:
        seen.update(env)
        raise SeenError

    monkeypatch.setattr("jobwarden.service.service.open_service", look)
    tokens = {"JOBWARDEN_HTTP_TOKEN": "a-secret-of-the-server", "JOBWARDEN_HTTP_READ_TOKEN": "a-lesser-secret-of-it"}
    with pytest.raises(SeenError):
        serve_http({"HOME": str(clean_environment / "home"), "LANG": "C.UTF-8", **tokens}, port=0)
    assert seen["LANG"] == "C.UTF-8"
    assert not tokens.keys() & seen.keys(), "squeue, ssh and sbatch, and with it every job, would get them"
