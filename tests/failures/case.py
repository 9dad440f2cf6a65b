"""What a case is: one file below jobs/, with its truth in front, made into one failure (or one healthy run)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

JOBS = Path(__file__).parent / "jobs"
WORDS = frozenset({"about", "hosts", "logs", "sbatch", "deed", "alone"})
NUMBERS = {"limit": "limit_s", "look": "look_after_s"}
LINES = {"or": "also_right", "evidence": "evidence", "shows": "shows", "tool": "tools"}


@dataclass
class Case:
    """One job and what is true of it.

    Attributes:
        name: Of its file, and of its logs.
        family: The folder it stands in.
        category: As in jobwarden.diagnosis.model; `none` for a healthy one.
        kind: Of that category; empty where there is none.
        also_right: Other answers that are as good, `category kind`.
        retryable: What may be said of another try, the best first.
        evidence: Regular expressions: a line with the first cause matches one; the first is the most telling.
        tools: Commands whose versions are kept.
        look_after_s: After so many seconds its log is taken, and the job is still alive; 0: when it has ended.
        sbatch: Options, of a case of the family slurm.
        deed: What is done to that job: see cluster_jobs.py.
        alone: `no`: by its log alone nobody can tell.
        facts: What else is known of its end, as Outcome has it.
        root: Shell, run as root before.
        job: The batch script.
    """

    name: str
    family: str
    about: str = ""
    category: str = ""
    kind: str = ""
    also_right: list[str] = field(default_factory=list[str])
    retryable: list[str] = field(default_factory=list[str])
    evidence: list[str] = field(default_factory=list[str])
    shows: list[str] = field(default_factory=list[str])
    needs: list[str] = field(default_factory=list[str])
    tools: list[str] = field(default_factory=list[str])
    hosts: str = ""
    logs: str = ""
    split: bool = False
    as_root: bool = False
    limit_s: int = 120
    look_after_s: int = 0
    sbatch: str = ""
    deed: str = ""
    alone: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    root: str = ""
    job: str = ""

    @property
    def key(self) -> str:
        """Its name among all."""
        return f"{self.family}/{self.name}"

    @property
    def healthy(self) -> bool:
        """Whether nothing went wrong."""
        return self.category == "none"


def read_case(path: Path) -> Case:
    """Read one file: `# key: value` lines, then `### root` (may be absent) and `### job`."""
    head, _, job = path.read_text("utf-8").partition("### job\n")
    head, _, root = head.partition("### root\n")
    case = Case(path.stem, path.parent.name, root=root, job="#!/bin/bash\n" + job)
    for line in head.splitlines():
        key, found, value = line.removeprefix("# ").partition(": ")
        if not found or not take(case, key, value.strip()):
            raise ValueError(f"{path}: not a line of a header: {line!r}")
    if not job or not case.category or not (case.healthy or case.retryable):
        raise ValueError(f"{path}: a case needs a category, evidence and a job")
    return case


def take(case: Case, key: str, value: str) -> bool:
    """Put one line of the header where it belongs; say whether it is known."""
    if key in WORDS:
        setattr(case, key, value)
    elif key in NUMBERS:
        setattr(case, NUMBERS[key], int(value))
    elif key in LINES:
        getattr(case, LINES[key]).append(value)
    elif key in {"retryable", "needs"}:
        getattr(case, key).extend(value.split())
    elif key == "category":
        case.category, _, case.kind = value.partition(" ")
    elif key == "fact":
        name, _, told = value.partition(" ")
        case.facts[name] = told
    elif key in {"split", "user"}:
        case.split, case.as_root = case.split or key == "split", case.as_root or key == "user"
    else:
        return False
    return True


def read_all() -> list[Case]:
    """Read every case, by family and name."""
    return [read_case(path) for path in sorted(JOBS.glob("*/*.sh"))]
