"""What is brought along is what stands in the repository; against the wheel this compares its copies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from jobwarden.installing import shipped
from jobwarden.installing.clients import Client

ROOT = Path(__file__).parents[3]


def texts(folder: Path, pattern: str) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob(pattern)}


def test_hooks_and_skills_are_those_of_the_repository() -> None:
    assert shipped.hooks() == texts(ROOT / "hooks", "*.py")
    assert shipped.skills() == texts(ROOT / "skills", "*.md")
    assert {name.partition("/")[0] for name in shipped.skills()} >= {"job-monitor", "job-triage", "cluster-setup"}


@pytest.mark.parametrize("client", ["claude", "codex"])
def test_each_hook_names_the_script_in_the_way_that_is_replaced(client: Client) -> None:
    for groups in shipped.hook_groups(client).values():
        for group in groups:
            for handler in cast("list[dict[str, str]]", group["hooks"]):
                script = rf'"{re.escape(shipped.PLACE)}(jobwarden_[a-z]+\.py)"'
                named = re.fullmatch(rf"test ! -r {script} \|\| exec python3 -I -S {script}", handler["command"])
                assert named is not None, handler
                assert named[1] == named[2]
                assert named[1] in shipped.hooks()
