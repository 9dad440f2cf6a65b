"""What the user's configuration lets rules do; nothing else grants anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobwarden.config.granting import CommandConfig, NotifyConfig
from jobwarden.config.model import Config
from jobwarden.config.reading import load_config, load_project, tightened
from jobwarden.verdict.world import config_path

CONFIG = "~/.config/jobwarden/config.toml"


@dataclass(frozen=True, slots=True)
class Grants:
    """What rules may do. Empty: tell the agent, log, store a metric and pause, nothing else.

    Attributes:
        cancel: Cancel their own job.
        resubmissions: Jobs that the rules of one session may submit in all.
        gpu_hours: What these may ask for in all.
        commands: What they may run, by name.
        notify: Whom they may tell, by name.
    """

    cancel: bool = False
    resubmissions: int = 0
    gpu_hours: float = 0.0
    commands: Mapping[str, CommandConfig] = field(default_factory=dict[str, CommandConfig])
    notify: Mapping[str, NotifyConfig] = field(default_factory=dict[str, NotifyConfig])


def granted(config: Config) -> Grants:
    """Give what a configuration grants."""
    given = config.grants
    return Grants(given.cancel, given.resubmissions, given.gpu_hours, config.commands, config.notify)


def granted_in(env: Mapping[str, str], project: Path) -> Grants:
    """Read what the user grants now, as it holds in a project, which can only take away.

    A process lives for days: what it read when it began may have been taken back.

    Raises:
        ConfigError: One of the two files cannot be used; then nothing is granted there.
    """
    return granted(tightened(load_config(config_path(env)), load_project(project)))


def line(section: str, text: str) -> str:
    """Say what to write into the user's configuration to allow something: two lines that can be pasted as they are."""
    where = f"{CONFIG} (the second line alone where [{section}] is there)"
    return f"The user can allow it by adding to {where}:\n[{section}]\n{' '.join(text.split())}"
