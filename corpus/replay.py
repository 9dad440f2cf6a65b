"""Runs a verdict function over recordings of what Slurm answered, and counts where it is wrong. Standard library only.

A verdict function is `verdict(ask, job_id) -> word`. `ask(argv)` gives (exit status, stdout, stderr) as the programs
answered at that moment; `ask.now` is the cluster's time. A class is made anew for each job of each case, and may
remember.
The word is pending, running, suspended, succeeded, failed or cancelled; alive or ended where it knows no more; lost for
a job that is nowhere; or unknown.

    python corpus/replay.py mymodule:verdict            how often it is wrong, and where
    python corpus/replay.py mymodule:verdict --case X   what it says at each moment of one case
    python corpus/replay.py --table                     the table of the comparison rules
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import emulated

CASES = Path(__file__).parent / "cases"
FORMAT, VERSION = "slurm-recording", 1
ALIVE = frozenset({"pending", "running", "suspended", "alive"})
ENDED = frozenset({"succeeded", "failed", "cancelled", "ended"})
WORDS = ALIVE | ENDED | {"lost", "unknown"}
LATE_S = 60
"""An end that is not told for longer than this is a mistake of its own: see "how the truth is known" in README.md."""

Verdict = Callable[[emulated.Ask, str], str]
Recording = Mapping[str, Any]


def load(folder: Path = CASES) -> list[Recording]:
    """Read all recordings of a folder, by file name.

    Raises:
        ValueError: A file is of another format or version.
    """
    return [load_file(path) for path in sorted(folder.glob("*.json"))]


def load_file(path: Path) -> Recording:
    """Read one.

    Raises:
        ValueError: It is of another format or version.
    """
    recording: Recording = json.loads(path.read_text(encoding="utf-8"))
    if (recording.get("format"), recording.get("version")) != (FORMAT, VERSION):
        raise ValueError(f"{path} is no {FORMAT} of version {VERSION}")
    return recording


def moments(recording: Recording) -> Iterator[Mapping[str, Any]]:
    """Give the moments whole: what one does not repeat is as it was at the moment before."""
    now: dict[str, Any] = {"squeue": {"rows": []}, "sacct": {"rows": []}, "scontrol": {"shown": {}}, "right": {}}
    for moment in recording["moments"]:
        right = now["right"] | moment.get("right", {})
        now = {**now, **moment, "right": right}
        yield now


@dataclass(frozen=True)
class Saying:
    """What was said of one job at one moment.

    Attributes:
        at: Seconds since the recording began.
        job: Its id.
        word: What was said.
        right: What is right to say; empty where the truth is not recorded.
    """

    at: float
    job: str
    word: str
    right: frozenset[str]

    @property
    def is_right(self) -> bool:
        """Whether the word is one of the right ones; alive and ended stand for any of theirs."""
        if self.word == "alive":
            return bool(self.right & ALIVE)
        return bool(self.right & ENDED) if self.word == "ended" else self.word in self.right

    @property
    def mistake(self) -> str:
        """What kind of mistake it is; empty when it is right."""
        if self.is_right or not self.right:
            return ""
        if self.word in ENDED and not self.right & ENDED:
            return "live_called_ended" if self.right & ALIVE else "other"
        if self.word == "succeeded":
            return "failed_called_successful"
        if self.word in ALIVE and not self.right & ALIVE:
            return "ended_called_alive"
        return "could_not_say" if self.word in ("unknown", "lost") else "other"


def run(verdict: Verdict | type, recording: Recording) -> list[Saying]:
    """Ask a verdict function about every job of a recording at every moment, one after the other."""
    said: list[Saying] = []
    for job in recording["jobs"]:
        function = verdict() if isinstance(verdict, type) else verdict
        for moment in moments(recording):
            word = _word(function, emulated.Ask(recording, moment), job)
            said.append(Saying(moment["at"], job, word, frozenset(moment["right"].get(job, ()))))
    return said


def _word(verdict: Any, ask: emulated.Ask, job: str) -> str:  # noqa: ANN401 -- a function, or an object with __call__
    try:
        word = str(verdict(ask, job))
    except emulated.NotEmulatedError:
        raise
    except Exception as error:  # noqa: BLE001 -- a foreign function that breaks is a result, and stops no other case
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "unknown"
    if word not in WORDS:
        raise ValueError(f"a verdict is one of {', '.join(sorted(WORDS))}; not {word!r}")
    return word


@dataclass
class Tally:
    """What came of one verdict function over all recordings.

    Attributes:
        cases: How many there were.
        moments: How many sayings.
        right: How many of them were right.
        wrong: Kind of mistake to the names of the cases in which it was made.
    """

    cases: int = 0
    moments: int = 0
    right: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def cases_right(self) -> int:
        """How many cases had no mistake."""
        return self.cases - len({name for names in self.wrong.values() for name in names})


def tally(verdict: Verdict | type, recordings: Sequence[Recording]) -> Tally:
    """Run it over all recordings whose truth is known, and count."""
    total = Tally()
    for recording in recordings:
        said = [one for one in run(verdict, recording) if one.right]
        if not said:
            continue
        total.cases += 1
        total.moments += len(said)
        total.right += sum(one.is_right for one in said)
        for kind in sorted({one.mistake for one in said} - {""}):
            total.wrong.setdefault(kind, []).append(recording["case"])
    return total


COLUMNS = {
    "live_called_ended": "a live job called ended",
    "ended_called_alive": f"an ended one called alive, {LATE_S} s and more",
    "failed_called_successful": "a failed one called successful",
    "could_not_say": "could not say",
    "other": "another wrong word",
}


def table(results: Mapping[str, Tally]) -> str:
    """Write the results as a Markdown table; mistakes are counted in cases."""
    heads = ["verdict function", "cases right", "moments right", *COLUMNS.values()]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    for name, one in results.items():
        counts = [str(len(one.wrong.get(kind, ())) or "-") for kind in COLUMNS]
        lines.append([name, f"{one.cases_right} of {one.cases}", f"{one.right} of {one.moments}", *counts])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _named(name: str) -> Verdict | type:
    module, _, attribute = name.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    found: Verdict | type = getattr(importlib.import_module(module), attribute or "verdict")
    return found


def _show(verdict: Verdict | type, recording: Recording) -> None:
    print(f"{recording['case']}: {recording['says']}")
    for one in run(verdict, recording):
        right = "; right: " + ", ".join(sorted(one.right)) if one.right else ""
        print(f"{one.at:8.1f} s  {one.job}  {one.word}{'  WRONG' if one.mistake else ''}{right}")


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 when the function was wrong anywhere."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("verdict", nargs="?", help="MODULE:NAME of a verdict function; from here or from PYTHONPATH")
    parser.add_argument("--cases", type=Path, default=CASES, help="a folder of recordings, or one file")
    parser.add_argument("--case", help="show what it says at every moment of this case")
    parser.add_argument("--table", action="store_true", help="also run the comparison rules of naive_rules.py")
    given = parser.parse_args(words)
    recordings = [load_file(given.cases)] if given.cases.is_file() else load(given.cases)
    verdict = _named(given.verdict) if given.verdict else None
    if verdict is not None and (given.case or given.cases.is_file()):
        for recording in recordings:
            if given.case in (None, recording["case"]):
                _show(verdict, recording)
        return 0
    results = {given.verdict: tally(verdict, recordings)} if verdict is not None else {}
    for kind, names in next(iter(results.values()), Tally()).wrong.items():
        print(f"{COLUMNS[kind]}: {', '.join(names)}")
    if given.table or verdict is None:
        rules = importlib.import_module("naive_rules")
        results |= {name: tally(rule, recordings) for name, rule in rules.RULES.items()}
    print(table(results), end="")
    return int(verdict is not None and bool(results[given.verdict].wrong))


if __name__ == "__main__":
    sys.exit(main())
