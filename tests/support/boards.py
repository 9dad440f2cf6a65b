"""A made-up board: jobs of several sessions that no scheduler has seen, for the screen, the page and the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from jobwarden.identity import Caller
from jobwarden.service.board import Board, Deed
from jobwarden.service.board_views import (
    BoardHost,
    BoardJob,
    BoardSession,
    BoardView,
    CountMetric,
    JobsMetric,
    MetricsView,
)
from jobwarden.service.control_views import ControlRow, ControlView
from jobwarden.service.views import CancelRow, CancelView, Counts, JobView, TailView, WatcherView
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.phases import Phase
from support.fake_service import NOW, job

HOSTILE = '<script>window.stolen = 1</script><img src=x onerror="stolen=1">\x1b[2J\u202e[red]'
"""As a name, a log line or a cause it must stay text."""


def board_job(job_id: str, /, *, session: str = "s-train", progress: str = "", **fields: object) -> BoardJob:
    """Make one job of a board."""
    view = job(job_id, **fields)
    return BoardJob(uid=f"uid{job_id}", session=session, project=f"/home/alice/{session}", job=view, progress=progress)


def board_view(*jobs: BoardJob, **fields: object) -> BoardView:
    """Make a board with counts, hosts and sessions that fit its jobs."""
    phases = [one.job.phase for one in jobs]
    counts = Counts.model_validate({"total": len(jobs), **{str(phase): phases.count(phase) for phase in Phase}})
    hosts = sorted({(one.job.host, one.job.type) for one in jobs if not one.job.phase.closed})
    base: dict[str, object] = {
        "at": NOW,
        "version": "0.1.0",
        "counts": counts,
        "jobs": jobs,
        "hosts": tuple(_host(host, source, jobs) for host, source in hosts),
        "sessions": tuple(_session(name, jobs) for name in sorted({one.session for one in jobs})),
        "watcher": WatcherView(running=True, pid=4711, version="0.1.0", started_at=NOW, log_path="/state/watcher.log"),
    }
    return BoardView.model_validate(base | fields)


def _host(host: str, source: str, jobs: tuple[BoardJob, ...]) -> BoardHost:
    there = [one for one in jobs if (one.job.host, one.job.type) == (host, source) and not one.job.phase.closed]
    stale = next((one.job for one in there if one.job.stale_since is not None), None)
    return BoardHost(
        type=source,
        host=host,
        jobs=len(there),
        asked_at=NOW - timedelta(seconds=1500 if stale else 20),
        age_s=1500.0 if stale else 20.0,
        failing_since=stale.stale_since if stale else None,
        failure=(stale.stale_because or "") if stale else "",
    )


def _session(name: str, jobs: tuple[BoardJob, ...]) -> BoardSession:
    own = [one for one in jobs if one.session == name]
    living = sum(not one.job.phase.closed for one in own)
    return BoardSession(
        session=name,
        agent="claude-code",
        project=own[0].project,
        last_seen_at=NOW - timedelta(minutes=4),
        gone=False,
        living=living,
        ended=len(own) - living,
    )


@dataclass
class FakeBoard(Board):
    """Shows what a test gives it, and remembers what it was asked."""

    view: BoardView
    logs: dict[str, str] = field(default_factory=dict[str, str])
    error: JobwardenError | None = None
    looks: int = 0
    tails: list[str] = field(default_factory=list[str])
    cancelled: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Uid, reason, and whose session asked."""
    controlled: list[tuple[str, Deed]] = field(default_factory=list[tuple[str, Deed]])

    async def look(self, caller: Caller, *, wake: bool = False) -> BoardView:  # noqa: ARG002 -- the base's signature
        self.looks += 1
        if self.error is not None:
            raise self.error
        return self.view

    async def tail(
        self,
        caller: Caller,
        uid: str,
        *,
        lines: int = 40,
        cursor: str | None = None,
        ask: bool = False,  # noqa: ARG002 -- the base's signature
    ) -> TailView:
        self.tails.append(uid)
        text = self.logs.get(uid, "") if cursor is None else ""
        shown = "\n".join(text.splitlines()[-lines:])
        return TailView(
            job=await self.job(caller, uid), path="/home/alice/out.log", stream="stdout", text=shown, size_bytes=9,
            cursor="c1", note=None if text or cursor else "It has written nothing yet.",
        )  # fmt: skip

    async def job(self, caller: Caller, uid: str) -> JobView:  # noqa: ARG002 -- the base's signature
        return next(one.job for one in self.view.jobs if one.uid == uid)

    async def cancel(self, caller: Caller, uid: str, *, reason: str) -> CancelView:
        self.cancelled.append((uid, reason, caller.session_id))
        row = CancelRow(job=await self.job(caller, uid), outcome="accepted", text="asked", ended=False)
        return CancelView(rows=(row,))

    async def control(self, caller: Caller, uid: str, action: Deed, *, reason: str) -> ControlView:  # noqa: ARG002 -- the base's signature
        self.controlled.append((uid, action))
        row = ControlRow(job=await self.job(caller, uid), outcome="done", text="it is held")
        return ControlView(action=action, rows=(row,))

    async def metrics(self) -> MetricsView:
        jobs = self.view.jobs
        counts: Mapping[tuple[str, str, str, str], int] = {
            ("polls", "cluster-a", "slurm", ""): 42,
            ("errors", "cluster-a", "slurm", "ssh.refused"): 3,
            ("commands", "cluster-a", "", ""): 57,
            ("reads", "cluster-a", "", ""): 9,
        }
        return MetricsView(
            at=self.view.at,
            version=self.view.version,
            watcher=self.view.watcher,
            jobs=tuple(
                JobsMetric(phase=phase, type=source, host=host, jobs=1)
                for phase, source, host in sorted({(one.job.phase, one.job.type, one.job.host) for one in jobs})
            ),
            hosts=self.view.hosts,
            counts=tuple(
                CountMetric(what=what, host=host, type=source, code=code, count=count)
                for (what, host, source, code), count in counts.items()
            ),
            unreadable=1,
        )


def a_morning() -> FakeBoard:
    """Make the board of the pictures: what an engineer may find after a night."""
    hour = timedelta(hours=1)
    ended: dict[str, Any] = {"ended_at": NOW - hour, "elapsed_s": 5420.0, "age_s": None}
    jobs = (
        board_job(
            "48213", name="sft-llama-8b", phase=Phase.FAILED, status="OUT_OF_MEMORY", exit_code=1, node="n014",
            cause="CUDA out of memory on rank 3, at train.py:212", session="s-train", **ended,
        ),
        board_job(
            "0b1d99ac8d04df09", session="s-eval", type="nel", name="ptq-eval", status="RUNNING (1 of 4 ended)",
            reason="mmlu_pro: 812 requests done", progress="mmlu_pro: 812 requests done", elapsed_s=4210.0,
        ),
        board_job("48230", name="sft-llama-8b-2", node="n021", elapsed_s=1805.0, mine=False),
        board_job(
            "7719", session="s-data", host="cluster-b", name="tokenize", elapsed_s=90000.0, age_s=1500,
            stale_since=NOW - timedelta(minutes=24), stale_because="ssh.refused: the connection was refused",
        ),
        board_job(
            "48231_[1-8]", name="sweep-lr", phase=Phase.PENDING, status="PENDING", reason="Priority", started_at=None,
            elapsed_s=None, expected_start_at=NOW + 2 * hour,
        ),
        board_job(
            "48240", name="export", phase=Phase.PENDING, status="PENDING", elapsed_s=None, started_at=None,
            stuck="DependencyNeverSatisfied: it can never start; cancel it", reason="DependencyNeverSatisfied",
        ),
        board_job("48190", name="ptq-llama-8b", phase=Phase.SUCCEEDED, status="COMPLETED", session="s-eval", **ended),
        board_job(
            "0b1d99ac8d04df01", session="s-eval", type="nel", name="baseline-eval", phase=Phase.SUCCEEDED,
            status="SUCCESS", result="MMLU-Pro 42.3 %", progress="MMLU-Pro 42.3 %", **ended,
        ),
    )  # fmt: skip
    logs = {
        "uid48213": "step 1199 loss 2.31\nstep 1200 loss 2.30\nTraceback (most recent call last):\n"
        '  File "train.py", line 212, in <module>\n    loss.backward()\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB",
        "uid48230": "\n".join(f"step {step} loss {2.6 - step / 4000:.2f}" for step in range(300, 420, 10)),
    }
    return FakeBoard(board_view(*jobs), logs)
