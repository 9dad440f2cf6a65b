"""What rules may do: `[grants]`, `[commands.NAME]`, `[notify.NAME]`, and how a project takes away from it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from jobwarden.config.section import Count, Pause, Seconds, Section


class GrantsConfig(Section):
    """What rules may do by themselves, beside telling, logging, storing a metric and pausing."""

    cancel: bool = False
    """Cancel the job that the rule belongs to."""
    resubmissions: int = Field(default=0, ge=0, le=10_000)
    """How many jobs the rules of one session may submit in all."""
    gpu_hours: Pause = 0.0
    """How many GPU-hours these may ask for in all: GPUs times time limit."""


class CommandConfig(Section):
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


class NotifyConfig(Section):
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


class ProjectGrants(Section):
    """`[grants]` of a project: less than the user's own, never more. What is not named stays as the user has it."""

    cancel: bool = True
    resubmissions: int | None = Field(default=None, ge=0)
    gpu_hours: Pause | None = None
    commands: tuple[str, ...] | None = None
    """Of the user's commands, those that the rules of this project may run."""
    notify: tuple[str, ...] | None = None
    """Of the user's targets, those that they may tell."""
