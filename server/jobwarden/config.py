"""The user's configuration: every clock, limit and host setting, all with defaults.

`~/.config/jobwarden/config.toml` (or `$JOBWARDEN_CONFIG`) is the user's own. `<project>/.jobwarden.toml` comes
with a repository and can only tighten; what it may hold is `ProjectConfig`.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobwarden_registry.errors import JobwardenError


class ConfigError(JobwardenError):
    """A configuration file cannot be read or says something that cannot be."""

    code: str = "config.invalid"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_S = TypeVar("_S", bound=_Section)

# Ten years: a moment plus a longer time is none that Python could name.
Seconds = Annotated[float, Field(gt=0, le=3e8)]
Pause = Annotated[float, Field(ge=0, le=3e8)]
"""Seconds, or none at all."""
Count = Annotated[int, Field(ge=1)]

_PROJECT_BYTES = 65536
_SLOWEST_POLL_S = 3600.0


class Clocks(_Section):
    """Every time in the program, in seconds."""

    poll_s: Seconds = 60.0
    """Between two questions to one source on one host."""
    quick_s: tuple[Seconds, ...] = (5.0, 10.0, 20.0)
    """The first questions after a registration."""
    quick_window_s: Pause = 120.0
    """How long after a registration quick questions are allowed."""
    quick_budget: int = Field(default=12, ge=0)
    """Quick questions allowed per host in `quick_budget_window_s`."""
    quick_budget_window_s: Pause = 600.0
    floor_s: Pause = 15.0
    """An answer younger than this is not asked for again, by anybody."""
    jitter: float = Field(default=0.1, ge=0, le=0.5)
    """Share of a wait by which it is spread."""
    backoff_first_s: Seconds = 30.0
    backoff_most_s: Seconds = 300.0
    grace_s: Pause = 120.0
    """After a submission, being nowhere is normal for this long."""
    lost_after_s: Pause = 300.0
    """Continuous absence until a job is `lost`, over at least `lost_answers` good answers."""
    lost_answers: Count = 3
    lost_kept_s: Pause = 86400.0
    gap_ticks: float = Field(default=3.0, ge=1)
    """A gap of more than this many polls between good answers starts an absence anew."""
    requeue_loop_s: Seconds = 600.0
    """So many requeues (`requeue_loop_count`) within this time are a loop, and the job is stuck."""
    requeue_loop_count: int = Field(default=3, ge=2)
    expect_again_s: Pause = 30.0
    """A job that has succeeded without an expected output has failed when it is missing still after this: network file
    systems lag."""
    nel_every_s: Pause = 120.0
    """Between two calls of `nel status` about one run; in between the Slurm jobs that it named are asked about."""
    ask_timeout_s: Seconds = 75.0
    """For one command on a host. Slurm takes up to 50 s to say that munge is stale."""
    ask_wait_s: Pause = 2.0
    """How long to wait for somebody else who is asking already, before taking the old answer."""
    lock_timeout_s: Seconds = 30.0
    lock_stale_s: Seconds = 10.0
    """A lock of another machine whose content did not change for this long, by our own clock, is broken."""
    disk_timeout_s: Seconds = 30.0
    """A session's folder that does not answer for this long, beyond `lock_timeout_s`, is passed over until it does."""
    lease_s: Seconds = 180.0
    """A session's lease of another machine whose beats did not change for this long is taken over."""
    beat_s: Seconds = 20.0
    """Between two beats of the leases that the watcher holds."""
    scan_s: Seconds = 10.0
    """Between two looks at the index for sessions and jobs that nobody told the watcher about."""
    linger_s: Pause = 30.0
    """How long the watcher stays when nothing is left."""
    wait_step_s: Seconds = 0.25
    """Between two looks at the journal while somebody waits."""
    cancel_grace_s: Pause = 10.0
    """Between SIGTERM and SIGKILL for a local process; and how long cancel_job looks for the effect."""
    idle_close_s: Seconds = 300.0
    """An unused connection is closed after this."""
    connect_timeout_s: Seconds = 20.0
    keepalive_s: Seconds = 15.0
    recent_s: Pause = 86400.0
    """How long an ended job counts in "2 of 4 completed"."""
    rules_least_s: Seconds = 5.0
    """Between two looks at one job's logs for its rules, whatever interval these want."""
    rules_settle_s: Pause = 10.0
    """After a job's end its logs are read once more when this has passed: network file systems lag."""
    offer_after_s: Pause = 60.0
    """How old a job must be that nobody watches before an agent is offered it: a younger one may be registered yet."""


class Limits(_Section):
    """Sizes."""

    answer_chars: int = Field(default=10_000, ge=3000, le=100_000)
    channels: Count = 3
    """Commands at once on one connection."""
    rules_per_job: int = Field(default=10, ge=0, le=1000)
    pattern_chars: int = Field(default=1000, ge=1, le=100_000)
    """Of one rule's pattern."""


class HostConfig(_Section):
    """One `[hosts.NAME]` table."""

    transport: Literal["auto", "asyncssh", "openssh", "local"] = "auto"
    """`auto`: OpenSSH where a live ControlMaster is found, else asyncssh."""
    user: str = ""
    cluster: str = ""
    prelude: str = ""
    """Shell text before commands, as `module load slurm`."""
    min_interval_s: Pause = 0.0
    nel: str = ""
    """The program of nemo-evaluator-launcher there, where it is not what `nel` means to the session that registers."""
    read: tuple[str, ...] = ()
    """Folders on that host whose files may be read as logs, beside the scheduler's own."""


class Waking(_Section):
    """Agents that rest."""

    codex: bool = True
    """Whether an idle thread of Codex is sent a message when one of its jobs has ended, is lost or is stuck."""
    after_s: Pause = 20.0
    """How long it must have been idle: a person who sits before it is about to write, and is told then."""


class GrantsConfig(_Section):
    """What rules may do by themselves, beside telling, logging, storing a metric and pausing."""

    cancel: bool = False
    """Cancel the job that the rule belongs to."""
    resubmissions: int = Field(default=0, ge=0, le=10_000)
    """How many jobs the rules of one session may submit in all."""
    gpu_hours: Pause = 0.0
    """How many GPU-hours these may ask for in all: GPUs times time limit."""


class CommandConfig(_Section):
    """One `[commands.NAME]` table: a program that rules may run on this machine."""

    argv: tuple[str, ...] = Field(min_length=1)
    """Program and arguments. `{name}` stands for what a rule gives as `name`, inside one word, never split."""
    timeout_s: Seconds = 60.0

    @model_validator(mode="after")
    def _no_code(self) -> CommandConfig:
        """What a rule gives is data: it may be no program, and no text that a shell or interpreter would read."""
        names = [word.rpartition("/")[2] for word in self.argv]
        if FILL.search(self.argv[0]):
            raise ValueError("the program itself cannot be filled in")
        for at, word in enumerate(self.argv):
            code = at > 0 and self.argv[at - 1].startswith("-") and self.argv[at - 1].rstrip("=")[-1:] in ("c", "e")
            if FILL.search(word) and (names[at - 1] == "eval" or (code and _READS_CODE.search(" ".join(names[:at])))):
                raise ValueError("what is filled in would be read as a program; give it as an argument after one")
        return self

    @property
    def fills(self) -> frozenset[str]:
        """The arguments that a rule must give."""
        return frozenset(name for word in self.argv for name in FILL.findall(word))


class NotifyConfig(_Section):
    """One `[notify.NAME]` table: somebody whom rules may tell."""

    url: str = ""
    """Where to: `smtps://user:password@mail.example.org?from=...&to=...`, or what Apprise knows: `slack://...`."""
    env: str = ""
    """Or the environment variable that holds that URL, so that no secret is in the file."""
    to: tuple[str, ...] = ()
    """Further recipients that a rule may name; of e-mail alone."""
    per_hour: Count = 30
    """Messages in an hour; what is more is not sent, and said."""

    @model_validator(mode="after")
    def _readable(self) -> NotifyConfig:
        check_url(self.url)
        return self


def is_mail(url: str) -> bool:
    """Whether a target is a mail server, spoken to by jobwarden itself; Apprise has the others."""
    return url.partition(":")[0].lower() in ("smtp", "smtps")


def check_url(url: str) -> None:
    """Check that a mail server's URL can be taken apart.

    Raises:
        ValueError: It cannot. Nothing of the URL is in the text: it may hold a password.
    """
    if not is_mail(url):
        return
    try:
        parts = urlsplit(url)
        # A sign of a password that ends the host's part shows as a path or a fragment.
        good = bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/") and not parts.fragment
    except ValueError:
        good = False
    if not good:
        raise ValueError("that url cannot be read; in a user name or password write each sign like # / [ ] : @ as %XX")


_READS_CODE = re.compile(r"(?:^| )(?:(?:ba|da|z|k|c|tc|fi)?sh|busybox|python[\d.]*|perl|ruby|node|php|awk|ssh)(?: |$)")

FILL = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")


class Config(_Section):
    """The user's whole configuration."""

    clocks: Clocks = Clocks()
    limits: Limits = Limits()
    waking: Waking = Waking()
    hosts: Mapping[str, HostConfig] = Field(default_factory=dict[str, HostConfig])
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


class ProjectGrants(_Section):
    """`[grants]` of a project: less than the user's own, never more. What is not named stays as the user has it."""

    cancel: bool = True
    resubmissions: int | None = Field(default=None, ge=0)
    gpu_hours: Pause | None = None
    commands: tuple[str, ...] | None = None
    """Of the user's commands, those that the rules of this project may run."""
    notify: tuple[str, ...] | None = None
    """Of the user's targets, those that they may tell."""


class ProjectConfig(_Section):
    """What a project may say: only what tightens."""

    grants: ProjectGrants = ProjectGrants()

    poll_s: float | None = Field(default=None, gt=0, le=_SLOWEST_POLL_S)
    """The watcher asks about this project's jobs no more often; at most an hour, so that no job is forgotten."""
    answer_chars: int | None = Field(default=None, ge=3000)


def load_config(path: Path | None) -> Config:
    """Read the user's configuration. A missing file is all defaults.

    Raises:
        ConfigError: The file is not TOML, or holds something unknown or out of range; the text names the key.
    """
    try:
        data = b"" if path is None else path.read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", hint="Mend or remove that file.") from error
    return _parse(data, path, Config)


def load_project(project: Path) -> ProjectConfig:
    """Read what a project says. It comes with a repository, so only a plain and small file is read.

    Raises:
        ConfigError: As `load_config`.
    """
    path = project / ".jobwarden.toml"
    try:
        # A repository can hold a link to a device that never ends, and a folder can hold a pipe that never begins.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ProjectConfig()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", hint="Mend or remove that file.") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _PROJECT_BYTES:
            raise ConfigError(f"{path} is not a plain file of at most 64 KiB.", hint="Remove it.")
        return _parse(file.read(_PROJECT_BYTES), path, ProjectConfig)


def tightened(config: Config, project: ProjectConfig) -> Config:
    """Give the user's configuration as it holds in a project."""
    clocks, limits = config.clocks, config.limits
    if project.poll_s is not None:
        clocks = clocks.model_copy(update={"poll_s": max(clocks.poll_s, project.poll_s)})
    if project.answer_chars is not None:
        limits = limits.model_copy(update={"answer_chars": min(limits.answer_chars, project.answer_chars)})
    return _granting_less(config.model_copy(update={"clocks": clocks, "limits": limits}), project.grants)


def _granting_less(config: Config, less: ProjectGrants) -> Config:
    mine = config.grants
    grants = GrantsConfig(
        cancel=mine.cancel and less.cancel,
        resubmissions=_least(mine.resubmissions, less.resubmissions),
        gpu_hours=_least(mine.gpu_hours, less.gpu_hours),
    )
    commands = {name: one for name, one in config.commands.items() if less.commands is None or name in less.commands}
    notify = {name: one for name, one in config.notify.items() if less.notify is None or name in less.notify}
    return config.model_copy(update={"grants": grants, "commands": commands, "notify": notify})


_Number = TypeVar("_Number", int, float)


def _least(mine: _Number, less: _Number | None) -> _Number:
    return mine if less is None else min(mine, less)


def _parse(data: bytes, path: Path | None, section: type[_S]) -> _S:
    try:
        return section.model_validate(tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Mend or remove that file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg']}.", hint="Mend that key.") from error
