"""Session files of a launcher that keeps the jobs that it has submitted, as it was left (JSON).

It has `session_id`, `project_name`, and `jobs` with `job_id`, `name`, `script_path`, `log_path` (a template with %j,
%A, %a), `attempts` and `metadata`; everything else in it is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from jobwarden.plans.errors import PlanError
from jobwarden.plans.reading import Problem, read_most
from jobwarden.plans.shapes import is_list, is_table
from jobwarden.plans.spec import JobSpec, PlanSpec
from jobwarden.plans.state import FILE, SUBMITTED, Run

_PLAIN = re.compile(r"[^A-Za-z0-9_.+=@-]+")
_ID = re.compile(r"[1-9]\d{0,9}(?:_\d{1,9})?")
_JOBS_MOST = 1000
_TAG_CHARS = 100


def is_session_file(file: Path) -> bool:
    """Whether a file is meant as one, by its name."""
    return file.suffix.lower() == ".json"


def read_session_file(
    file: Path, *, host: str, now: datetime, types: Collection[str]
) -> tuple[PlanSpec, dict[str, tuple[Run, ...]], list[Problem]]:
    """Read one.

    Args:
        file: Absolute.
        host: Where its jobs are: the file does not say.
        now: The present.
        types: The kinds of jobs that can be submitted.

    Returns:
        Its jobs as a plan, the run of each that it names, and what of it cannot be used.

    Raises:
        PlanError: It is none.
    """
    try:
        raw = json.loads(read_most(file))
    except OSError as error:
        raise PlanError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # brackets within brackets
        raise PlanError(f"{file} is no JSON: {error}.") from error
    jobs = raw.get("jobs") if is_table(raw) else None
    if not is_list(jobs) or len(jobs) > _JOBS_MOST or "slurm" not in types:
        raise PlanError(f"{file} is no session file.", hint='It has "session_id" and "jobs": [{"job_id": ...}, ...].')
    told = raw
    name = _plain(told.get("session_id")) or _plain(told.get("project_name")) or _plain(file.stem) or "session"
    specs: list[JobSpec] = []
    runs: dict[str, tuple[Run, ...]] = {}
    problems: list[Problem] = []
    for at, one in enumerate(jobs, start=1):
        spec = _job(one, host, told) if is_table(one) else None
        job_id = str(one.get("job_id", "")) if is_table(one) else ""
        if spec is None or not _ID.fullmatch(job_id):
            problems.append(Problem(f"job {at}", f"It has no name, or {job_id[:40]!r} is no job's id."))
        elif any(other.name == spec.name for other in specs):
            problems.append(Problem(f"job {spec.name}", "Another job of the file has this name."))
        else:
            specs.append(spec)
            before = one.get("attempts")
            text = f"attempt {before}" if isinstance(before, int) and before > 1 else ""
            runs[spec.name] = (Run(step=SUBMITTED, at=now, how=FILE, id=job_id, text=text),)
    return PlanSpec(name=name[:64], source=str(file), jobs=tuple(specs)), runs, problems


def _job(raw: dict[str, Any], host: str, told: dict[str, Any]) -> JobSpec | None:
    name = raw.get("name")
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 128:
        return None
    script, log = raw.get("script_path"), raw.get("log_path")
    here = isinstance(script, str) and script.startswith("/") and Path(script).is_file()
    project = told.get("project_name")
    tags = [f"project={project}"] if isinstance(project, str) and project.isprintable() and project else []
    return JobSpec(
        name=name,
        host=host,
        script=str(script) if here else "",
        log=log if isinstance(log, str) and log.isprintable() and len(log) <= 1000 else "",
        tags=tuple(tag[:_TAG_CHARS] for tag in tags),
    )


def _plain(value: object) -> str:
    text = _PLAIN.sub("-", value).strip("-.") if isinstance(value, str) else ""
    return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text[:64]) else ""
