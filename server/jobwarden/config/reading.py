"""Reading the two files, and how the project's tightens the user's."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar, get_args, get_origin

from pydantic import ValidationError

from jobwarden.config.granting import GrantsConfig, ProjectGrants
from jobwarden.config.model import Config, ProjectConfig
from jobwarden.config.section import Section
from jobwarden_registry.errors import JobwardenError

_S = TypeVar("_S", bound=Section)
_PROJECT_BYTES = 65536


class ConfigError(JobwardenError):
    """A configuration file cannot be read or says something that cannot be."""

    code: str = "config.invalid"


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


def _keys_beside(section: type[Section], where: Sequence[int | str]) -> list[str]:
    """Give the keys of the table in which this one stands; none where any would do."""
    here: object = section
    for part in where[:-1]:
        if isinstance(here, type) and issubclass(here, Section):
            field = here.model_fields.get(str(part))
            here = None if field is None else field.annotation
        else:
            here = get_args(here)[-1] if get_origin(here) in (dict, Mapping) else None
    return sorted(here.model_fields) if isinstance(here, type) and issubclass(here, Section) else []


def _parse(data: bytes, path: Path | None, section: type[_S]) -> _S:
    try:
        return section.model_validate(tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Mend or remove that file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _keys_beside(section, first["loc"])
            near = get_close_matches(str(first["loc"][-1]), known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There is: {', '.join(known)}." if known else "Remove it."
            raise ConfigError(f"{path}: there is no key {where}.", hint=hint) from error
        raise ConfigError(f"{path}: {where}: {first['msg']}.", hint="Mend that key.") from error
