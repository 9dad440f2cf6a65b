"""What the two configuration files may hold: every clock, limit and host setting, all with defaults.

`~/.config/jobwarden/config.toml` (or `$JOBWARDEN_CONFIG`) is the user's own. `<project>/.jobwarden.toml` comes
with a repository and can only tighten; what it may hold is `ProjectConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from jobwarden.config.clocks import Clocks
from jobwarden.config.granting import CommandConfig, GrantsConfig, NotifyConfig, ProjectGrants
from jobwarden.config.retention import Retention
from jobwarden.config.section import Count, Pause, Section

_SLOWEST_POLL_S = 3600.0


class Limits(Section):
    """Sizes."""

    answer_chars: int = Field(default=10_000, ge=3000, le=100_000)
    """A tool's answer is no longer."""
    channels: Count = 3
    """Commands at once on one connection."""
    rules_per_job: int = Field(default=10, ge=0, le=1000)
    """More are refused."""
    pattern_chars: int = Field(default=1000, ge=1, le=100_000)
    """Of one rule's pattern."""


class HostConfig(Section):
    """One `[hosts.NAME]` table."""

    transport: Literal["auto", "asyncssh", "openssh", "local"] = "auto"
    """`auto`: OpenSSH where a live ControlMaster is found, else asyncssh."""
    user: str = ""
    """The login there, where ssh's configuration does not say it."""
    cluster: str = ""
    """What Slurm's `-M` calls it, where one host serves several clusters."""
    prelude: str = ""
    """Shell text before commands, as `module load slurm`."""
    min_interval_s: Pause = 0.0
    """Ask this host no more often than this, whoever wants to know."""
    nel: str = ""
    """The program of nemo-evaluator-launcher there, where it is not what `nel` means to the session that registers."""
    gpu_use: bool = False
    """Whether a step may be added to your running Slurm jobs there, to look at their GPUs with `nvidia-smi`. Accounting
    keeps such a step."""
    read: tuple[str, ...] = ()
    """Folders on that host whose files may be read as logs, beside the scheduler's own."""


class Waking(Section):
    """Agents that rest."""

    codex: bool = True
    """Whether an idle thread of Codex is sent a message when one of its jobs has ended, is lost or is stuck."""
    after_s: Pause = 20.0
    """How long it must have been idle: a person who sits before it is about to write, and is told then."""


class Config(Section):
    """The user's whole configuration."""

    clocks: Clocks = Clocks()
    limits: Limits = Limits()
    waking: Waking = Waking()
    hosts: Mapping[str, HostConfig] = Field(default_factory=dict[str, HostConfig])
    retention: Retention = Retention()
    grants: GrantsConfig = GrantsConfig()
    commands: Mapping[str, CommandConfig] = Field(default_factory=dict[str, CommandConfig])
    notify: Mapping[str, NotifyConfig] = Field(default_factory=dict[str, NotifyConfig])

    def host(self, name: str) -> HostConfig:
        """Give the host's settings, or the defaults. `user@host` has those of `host`, but for the user."""
        user, _, host = name.rpartition("@")
        found = self.hosts.get(name)
        if found is None and user:
            return self.hosts.get(host, HostConfig()).model_copy(update={"user": ""})
        return found or HostConfig()


class ProjectConfig(Section):
    """What a project may say: only what tightens."""

    grants: ProjectGrants = ProjectGrants()

    poll_s: float | None = Field(default=None, gt=0, le=_SLOWEST_POLL_S)
    """The watcher asks about this project's jobs no more often; at most an hour, so that no job is forgotten."""
    answer_chars: int | None = Field(default=None, ge=3000)
    """A tool's answer is no longer, where that is less than the user's own limit."""
