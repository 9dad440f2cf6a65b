"""Finding the sources: entry points of the group `jobwarden.sources`, ours among them."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Seen, Sighting, Source
from jobwarden.sources.errors import SourceError, UnreadableAnswerError
from jobwarden_registry.errors import JobwardenError

GROUP = "jobwarden.sources"
_OURS = "jobwarden."

log = logging.getLogger(__name__)


class UnknownTypeError(JobwardenError):
    """No usable source has that name."""

    code: str = "source.unknown_type"


class BrokenSourceError(SourceError):
    """A plug-in did what its contract does not have. It says nothing of the far side: elsewhere it may be mended."""

    code: str = "source.broken"
    retryable: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """What was found.

    Attributes:
        usable: By name.
        broken: Name to what went wrong; such a plug-in stops nothing else, and doctor names it.
    """

    usable: Mapping[str, Source]
    broken: Mapping[str, str]

    def get(self, name: str) -> Source:
        """Give the source of that type.

        Raises:
            UnknownTypeError: There is none, or it is broken.
        """
        found = self.usable.get(name)
        if found is not None:
            return found
        if name in self.broken:
            raise UnknownTypeError(
                f"The source {name} is installed but broken: {self.broken[name]}.", hint="Run: jobwarden doctor"
            )
        known = ", ".join(sorted(self.usable))
        raise UnknownTypeError(f"There is no source of type {name!r}.", hint=f"Known types: {known}.")


@contextmanager
def guarded(name: str) -> Generator[None]:
    """Let nothing but the errors of the contract out of a plug-in's code.

    Raises:
        BrokenSourceError: It raised something else.
    """
    try:
        yield
    except JobwardenError:
        raise
    except Exception as error:  # foreign code: whatever it raises is that plug-in's alone
        log.exception("source %s", name)
        raise BrokenSourceError(
            f"The source {name} failed: {type(error).__name__}: {error}".rstrip(".") + ".",
            hint=f"Mend or update the package that brings {name}.",
        ) from error


def load_sources(found: Iterable[EntryPoint] | None = None) -> Sources:
    """Load every plug-in; one that cannot be used is set aside as broken, and stops no other.

    Nobody takes the place of a source of ours, and where two others have one name there is none of that name.
    """
    usable: dict[str, Source] = {}
    broken: dict[str, str] = {}
    named: dict[str, list[EntryPoint]] = {}
    for point in found if found is not None else entry_points(group=GROUP):
        named.setdefault(point.name, []).append(point)
    for name, points in named.items():
        ours = [point for point in points if point.value.startswith(_OURS)]
        chosen = ours or points
        if len(chosen) > 1:
            broken[name] = f"several packages bring it: {', '.join(sorted(point.value for point in chosen))}"
            continue
        broken |= {f"{name} of {point.value}": "that name is taken" for point in points if point not in chosen}
        try:
            source: Source = chosen[0].load()()
            wrong = _what_is_wrong(source, name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- foreign code: see `guarded`
            broken[name] = f"{type(error).__name__}: {error}"
            continue
        if wrong:
            broken[name] = wrong
        else:
            usable[name] = source
    return Sources(usable, broken)


def _what_is_wrong(source: object, name: str) -> str:
    called = getattr(source, "name", None)
    if called != name:
        return f"it calls itself {called!r}"
    lacking = [part for part in ("parse_id", "observe") if not callable(getattr(source, part, None))]
    return f"it lacks {' and '.join(lacking)}" if lacking else ""


def believed(name: str, answer: object) -> Mapping[str, Sighting]:
    """Refuse an answer that is not of the contract's form: a plug-in may be written by anybody."""
    sightings = cast("Mapping[object, object]", answer) if isinstance(answer, Mapping) else None
    if sightings is None or not all(
        isinstance(key, str) and isinstance(one, (Seen, Absent, DependsOn, CouldNotAsk))
        for key, one in sightings.items()
    ):
        raise UnreadableAnswerError(f"The source {name} answered something that is no sighting: {answer!r:.200}.")
    return cast("Mapping[str, Sighting]", answer)
