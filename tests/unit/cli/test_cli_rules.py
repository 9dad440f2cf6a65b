"""The command rules, and what it says."""

from __future__ import annotations

import tomllib
from pathlib import Path

from jobwarden.actions.errors import InvalidRuleError
from support.fake_service import Answers, Terminal


def test_rules_are_listed_with_how_often_they_fired(terminal: Terminal, answers: Answers) -> None:
    answers.rules = answers.rules.model_copy(update={"tried": None})
    ran = terminal("rules", "list", "12345")
    assert answers.asked == [("watch_log", {"job": "12345", "action": "list", "rule": None})]
    assert "loss  on, 7 lines matched, fired 2 times" in ran.out
    assert 'pattern="loss: ([0-9.]+)" actions=[pause]' in ran.out


def test_a_trial_says_for_which_lines_a_rule_would_have_fired(terminal: Terminal) -> None:
    ran = terminal("rules", "test", "12345", "pattern=x")
    assert "loss: would have fired 3 times in 90 lines; lines that match: 4" in ran.out
    assert "  12: loss: 9" in ran.out
    assert "for the first it would do: rule loss: pause (on 'loss: 9\\x1b')" in ran.out


def test_what_is_to_be_pasted_into_the_configuration_stays_lines_of_its_own(
    terminal: Terminal, answers: Answers
) -> None:
    hint = "To allow it, add to config.toml:\n[grants]\ncancel = true"
    answers.error = InvalidRuleError("No rule may cancel a job.", hint=hint)
    assert terminal("rules", "add", "12345", "pattern=x action=cancel_job").err.splitlines()[-2:] == [
        "  [grants]",
        "  cancel = true",
    ]
    answers.error = None
    answers.rules = answers.rules.model_copy(update={"notes": (f"In the script of 7: {hint}",)})
    out = terminal("rules", "list", "12345").out
    assert tomllib.loads("\n".join(out.splitlines()[1:3])) == {"grants": {"cancel": True}}


def test_rules_are_taken_from_the_marked_lines_of_a_file(terminal: Terminal, answers: Answers, tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n#WATCHER pattern=x\nsrun train\n", encoding="utf-8")
    terminal("rules", "add", "12345", "--file", str(script))
    [(_, asked)] = answers.asked
    assert asked["rule"] == "#!/bin/sh\n#WATCHER pattern=x"
