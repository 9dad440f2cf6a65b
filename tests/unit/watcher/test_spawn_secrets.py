"""What the watcher is started with: no secret of the server's, least of all on a command line."""

from __future__ import annotations

from pathlib import Path

from jobwarden.watcher.spawn import ensure_watcher
from jobwarden_registry.paths import user_places


def test_no_token_stands_on_the_service_manager_s_command_line(tmp_path: Path) -> None:
    """Everybody on a login node reads command lines. The service manager is a stand-in that writes down its words."""
    runtime, programs = tmp_path / "run", tmp_path / "bin"
    (runtime / "systemd").mkdir(parents=True, mode=0o700)
    runtime.chmod(0o700)
    (runtime / "systemd" / "private").touch()
    programs.mkdir()
    said = tmp_path / "said"
    stand_in = programs / "systemd-run"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\n')
    stand_in.chmod(0o755)
    env = {
        "HOME": str(tmp_path),
        "PATH": f"{programs}:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(runtime),
        "JOBWARDEN_HTTP_TOKEN": "a-secret-of-the-server",
        "JOBWARDEN_HTTP_READ_TOKEN": "a-lesser-secret-of-it",
        "JOBWARDEN_CONFIG": "/etc/jobwarden.toml",
    }
    assert ensure_watcher(user_places(env), env, version="0.1.0")
    words = said.read_text()
    assert "--setenv=JOBWARDEN_CONFIG=/etc/jobwarden.toml" in words
    assert "secret" not in words
