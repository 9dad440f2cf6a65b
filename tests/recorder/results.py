"""Write docs/verdict-corpus.md: `python tests/recorder/results.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "corpus")]

import naive_rules  # noqa: E402 -- the path above comes first
import replay  # noqa: E402 -- as above
from support.corpus import Jobwarden  # noqa: E402 -- as above

PAGE = ROOT / "docs" / "verdict-corpus.md"

_PAGE = """\
# Verdict functions over the corpus

{cases} recordings of what Slurm's programs answered ({recorded} of them from a real Slurm {slurm}, {edited} edited
from such a one) were replayed, moment by moment, to functions that say whether a job has ended. What was true is known
from what was done to the job, not from any of these functions. How to run your own over it:
[corpus/README.md](../corpus/README.md).

This page is written by `python tests/recorder/results.py`, and a test compares it with what the replay finds.

{table}
Mistakes are counted in cases. A word may be late by {late} s after an end, and by 10 s between two live states: that is
no mistake. `unknown` is right while no program shows where the job stands, and only then. The rules besides jobwarden
are ways that are in use, each in a few lines of our own (`corpus/naive_rules.py`); none is the code of a product. An
array whose phase they give by a single line of it counts against them.

## Where each goes wrong

{wrong}
## The cases

| case | | what happens |
| --- | --- | --- |
{list}"""


def page() -> str:
    """Give the page's text."""
    recordings = replay.load()
    results = {"**jobwarden**": replay.tally(Jobwarden, recordings)}
    results |= {name: replay.tally(rule, recordings) for name, rule in naive_rules.RULES.items()}
    wrong = ""
    for name, one in results.items():
        kinds = [f"- {replay.COLUMNS[kind]}: {', '.join(names)}\n" for kind, names in sorted(one.wrong.items())]
        wrong += f"### {name}\n\n{''.join(kinds) or 'Nowhere.' + chr(10)}\n"
    edited = sum(recording["how"] == "edited" for recording in recordings)
    return _PAGE.format(
        cases=len(recordings),
        recorded=len(recordings) - edited,
        edited=edited,
        slurm=recordings[0]["slurm"],
        table=replay.table(results),
        late=replay.LATE_S,
        wrong=wrong,
        list="".join(f"| {one['case']} | {one['how']} | {one['says']} |\n" for one in recordings),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
