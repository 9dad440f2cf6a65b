"""The scores of an evaluation, from the `results:` part of its results.yml. Pure.

Written by nemo-evaluator with PyYAML's block style: `results: {groups|tasks: {NAME: {metrics: {METRIC: {scores:
{SCORE: {value}}}}}}}` (0.2.8). Only the paths to numbers are wanted of it, so lines and their indents are enough.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_LINE = re.compile(r"(?P<indent> *)(?P<key>'[^']*'|\"[^\"]*\"|[^\s#'\"-][^:]*):(?: +(?P<value>\S.*))?")
_NAMES = {
    "aime_2024": "AIME 2024",
    "aime_2025": "AIME 2025",
    "gpqa_diamond": "GPQA-Diamond",
    "gsm8k": "GSM8K",
    "hellaswag": "HellaSwag",
    "humaneval": "HumanEval",
    "ifeval": "IFEval",
    "livecodebench": "LiveCodeBench",
    "mmlu": "MMLU",
    "mmlu_pro": "MMLU-Pro",
    "mmmu": "MMMU",
}
_BEST = ("acc", "accuracy", "score", "micro", "macro", "exact_match", "em", "pass@1", "strict-match")
_CHARS = 120


class Score(NamedTuple):
    """One number."""

    task: str
    metric: str
    score: str
    value: float


def read_scores(lines: Iterable[str]) -> tuple[Score, ...]:
    """Find all scores, in their order; nothing in what is no such file."""
    path: list[tuple[int, str]] = []
    found: list[Score] = []
    for line in lines:
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            continue
        indent = len(match["indent"])
        while path and path[-1][0] >= indent:
            path.pop()
        path.append((indent, match["key"].strip("'\" ")))
        score = _score([key for _, key in path], match["value"])
        if score is not None:
            found.append(score)
    return tuple(found)


def say(scores: Sequence[Score]) -> str:
    """Say the scores of one task in a few words: `MMLU-Pro 42.3 %`, with how many more there are."""
    if not scores:
        return ""
    best = min(scores, key=_rank)
    value = f"{best.value * 100:.1f} %" if 0 <= best.value <= 1 else f"{best.value:.4g}"
    names = {score.metric for score in scores} | {score.score for score in scores}
    metric = f" ({best.metric})" if len(names) > 1 and best.metric != best.task else ""
    return f"{_NAMES.get(best.task.lower(), best.task)} {value}{metric}"[:_CHARS]


def _rank(score: Score) -> tuple[int, int]:
    words = [word.lower() for word in (score.metric, score.score)]
    places = [_BEST.index(word) for word in words if word in _BEST]
    return (min(places, default=len(_BEST)), sum(part in {"stderr", "std"} for part in re.split(r"[_.]", words[1])))


def _score(path: Sequence[str], value: str | None) -> Score | None:
    """Read a line that says `value:`, where its path is that of a score."""
    if value is None or len(path) < 8 or path[0] != "results" or path[1] not in {"tasks", "groups"}:
        return None
    name, (metrics, metric, scores, score, last) = path[-6], path[-5:]
    if (metrics, scores, last) != ("metrics", "scores", "value"):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return Score(name, metric, score, number) if math.isfinite(number) else None
