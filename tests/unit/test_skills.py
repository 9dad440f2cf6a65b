"""The skills: portable frontmatter, short, and nothing in them that is not there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobwarden.cli.main import build

SKILLS = Path(__file__).parents[2] / "skills"
PORTABLE = {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
TOOLS = {
    "register_job",
    "check_status",
    "wait_for_change",
    "tail_log",
    "cancel_job",
    "discover_jobs",
    "diagnose_job",
    "watch_log",
}
TRIGGERS = (
    "check job status",
    "is my job done",
    "monitor my evaluation",
    "what's the status of the PTQ",
    "check on job",
    "nel status",
    "squeue",
)


def skill(path: Path) -> tuple[dict[str, str], str]:
    """Give a skill's frontmatter, which is of one line a key, and its body."""
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return dict(line.split(": ", 1) for line in head.splitlines()), body


@pytest.mark.parametrize("path", sorted(SKILLS.glob("*/SKILL.md")), ids=lambda path: path.parent.name)
def test_a_skill_is_portable_and_names_only_what_there_is(path: Path) -> None:
    head, body = skill(path)
    assert set(head) <= PORTABLE
    assert head["name"] == path.parent.name
    assert 0 < len(head["description"]) <= 1024
    assert len(head.get("compatibility", "")) <= 500
    assert ": " not in head["description"]  # plain YAML without quotes
    assert len(body.splitlines()) < 100
    assert set(re.findall(r"jobwarden ([a-z]+)", "\n".join(re.findall(r"`([^`]+)`", body)))) <= set(build().commands)
    assert set(re.findall(r"`([a-z]+_(?:job|jobs|status|log|change))`", body)) <= TOOLS


@pytest.mark.parametrize("path", sorted(SKILLS.glob("*/SKILL.md")), ids=lambda path: path.parent.name)
def test_a_skill_is_valid_for_the_reference_validator_of_agent_skills(path: Path) -> None:
    words = [str(Path(sys.executable).with_name("agentskills")), "validate", str(path.parent)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_skill_that_watches_is_found_by_what_people_say() -> None:
    head, _ = skill(SKILLS / "job-monitor" / "SKILL.md")
    assert [one for one in TRIGGERS if one not in head["description"]] == []
