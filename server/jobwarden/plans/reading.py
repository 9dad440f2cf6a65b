"""Plan files: TOML, read whole, and everything that is wrong with one said at once."""

from __future__ import annotations

import difflib
import errno
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from jobwarden.plans.errors import PlanError
from jobwarden.plans.options import flags_of, sbatch_words
from jobwarden.plans.shapes import is_list, is_table
from jobwarden.plans.spec import After, JobSpec, Needs, PlanSpec
from jobwarden_registry.errors import JobwardenError

FILE_BYTES = 4 << 20
_JOBS_MOST = 1000
_TEXT_CHARS = 1000
_ARGUMENTS_BYTES = 64 << 10
"""sshd ends a connection that asks for a command of more than 256 KiB, and quoting makes them longer."""
_PLAN_KEYS = ("name", "host", "type", "description", "defaults", "jobs")
_SHARED = ("host", "type", "options", "work_dir", "log", "tags", "rules", "restart", "expect", "ready", "description")
_JOB_KEYS = ("name", "script", "script_on_host", "arguments", "after", *_SHARED)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=@-]{0,127}")
_PLAN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TAG_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MERGED = ("options", "tags")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Attributes:
        where: `job train: options`; empty for the file.
        text: What.
        hint: What to write instead.
    """

    where: str
    text: str
    hint: str = ""

    def line(self) -> str:
        """Write it on one line."""
        return ": ".join(part for part in (self.where, self.text) if part) + (f" {self.hint}" if self.hint else "")


Checks = Mapping[str, Callable[[str], object]]
"""By key (`rules`, `expect`, `ready`): reads one text, and raises JobwardenError for one that cannot be."""


@dataclass(slots=True)
class _Reader:
    folder: Path
    checks: Checks
    types: Collection[str]
    problems: list[Problem] = field(default_factory=list[Problem])

    def wrong(self, where: str, text: str, hint: str = "") -> None:
        self.problems.append(Problem(where, text, hint))


def read_plan_file(file: Path, *, checks: Checks, types: Collection[str]) -> tuple[PlanSpec, list[Problem]]:
    """Read a plan.

    Args:
        file: Absolute.
        checks: See `Checks`.
        types: The kinds of jobs that can be submitted.

    Raises:
        PlanError: It cannot be read at all.
    """
    try:
        data = read_most(file)
    except OSError as error:
        raise PlanError(f"{file} cannot be read: {error.strerror}.", hint="Give a plan's file or name.") from error
    if len(data) > FILE_BYTES:
        raise PlanError(f"{file} has more than {FILE_BYTES >> 20} MiB.")
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, and lists in lists in lists
        raise PlanError(f"{file} is no TOML: {error}.", hint="docs/plans.md has an example.") from error
    return read_plan(raw, file=file, checks=checks, types=types)


def read_most(file: Path, most: int = FILE_BYTES + 1) -> bytes:
    """Read the beginning of a file; of a plan that is too large one byte more than is taken.

    Raises:
        OSError: It cannot be read, or is no file.
    """
    if not file.is_file():  # a pipe would be waited for
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    with file.open("rb") as opened:
        return opened.read(most)


def read_plan(
    raw: Mapping[str, Any], *, file: Path, checks: Checks, types: Collection[str]
) -> tuple[PlanSpec, list[Problem]]:
    """Read a plan that is parsed already; what is wrong with a job is said, and the rest of it read."""
    reader = _Reader(file.parent, checks, types)
    _unknown(reader, "", raw, _PLAN_KEYS)
    name = raw.get("name", file.stem)
    if not isinstance(name, str) or not _PLAN_NAME.fullmatch(name):
        reader.wrong("name", f"{str(name)[:60]!r} cannot be a plan's name.", 'Write letters, digits, "_", "-" and ".".')
        name = "plan"
    defaults = _table(reader, "defaults", raw.get("defaults", {}))
    _unknown(reader, "defaults", defaults, _SHARED)
    base = {key: raw[key] for key in ("host", "type") if key in raw} | dict(defaults)
    given = raw.get("jobs", [])
    written = given if is_list(given) else []
    if not written:
        reader.wrong("", "There are no jobs.", 'Write [[jobs]] and below it name = "..." and script = "...".')
    if len(written) > _JOBS_MOST:
        reader.wrong("", f"{len(written)} jobs are more than {_JOBS_MOST}.", "Use array jobs, or several plans.")
        written = []
    jobs = [one for at, each in enumerate(written) if (one := _job(reader, at, each, base))]
    spec = PlanSpec(name=name, source=str(file), jobs=tuple(jobs))
    _together(reader, spec)
    return spec, reader.problems


def _job(reader: _Reader, at: int, raw: object, base: Mapping[str, Any]) -> JobSpec | None:
    if not is_table(raw):
        reader.wrong(f"job {at + 1}", "It is no table.", "Write [[jobs]].")
        return None
    given = raw
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        reader.wrong(f"job {at + 1}", f"{str(name)[:60]!r} cannot be a name.", 'Write name = "train-1".')
        return None
    where = f"job {name}"
    _unknown(reader, where, given, _JOB_KEYS)
    merged = _merged(reader, where, base, given)
    words, job_name, wrong = sbatch_words(_table(reader, f"{where}: options", merged.get("options", {})))
    for error in wrong:
        reader.wrong(f"{where}: options", error.text, error.hint)
    log = _path(reader, where, "log", merged, home=False)
    if log and "--output" not in flags_of(words):
        words = (*words, f"--output={log}")
    elif log:
        reader.wrong(where, "log and options.output both say where it writes.", "Leave one of them out.")
    script, on_host = _scripts(reader, where, given)
    rules = (*_texts(reader, where, "rules", merged), *_texts(reader, where, "restart", merged))
    ready = _texts(reader, where, "ready", merged)
    return JobSpec(
        name=name,
        type=_type(reader, where, merged),
        host=_text(reader, where, "host", merged) or "localhost",
        script=script,
        script_on_host=on_host,
        arguments=_arguments(reader, where, given),
        options=words,
        job_name=job_name,
        work_dir=_path(reader, where, "work_dir", merged, home=True),
        tags=_tags(reader, where, merged.get("tags", [])),
        rules=rules,
        expect=_texts(reader, where, "expect", merged),
        ready=ready[0] if ready else "",
        after=_after(reader, where, given.get("after", [])),
        description=_text(reader, where, "description", merged),
    )


def _together(reader: _Reader, spec: PlanSpec) -> None:
    """Look at what only the jobs together can have wrong."""
    names = Counter(one.name for one in spec.jobs)
    for name in (name for name, times in names.items() if times > 1):
        reader.wrong(f"job {name}", f"{names[name]} jobs have this name.", "Each needs its own.")
    places = Counter((one.type, one.host, one.work_dir, one.known_as) for one in spec.jobs)
    for (_, host, folder, known_as), times in places.items():
        if times > 1 and names[known_as] <= 1:
            where = f"{folder or 'the home folder'} on {host}"
            reader.wrong("", f"{times} jobs are called {known_as} in {where}.", "Each needs its own job_name.")
    for one in spec.jobs:
        for each in one.after:
            other = spec.job(each.job)
            if other is None:
                near = difflib.get_close_matches(each.job, names, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"There is: {', '.join(list(names)[:20])}."
                reader.wrong(f"job {one.name}: after", f"There is no job {each.job[:60]!r}.", hint)
            elif (other.host, other.type) != (one.host, one.type):
                text = f"{each.job} is on {other.host}, and a scheduler knows its own jobs only."
                reader.wrong(f"job {one.name}: after", text, "Put both on one host.")
    if circle := _circle(spec):
        reader.wrong("", f"These wait for each other: {' -> '.join(circle)}.", "None of them could ever begin.")


def _circle(spec: PlanSpec) -> list[str]:
    waits: dict[str, list[str]] = {}
    for one in spec.jobs:
        waits.setdefault(one.name, []).extend(each.job for each in one.after)
    state: dict[str, int] = {}
    for start in waits:
        path: list[tuple[str, int]] = [(start, 0)]
        while path:
            name, at = path.pop()
            if at == 0 and state.get(name) == 2:
                continue
            state[name] = 1
            others = waits.get(name, [])
            if at >= len(others):
                state[name] = 2
                continue
            path.append((name, at + 1))
            if state.get(others[at]) == 1:
                names = [each for each, _ in path]
                return [*names[names.index(others[at]) :], others[at]]
            if state.get(others[at]) is None:
                path.append((others[at], 0))
    return []


def _merged(reader: _Reader, where: str, base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a job over the defaults; tables of options and tags are laid over each other key by key."""
    merged = {**base, **given}
    for key in _MERGED:
        one, other = base.get(key), given.get(key)
        if is_table(one) and is_table(other):
            merged[key] = {**one, **other}
        elif is_list(one) and is_list(other):
            merged[key] = [*one, *other]
        elif key in base and key in given:
            reader.wrong(f"{where}: {key}", "Here and in the defaults it is of two kinds.", "Write both as a table.")
    return merged


def _unknown(reader: _Reader, where: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}? " if near else ""
            reader.wrong(where, f"There is no key {key[:60]!r}.", f"{hint}There is: {', '.join(known)}.")


def _table(reader: _Reader, where: str, value: object) -> dict[str, Any]:
    if is_table(value):
        return value
    reader.wrong(where, "It is no table.", "Write it as { key = value }.")
    return {}


def _text(reader: _Reader, where: str, key: str, given: Mapping[str, Any]) -> str:
    value = given.get(key, "")
    if isinstance(value, str) and len(value) <= _TEXT_CHARS and (value.isprintable() or not value):
        return value.strip()
    reader.wrong(f"{where}: {key}", f"{str(value)[:60]!r} cannot be a {key}.", "Write one line of text in quotes.")
    return ""


def _texts(reader: _Reader, where: str, key: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Read one text or a list of them, each checked by whoever knows."""
    value = given.get(key, [])
    many = [value] if isinstance(value, str) else value
    if not is_list(many) or not all(isinstance(one, str) for one in many):
        reader.wrong(f"{where}: {key}", "It is no text and no list of texts.", f"Write {key} = [...].")
        return ()
    kept: list[str] = []
    for text in many:
        try:
            check = reader.checks.get("rules" if key == "restart" else key)
            if check is not None:
                check(text)
        except JobwardenError as error:
            reader.wrong(f"{where}: {key}", error.text, error.hint)
        else:
            kept.append(text)
    return tuple(kept)


def _type(reader: _Reader, where: str, given: Mapping[str, Any]) -> str:
    kind = _text(reader, where, "type", given) or "slurm"
    if kind not in reader.types:
        hint = f"There is: {', '.join(sorted(reader.types))}."
        if kind == "process":
            hint += " A local program is started with: jobwarden run -- COMMAND"
        reader.wrong(f"{where}: type", f"Jobs of type {kind[:60]!r} cannot be submitted.", hint)
    return kind


def _scripts(reader: _Reader, where: str, given: Mapping[str, Any]) -> tuple[str, str]:
    here, there = _text(reader, where, "script", given), _text(reader, where, "script_on_host", given)
    if bool(here) == bool(there):
        hint = 'Write script = "train.sh", beside the plan, or script_on_host = "/path/there/train.sh".'
        reader.wrong(where, "It has two scripts." if here else "It has no script.", hint)
        return "", ""
    if there:
        if not there.startswith("/") or ".." in PurePosixPath(there).parts:
            reader.wrong(f"{where}: script_on_host", f"{there[:80]!r} is not absolute.", "Write it from / on.")
            return "", ""
        return "", there
    path = reader.folder / here
    try:
        head = read_most(path, 2)
    except OSError:
        head = None
    if head is None:
        reader.wrong(f"{where}: script", f"{path} is not there.", "A script lies beside the plan, or write its path.")
    elif head != b"#!":
        reader.wrong(f"{where}: script", f"{path} does not begin with #!.", "sbatch takes no other script.")
    return str(path), ""


def _path(reader: _Reader, where: str, key: str, given: Mapping[str, Any], *, home: bool) -> str:
    text = _text(reader, where, key, given)
    absolute = text.startswith("/") or (home and (text == "~" or text.startswith("~/")))
    if text and home and not absolute:
        reader.wrong(
            f"{where}: {key}", f"{text[:80]!r} is not absolute.", 'Write it from / or "~/" on, as on the host.'
        )
        return ""
    return text.rstrip("/") if len(text) > 1 else text


def _arguments(reader: _Reader, where: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    value = given.get("arguments", [])
    good = is_list(value) and all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in value)
    texts = [str(one) for one in value] if good else []
    if not good or any("\0" in one or len(one) > _TEXT_CHARS * 10 for one in texts):
        reader.wrong(f"{where}: arguments", "They are no list of texts and numbers.", 'Write arguments = ["a", 1].')
        return ()
    if sum(len(one.encode()) + 1 for one in texts) > _ARGUMENTS_BYTES:
        reader.wrong(f"{where}: arguments", f"They have more than {_ARGUMENTS_BYTES >> 10} KiB.", "Put them in a file.")
        return ()
    return tuple(texts)


def _tags(reader: _Reader, where: str, value: object) -> tuple[str, ...]:
    """Read a list, or a table whose entries become `key=value`."""
    if is_table(value):
        table = value
        tags = [f"{key}={one}" for key, one in table.items()]
        good = all(_TAG_KEY.fullmatch(key) and isinstance(one, str | int | float) for key, one in table.items())
    else:
        tags = [str(one) for one in value] if is_list(value) else []
        good = is_list(value) and all(isinstance(one, str) for one in value)
    if not good or len(tags) > 40 or not all(one.strip() and one.isprintable() and len(one) <= 200 for one in tags):
        reader.wrong(f"{where}: tags", "They cannot be tags.", 'Write tags = ["a"] or tags = { subject = "01" }.')
        return ()
    return tuple(dict.fromkeys(tags))


def _after(reader: _Reader, where: str, value: object) -> tuple[After, ...]:
    """Read `"a"`, `["a", "afterany:b"]`, or `{ afterany = ["b"] }`."""
    found: list[After] = []
    items: list[tuple[str, Any]] = []
    if is_table(value):
        for kind, names in value.items():
            items += [(kind, one) for one in (names if is_list(names) else [names])]
    else:
        for one in value if is_list(value) else [value]:
            kind, colon, name = str(one).partition(":")
            items.append((kind, name) if colon else (Needs.OK.value, one))
    for kind, name in items:
        if kind not in tuple(Needs) or not isinstance(name, str) or not name:
            hint = f'Write after = ["name"], or {{ afterany = ["name"] }}. There is: {", ".join(Needs)}.'
            reader.wrong(f"{where}: after", f"{kind[:30]}:{str(name)[:60]} cannot be.", hint)
        else:
            found.append(After(job=name, needs=Needs(kind)))
    return tuple(dict.fromkeys(found))
