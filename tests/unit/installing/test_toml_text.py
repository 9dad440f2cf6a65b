"""Codex's configuration in many hands' ways of writing it."""

from __future__ import annotations

import tomllib

import pytest

from jobwarden.installing import toml_text
from jobwarden.installing.drafts import Draft, taken_back
from jobwarden.installing.errors import UnparsableError

OURS = {"command": "/bin/jobwarden", "args": ["serve"], "tool_timeout_sec": 1800, "env_vars": ["A", "B"]}
BLOCK = """\
[mcp_servers.jobwarden]
command = "/bin/jobwarden"
args = ["serve"]
tool_timeout_sec = 1800
env_vars = ["A", "B"]
"""
OTHERS = [
    "",
    "# mine\n",
    'model = "x"',
    'model = "x"\n',
    'model = "x"\r\nother = 1\r\n',
    'a = """\n[mcp_servers.jobwarden]\n"""\n',
    "[mcp_servers.other]\ncommand = 'y' # a comment\n\n# the end\n",
    '[mcp_servers]\n[mcp_servers."x y"]\nargs = [\n  "a", # first\n  "b",\n]\n',
    "mcp_servers.other.command = 'y'\n[features]\nhooks = true\n",
    "[[things]]\na = 1\n[[things]]\na = 2\n",
]


@pytest.mark.parametrize("before", OTHERS)
def test_a_table_put_in_says_only_itself_and_is_taken_out_without_a_trace(before: str) -> None:
    draft = Draft(before)
    toml_text.put(draft, "jobwarden", OURS, "file")
    told = tomllib.loads(draft.text)
    assert told["mcp_servers"].pop("jobwarden") == OURS
    assert {"mcp_servers": {}, **tomllib.loads(before)} == told
    assert taken_back(draft.text, draft.splices) == before
    toml_text.remove(draft, "jobwarden", "file")
    assert tomllib.loads(draft.text) == tomllib.loads(before)
    assert all(line in draft.text.splitlines() for line in before.splitlines())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (BLOCK, ""),
        (f"# top\n\n{BLOCK}\n# of the next\n[next]\na = 1\n", "# top\n\n# of the next\n[next]\na = 1\n"),
        (f"{BLOCK}\n[mcp_servers.jobwarden.env]\nK = 'v'\n[z]\n", "[z]\n"),
        ("[mcp_servers.jobwarden.env]\nK = 'v'\n\n[z]\n", "\n[z]\n"),
        (f"[a]\n\n{BLOCK}# the last word\n", "[a]\n# the last word\n"),
        ('[ mcp_servers . "jobwarden" ] # ours\ncommand = "jobwarden"\n', ""),
    ],
)
def test_a_table_is_taken_out_with_those_below_it_and_no_comment_of_others(text: str, left: str) -> None:
    draft = Draft(text)
    toml_text.remove(draft, "jobwarden", "file")
    assert draft.text == left


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("command = 'old' # why\nx = 1\n", 'command = "new"\nx = 1\n'),
        ("  command = 'old'\n", 'command = "new"\n'),
        ('"command" = "old"\n', 'command = "new"\n'),
        ("command = '''\nold\n'''\nx = 1\n", 'command = "new"\nx = 1\n'),
        ("x = 1\n", 'command = "new"\nx = 1\n'),
        ("", 'command = "new"\n'),
    ],
)
def test_one_setting_is_changed_and_what_a_person_added_stays(text: str, after: str) -> None:
    head = "# top\n[mcp_servers.jobwarden]\n"
    draft = Draft(f"{head}{text}\n[z]\ncommand = 'other'\n")
    toml_text.replace(draft, "jobwarden", "command", "new", "file")
    assert draft.text == f"{head}{after}\n[z]\ncommand = 'other'\n"


def test_a_setting_of_several_lines_is_replaced_whole() -> None:
    draft = Draft("[mcp_servers.jobwarden]\nargs = [\n  'a', # [x]\n  'b',\n]\ncommand = 'y'")
    toml_text.replace(draft, "jobwarden", "args", ["serve"], "file")
    assert draft.text == "[mcp_servers.jobwarden]\nargs = [\"serve\"]\ncommand = 'y'"


def test_a_header_at_the_very_end_takes_a_setting_too() -> None:
    draft = Draft("[mcp_servers.jobwarden]")
    toml_text.replace(draft, "jobwarden", "command", "new", "file")
    assert tomllib.loads(draft.text) == {"mcp_servers": {"jobwarden": {"command": "new"}}}


@pytest.mark.parametrize(
    "text",
    [
        "mcp_servers = { jobwarden = { command = 'jobwarden' } }\n",
        "mcp_servers.jobwarden.command = 'jobwarden'\n",
        "[mcp_servers]\njobwarden = { command = 'jobwarden' }\n",
    ],
)
def test_a_form_that_cannot_be_changed_is_left_as_it_is_and_said(text: str) -> None:
    draft = Draft(text)
    with pytest.raises(UnparsableError, match="by hand"):
        toml_text.remove(draft, "jobwarden", "file")
    with pytest.raises(UnparsableError, match="by hand"):
        toml_text.replace(draft, "jobwarden", "command", "new", "file")
    with pytest.raises(UnparsableError, match="Write there yourself"):
        toml_text.put(Draft("mcp_servers = { other = { command = 'x' } }\n"), "jobwarden", OURS, "file")
    assert draft.text == text


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(UnparsableError, match="not TOML"):
        toml_text.parse("a = ", "file")
