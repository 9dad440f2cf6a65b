"""What an agent reads from a hook when there is more than fits (`cli.hook_text`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from jobwarden.cli.hook_text import hook_text
from jobwarden.service.views import HookView
from jobwarden_registry.events import Event, EventKind

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def event(seq: int, kind: EventKind, **more: Any) -> Event:
    return Event(
        seq=seq,
        timestamp=NOW - timedelta(hours=1) + timedelta(seconds=seq),
        event=kind,
        session="session-1",
        type="slurm",
        host="cluster-a",
        job_id=str(100 + seq),
        uid=f"uid-{seq}",
        **more,
    )


def begun(seq: int) -> Event:
    return event(seq, EventKind.STATUS_CHANGE, old_status="PENDING", new_status="RUNNING")


def numbers(text: str) -> list[int]:
    return [int(line.split()[0][1:]) for line in text.splitlines() if line.startswith("#")]


def test_of_more_news_than_fits_the_failures_are_told_though_they_are_the_oldest() -> None:
    """The hook's news count as shown, all of them: what is left out here no tool tells later."""
    failed = event(1, EventKind.FINISHED, new_status="FAILED", phase="failed")
    fired = event(2, EventKind.RULE_FIRED, text="loss is nan")
    good = [event(seq, EventKind.FINISHED, new_status="COMPLETED", phase="succeeded") for seq in range(3, 13)]
    said = hook_text(HookView(news=(failed, fired, *good, *(begun(seq) for seq in range(13, 63)))), NOW)
    assert numbers(said) == [*range(1, 13), *range(51, 63)]
    assert "and 38 more" in said
    assert "check_status" in said
    ended = (failed, *(event(seq, EventKind.FINISHED, phase="succeeded") for seq in range(2, 63)))
    assert numbers(hook_text(HookView(news=ended), NOW)) == [1, *range(40, 63)]


def test_few_news_are_told_in_their_order_and_nothing_is_said_to_be_left_out() -> None:
    news = (event(1, EventKind.FINISHED, phase="failed"), begun(2), event(3, EventKind.NOTE, text="a note"), begun(4))
    said = hook_text(HookView(news=news), NOW)
    assert numbers(said) == [1, 2, 3, 4]
    assert "more" not in said


def test_the_longest_text_stays_within_what_a_client_takes() -> None:
    news = tuple(event(seq, EventKind.NOTE, text="x" * 5000, name="n" * 500) for seq in range(1, 100))
    assert 5000 < len(hook_text(HookView(news=news), NOW)) < 10_000
