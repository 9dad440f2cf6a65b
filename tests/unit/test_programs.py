"""Where a program is looked for (`jobwarden.programs`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobwarden.programs import on_path


@pytest.mark.parametrize("first", ["", ".", "bin"])
def test_a_program_of_the_project_is_not_found_by_an_empty_or_relative_folder_of_path(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, there = tmp_path / "project", tmp_path / "there"
    for folder in (project, project / "bin", there):
        folder.mkdir(exist_ok=True)
        (folder / "ssh").write_text("#!/bin/sh\n")
        (folder / "ssh").chmod(0o755)
    monkeypatch.chdir(project)
    assert on_path("ssh", {"PATH": f"{first}:{there}"}) == str(there / "ssh")
    assert on_path("ssh", {"PATH": first}) is None


def test_without_a_path_the_systems_own_folders_count(tmp_path: Path) -> None:
    assert on_path("sh", {}) is not None
    assert on_path("no-such-program", {"PATH": str(tmp_path)}) is None
