"""Which jobwarden the plug-in starts, for its hooks and as its server (`hooks/jobwarden_hooks/starting.py`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from support.hook import HOOKS, hook_module
from support.household import eventually

ROOT = HOOKS.parent
UVX = """#!/bin/sh
# Offline it has what was made before, as uv has; making it takes until the network answers.
echo "$*" >>"{log}"
case " $* " in
*" --offline "*) [ -e "{made}" ] || exit 2 ;;
*) until [ -e "{network}" ]; do sleep 0.05; done; {making} ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")

    def found(name: str) -> str | None:
        path = Path(name) if "/" in name else folder / name
        return os.fspath(path) if path.is_file() else None

    monkeypatch.setattr(hook_module("starting"), "found", found)
    return folder


def installed(programs: Path, release: str | None, name: str = "tool") -> str:
    """Put a jobwarden on the PATH, as uv and pipx do: a link into an environment of its own."""
    environment = programs.parent / name
    library = environment / "lib" / "python3.12" / "site-packages"
    library.mkdir(parents=True)
    if release:
        (library / f"jobwarden-{release}.dist-info").mkdir()
    (environment / "bin").mkdir()
    script = environment / "bin" / "jobwarden"
    script.write_text('#!/bin/sh\necho "installed $*"\n', encoding="utf-8")
    script.chmod(0o755)
    (programs / "jobwarden").symlink_to(script)
    return os.fspath(programs / "jobwarden")


def uvx(programs: Path) -> str:
    (programs / "uvx").touch(mode=0o755)
    return os.fspath(programs / "uvx")


def chosen(*given: str) -> list[str]:
    words: list[str] = hook_module("starting").program(given)
    return words


def test_what_was_named_is_started_and_nothing_else(programs: Path) -> None:
    installed(programs, None)
    assert chosen("/bin/sh", "word") == ["/bin/sh", "word"]
    assert chosen("no-such-program") == []


@pytest.mark.parametrize("release", [version("jobwarden"), None], ids=["of this version", "of no known version"])
def test_an_installed_one_goes_before_uvx(programs: Path, release: str | None) -> None:
    uvx(programs)
    path = installed(programs, release)
    assert chosen() == [path]


def test_an_installed_one_of_another_version_goes_only_where_there_is_no_uvx(programs: Path) -> None:
    path = installed(programs, "0.0.1")
    assert chosen() == [path]
    by_uvx = uvx(programs)
    assert chosen() == [by_uvx, "--offline", "--from", os.fspath(ROOT), "jobwarden"]


def test_with_neither_there_is_nothing_to_start(programs: Path) -> None:
    assert chosen() == []


def test_programs_are_found_in_the_users_own_folders_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".local" / "bin"
    folder.mkdir(parents=True)
    (folder / "some-program").touch(mode=0o755)
    (folder / "no-program").touch(mode=0o644)
    find = hook_module("starting").found
    assert find("some-program") == os.fspath(folder / "some-program")
    assert find("no-program") is None
    assert find(sys.executable) == sys.executable


@pytest.mark.parametrize("path", ["", ":/nowhere", "/nowhere:", ".:/nowhere", "bin:/nowhere"])
def test_no_program_of_the_project_is_started_by_an_empty_or_relative_folder_of_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for folder in (tmp_path, tmp_path / "bin", tmp_path / ".local" / "bin"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "some-program").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("PATH", path)
    find = hook_module("starting").found
    assert find("some-program") is None
    assert find("bin/some-program") == "bin/some-program"  # which somebody named


@pytest.fixture
def by_uvx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the plug-in, with a uvx that knows of nothing yet and a network that does not answer yet."""
    shutil.copytree(HOOKS, tmp_path / "plugin" / "hooks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", ".claude-plugin/plugin.json"):
        (tmp_path / "plugin" / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "plugin" / name)
    (tmp_path / "bin").mkdir()
    made = tmp_path / "made"
    script = UVX.format(log=tmp_path / "log", made=made, network=tmp_path / "network", making=f'touch "{made}"')
    (tmp_path / "bin" / "uvx").write_text(script, encoding="utf-8")
    (tmp_path / "bin" / "uvx").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def start(folder: Path) -> subprocess.Popen[str]:
    script = folder / "plugin" / "hooks" / "jobwarden_start.py"
    words = [sys.executable, "-I", "-S", str(script), "serve"]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_uvx_makes_at_the_first_start_gets_done_though_the_client_does_not_wait_for_it(by_uvx: Path) -> None:
    with start(by_uvx) as first:
        eventually(lambda: (by_uvx / "log").exists() and len(log(by_uvx)) == 2, "it is being made")
        first.kill()
    assert not (by_uvx / "made").exists()
    (by_uvx / "network").touch()
    eventually((by_uvx / "made").exists, "it was made")
    (by_uvx / "network").unlink()

    with start(by_uvx) as second:
        second.communicate(timeout=60)
    own = f"--from {by_uvx / 'plugin'} jobwarden"
    assert log(by_uvx)[-1] == f"--offline {own} serve"
    assert [one for one in log(by_uvx) if "--offline" not in one] == [f"{own} version"]
    assert second.returncode == 0


def test_a_uvx_that_cannot_make_it_is_quoted(by_uvx: Path) -> None:
    script = (by_uvx / "bin" / "uvx").read_text(encoding="utf-8")
    refusing = script.replace('touch "', 'echo "no route to the index" >&2; exit 2; touch "')
    (by_uvx / "bin" / "uvx").write_text(refusing, encoding="utf-8")
    (by_uvx / "network").touch()
    with start(by_uvx) as failed:
        said = failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert said == ("", "uvx could not install jobwarden: no route to the index\n")


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text(encoding="utf-8").splitlines()
