"""The forms of a Slurm job id: whole jobs, array elements, parts of heterogeneous jobs, pending ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from jobwarden_registry.errors import InvalidIdError

MOST_ELEMENTS = 100_000
"""Elements of one range that are told apart. MaxArraySize is 1001 by default."""

_KEPT = 8192
"""Ids that are not read anew: the same are asked about again and again."""

_NUMBER = r"[1-9]\d{0,9}"
_GIVEN = re.compile(
    rf"(?P<base>{_NUMBER})(?:(?:_(?P<element>\d{{1,7}}))|(?:\+(?P<part>\d{{1,4}}))|(?:_\[[\d,:%-]+\]))?(?:;[\w.-]+)?"
)
_ROW = re.compile(rf"(?P<base>{_NUMBER})(?:_(?P<element>\d+)|\+(?P<part>\d+)|_\[(?P<ranges>[^\]]*)(?P<closed>\])?)?")
_RANGE = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+)(?::(?P<step>\d+))?)?")
_SUBMITTED = re.compile(rf"Submitted batch job ({_NUMBER}).*")
_HINT = "A Slurm id looks like 12345, or 12345_7 for one element of an array."


@dataclass(frozen=True, slots=True)
class SlurmId:
    """Which job, or which part of one.

    Attributes:
        base: The id that sbatch printed.
        element: One element of the array.
        part: One part of the heterogeneous job.
    """

    base: int
    element: int | None = None
    part: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it names all elements and parts."""
        return self.element is None and self.part is None

    def __str__(self) -> str:
        if self.element is not None:
            return f"{self.base}_{self.element}"
        return f"{self.base}+{self.part}" if self.part is not None else str(self.base)


@dataclass(frozen=True, slots=True)
class RowId:
    """The id of a row: a SlurmId, or elements that still share one row.

    Attributes:
        id: The job, element or part; for a range the whole job.
        ranges: The elements of a pending (or never started) range; empty for any other row.
        cut: Whether the range was cut (`...`, or at 33 characters by sacct 20.11), so that elements are missing from
            `ranges`.
    """

    id: SlurmId
    ranges: tuple[range, ...] = ()
    cut: bool = False

    @property
    def keys(self) -> tuple[int, ...]:
        """The elements, or the part, that this row speaks for; empty for an ordinary job."""
        if self.id.element is not None:
            return (self.id.element,)
        if self.id.part is not None:
            return (self.id.part,)
        return tuple(index for one in self.ranges for index in islice(one, MOST_ELEMENTS))

    def covers(self, wanted: SlurmId) -> bool:
        """Whether this row speaks for the wanted job, or for a part of it."""
        if self.id.base != wanted.base:
            return False
        if wanted.whole or self.id == wanted:
            return True
        return any(wanted.element in one for one in self.ranges)

    def may_cover(self, wanted: SlurmId) -> bool:
        """Whether this row may speak for an element that has no row of its own: one of those that were cut off."""
        if not self.cut or self.id.base != wanted.base or wanted.element is None:
            return False
        return wanted.element > max(one.stop - 1 for one in self.ranges)


@lru_cache(_KEPT)
def parse_id(text: str) -> SlurmId:
    """Read an id as a person or agent gives it.

    `123_[1-6]` is the array 123, and `123;cluster` (sbatch --parsable with -M) the job 123: which cluster is asked
    is the host's configuration.

    Raises:
        InvalidIdError: It cannot be the id of a job.
    """
    text = text.strip()
    found = _GIVEN.fullmatch(text)
    if found is None:
        submitted = _SUBMITTED.fullmatch(text)
        hint = f"Give the number alone: {submitted[1]}." if submitted else _HINT
        raise InvalidIdError(f"{text[:80]!r} is not the id of a Slurm job.", hint=hint)
    element, part = found["element"], found["part"]
    return SlurmId(int(found["base"]), None if element is None else int(element), None if part is None else int(part))


def parse_row_id(text: str) -> RowId:
    """Read an id as squeue's %i or sacct's JobID print it.

    Raises:
        ValueError: It is of another form.
    """
    found = _ROW.fullmatch(text)
    if found is None:
        raise ValueError(text)
    base = int(found["base"])
    if found["ranges"] is not None:
        return _ranged(base, found["ranges"], closed=bool(found["closed"]))
    element, part = found["element"], found["part"]
    return RowId(SlurmId(base, None if element is None else int(element), None if part is None else int(part)))


def _ranged(base: int, text: str, *, closed: bool) -> RowId:
    listed, _, throttle = text.partition("%")
    cut = "..." in listed
    if not closed and not throttle:
        listed, cut = listed.rpartition(",")[0], True  # the last number may have lost its end
    ranges: list[range] = []
    for piece in listed.replace("...", "").split(","):
        found = _RANGE.fullmatch(piece)
        if found is not None:
            last = int(found["last"] or found["first"])
            ranges.append(range(int(found["first"]), last + 1, max(1, int(found["step"] or 1))))
        elif piece and not cut:
            raise ValueError(text)
    if not ranges:
        raise ValueError(text)
    return RowId(SlurmId(base), tuple(ranges), cut)
