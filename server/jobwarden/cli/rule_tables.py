"""The rules of a job as a person reads them."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from jobwarden.cli.words import clean, several
from jobwarden.service.views import HitsView, RulesView, RuleView


def rules_text(view: RulesView, now: datetime) -> list[RenderableType]:
    """Say which rules a job has, or for which lines they would have fired."""
    lines = [clean(line) for note in view.notes for line in note.replace("\n", "\n  ").split("\n")]
    if view.tried is not None:
        for tried in view.tried:
            lines += _hits(tried)
    elif not view.rules:
        lines.append(f"{view.job.type} {view.job.id} has no rules.")
    else:
        for rule in view.rules:
            lines += _rule(rule, now)
    return [Text(line, no_wrap=True) for line in lines]


def _rule(rule: RuleView, now: datetime) -> list[str]:
    state = "paused" if rule.paused else f"disabled: {clean(rule.disabled)}" if rule.disabled else "on"
    last = ""
    if rule.last_fired_at is not None:
        last = f", last {max(0, int((now - rule.last_fired_at).total_seconds()))} s ago"
    text = rule.text.removeprefix(f"name={rule.name} ")
    return [
        f"{rule.name}  {state}, {several(rule.matches, 'line')} matched, fired {several(rule.fired, 'time')}{last}",
        f"    {clean(text)}",
    ]


def _hits(tried: HitsView) -> list[str]:
    where = f"{tried.lines} lines" + ("" if tried.whole else " (not all of the log)")
    lines = [
        f"{tried.rule}: would have fired {several(tried.fired, 'time')} in {where}; lines that match: {tried.matches}"
    ]
    if tried.failed:
        lines.append(f"  for {tried.failed} of them the condition has no value")
    lines += [f"  {hit.line}: {clean(hit.text)}" for hit in tried.hits]
    if tried.fired > len(tried.hits):
        lines.append(f"  ... and {tried.fired - len(tried.hits)} more")
    lines += [clean(f"  for the first it would do: {one}") for one in tried.would]
    return lines
