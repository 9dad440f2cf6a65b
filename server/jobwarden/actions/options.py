"""What a job asked for: the options of its script and of its submit line, as sbatch takes them. Pure.

The script's come first, then the submit line's; a later one stands over an earlier one (`man sbatch` 22.05).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from jobwarden.sources.resubmitting import Original
from jobwarden.sources.slurm.stored import ALONE, LONG_ALONE


class DoubtfulOptionError(ValueError):
    """An option was cut so short that it may be one of several."""


def own_options(original: Original, names: Sequence[str], short: Mapping[str, str]) -> dict[str, str]:
    """Give the last value of each option, by its long name; others than those named are as they were written.

    Args:
        original: The job.
        names: The options that matter: sbatch takes any beginning of one.
        short: By letter, the long names of those that have one.

    Raises:
        DoubtfulOptionError: One may be any of several of these.
    """
    lines: list[str] = []
    for line in head_lines(original):
        if line.startswith("#SBATCH"):
            lines += _words(line.removeprefix("#SBATCH"))
    return dict([*_read(lines, names, short), *_read(original.options, names, short)])


def head_lines(original: Original) -> Iterator[str]:
    """Give the lines of a script before its first command."""
    for line in original.script.decode("utf-8", "replace").split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            return
        yield line


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def _read(words: Sequence[str], names: Sequence[str], short: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for at, word in enumerate(words):
        if not word.startswith("-") or word == "-":
            continue
        after = words[at + 1] if at + 1 < len(words) and not words[at + 1].startswith("-") else ""
        if word.startswith("--"):
            written, equals, value = word[2:].partition("=")
            yield _long(written, names), value if equals or written in LONG_ALONE else after
        else:
            letters = word[1:].lstrip("".join(ALONE)) or word[-1]  # several may stand in one word
            value = letters[1:].removeprefix("=")
            yield short.get(letters[0], letters[0]), value or ("" if letters[0] in ALONE else after)


def _long(written: str, names: Sequence[str]) -> str:
    if written in names:
        return written
    meant = [name for name in names if len(written) > 2 and name.startswith(written)]
    if len(meant) > 1:
        raise DoubtfulOptionError(f"It was submitted with --{written}, which cannot be read for certain")
    return meant[0] if meant else written
