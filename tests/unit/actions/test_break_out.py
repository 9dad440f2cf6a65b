"""Attempts to break out: through arguments, captures from hostile logs, the project's configuration, the environment.

Each either is refused with nothing done, or arrives as the data that it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from jobwarden.actions.call import ActionCall, check_call
from jobwarden.actions.errors import ActionError, InvalidRuleError
from jobwarden.actions.running import filled
from jobwarden.actions.substitution import substituted
from jobwarden.config.granting import CommandConfig
from jobwarden.config.reading import ConfigError, load_config, load_project
from support.deeds import ALL, GRANTS, Stage, call

HOSTILE = [
    "; touch {mark}",
    "$(touch {mark})",
    "`touch {mark}`",
    "| touch {mark}",
    "&& touch {mark}",
    "' ; touch {mark} ; '",
    '" ; touch {mark} ; "',
    "\n touch {mark}\n",
    "${{JOB_ID}}",
    "${{IFS}}touch",
    "{{message}}",
    "*",
    "~",
    "../../../../etc/passwd",
    "\x00",
    "\x1b]0;owned\x07",
    "\u202egpj.exe",
    "%s%s%n",
]


@pytest.fixture
def granted(clean_environment: Path) -> str:
    """Every way out is granted, as far as it can be: a command that writes down its words."""
    note = clean_environment / "note.py"
    note.write_text(_dump("sys.argv[1:]", clean_environment), encoding="utf-8")
    argv = json.dumps([sys.executable, str(note), "--", "{message}"])
    return f"{GRANTS}\n[commands.note]\nargv = {argv}\n"


def _dump(what: str, folder: Path) -> str:
    return f"import json, os, sys\nopen({str(folder / 'words')!r}, 'w').write(json.dumps({what}))\n"


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_capture_reaches_a_command_as_one_word(
    stage: Stage, clean_environment: Path, text: str
) -> None:
    mark = clean_environment / "mark"
    text = text.format(mark=mark)
    (done,) = await stage.do(call("run_command", command="note", message="${said}"), captures={"said": text})
    assert done.outcome == "done", done.text
    words = json.loads((clean_environment / "words").read_text(encoding="utf-8"))
    assert (len(words), words[0]) == (2, "--")
    assert not mark.exists()
    assert "\x00" not in words[-1]
    assert "\x1b" not in words[-1]
    assert "\n" not in words[-1]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_capture_reaches_the_journal_as_text_and_changes_no_argument(stage: Stage, text: str) -> None:
    (done,) = await stage.do(call("cancel_job", reason="${said}"), captures={"said": text, "JOB_ID": "1"})
    assert done.outcome == "done"
    assert stage.press.killed == {"100": 1}
    assert "\x1b" not in stage.texts()


@pytest.mark.parametrize("value", ["${JOB_ID}", "${other}", "${other:-x}", "$${", "${${other}}"])
def test_what_is_filled_in_is_not_read_again(value: str) -> None:
    assert substituted("<${said}>", {"said": value, "other": "secret", "JOB_ID": "1"}) == f"<{value}>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output", "/etc/cron.d/x"),
        ("error", "/root/.ssh/authorized_keys"),
        ("wrap", "rm -rf /"),
        ("chdir", "/"),
        ("export", "LD_PRELOAD=/tmp/x.so"),
        ("uid", "0"),
        ("bcast", "/tmp/x"),
        ("prolog", "/tmp/x"),
        ("mail_user", "a@b.c"),
        ("array", "0-100000"),
        ("dependency", "afterany:1"),
        ("comment", "x"),
        ("clusters", "other"),
        ("container", "/x"),
        ("job_name", "x"),
        ("mem", "1G --wrap=id"),
        ("mem", "1G\n#SBATCH --uid=0"),
        ("mem", "-1"),
        ("time", "1;id"),
        ("partition", "a b"),
        ("exclude", "$(id)"),
        ("constraint", "a;id"),
        ("gres", "license:9"),
        ("nodes", {"x": 1}),
        ("time", True),
        ("partition", "${said}"),
        ("account", "${said}"),
        ("qos", "${said:-x}"),
    ],
)
def test_a_resubmission_changes_nothing_but_resources(name: str, value: object) -> None:
    with pytest.raises(InvalidRuleError):
        check_call(ActionCall("resubmit", {"modifications": {name: value}}), ALL, ["said"])  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType] -- hostile


@pytest.mark.parametrize("text", ["1G --wrap=id", "1G;id", "--uid=0", "$(id)", "1G\nx", "", "9" * 30, "\uff11G"])
async def test_a_hostile_capture_is_no_resource(stage: Stage, text: str) -> None:
    (done,) = await stage.do(call("resubmit", modifications={"mem": "${need}"}), captures={"need": text})
    assert done.outcome in ("refused", "failed")
    assert stage.press.made() == []


@pytest.mark.parametrize(
    "one",
    [
        call("run_command", command="sh -c id"),
        call("run_command", command="/bin/sh"),
        call("run_command", command="../note"),
        call("run_command", command="note; id", message="x"),
        call("run_command", command="${said}", message="x"),
        call("run_command", command=["sh", "-c", "id"]),
        call("run_command", command="logger", message=["a", "b"]),
        call("notify_email", to="stranger@example.net"),
        call("notify_email", to="${said}"),
        call("notify_email", target="smtp://evil.example"),
        call("notify", target="${said}"),
        call("notify_slack", channel="#general"),
        call("notify_email", to="user@example.com\nBcc: x@y.z"),
        call("store_metric", name="${said}", value=1),
        call("store_metric", name="a\nb", value=1),
        call("cancel_job", id="101"),
        call("__import__"),
    ],
)
def test_an_argument_names_nothing_that_the_configuration_does_not(one: ActionCall) -> None:
    with pytest.raises(InvalidRuleError):
        check_call(one, ALL, ["said"])


@pytest.mark.parametrize("value", ["--file=/etc/passwd", "-f", "--", "-"])
def test_a_value_is_no_option_of_a_command(value: str) -> None:
    with pytest.raises(ActionError):
        filled(CommandConfig(argv=("logger", "{message}")), {"message": value})
    assert filled(CommandConfig(argv=("logger", "--", "{message}")), {"message": value})[-1] == value
    assert filled(CommandConfig(argv=("logger", "--tag={message}")), {"message": value})[-1] == f"--tag={value}"


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "-c", "echo {x}"],
        ["/bin/bash", "-lc", "{x}"],
        ["python3", "-c", "{x}"],
        ["env", "bash", "-c", "echo {x}"],
        ["perl", "-e", "{x}"],
        ["{x}", "y"],
    ],
)
def test_a_configured_command_that_would_read_data_as_a_program_is_refused(tmp_path: Path, argv: list[str]) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[commands.x]\nargv = {json.dumps(argv)}\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_config(path)


@pytest.mark.parametrize(
    "text",
    [
        "[commands.x]\nargv = ['id']",
        "[notify.x]\nurl = 'json://evil.example'",
        "[hosts.x]\nprelude = 'id'",
        "[grants]\ncommands = {x = 1}",
        "[grants]\nnotify = 'all'",
        "[grants]\nanything = true",
        "[grants]\nresubmissions = -1",
    ],
)
def test_a_project_can_configure_no_command_target_or_grant(tmp_path: Path, text: str) -> None:
    (tmp_path / ".jobwarden.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_project(tmp_path)


@pytest.mark.parametrize("text", ["cancel = true", "resubmissions = 99", "gpu_hours = 9e9", 'commands = ["sh"]'])
@pytest.mark.parametrize("granted", [""])
async def test_a_project_grants_nothing(stage: Stage, text: str) -> None:
    (stage.home.project / ".jobwarden.toml").write_text(f"[grants]\n{text}\n", encoding="utf-8")
    done = await stage.do(call("cancel_job"), call("resubmit", modifications={}), call("run_command", command="sh"))
    assert [one.outcome for one in done] == ["refused"] * 3


async def test_a_command_sees_nothing_of_our_environment_that_may_be_secret(
    stage: Stage, clean_environment: Path
) -> None:
    stage.home.env |= {"HF_TOKEN": "x", "SLACK_WEBHOOK": "x", "LD_PRELOAD": "", "PYTHONPATH": "/tmp", "BASH_ENV": "x"}
    note = clean_environment / "note.py"
    note.write_text(_dump("list(os.environ)", clean_environment), encoding="utf-8")
    await stage.do(call("run_command", command="note", message="x"))
    seen = set(json.loads((clean_environment / "words").read_text(encoding="utf-8")))
    assert not seen & {"HF_TOKEN", "SLACK_WEBHOOK", "LD_PRELOAD", "PYTHONPATH", "BASH_ENV", "JOBWARDEN_CONFIG"}


async def test_a_secret_in_a_log_does_not_reach_the_journal(stage: Stage) -> None:
    token = "hf_" + "a1B2" * 8
    await stage.do(call("log_event", message="${said}"), captures={"said": f"token={token}"})
    assert token not in stage.texts()
    journal = stage.home.places.state / "sessions" / "session-1" / "events.jsonl"
    assert token not in journal.read_text(encoding="utf-8")
