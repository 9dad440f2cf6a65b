"""`[clocks]`: every time in the program."""

from __future__ import annotations

from pydantic import Field

from jobwarden.config.section import Count, Pause, Seconds, Section


class Clocks(Section):
    """Every time in the program, in seconds."""

    poll_s: Seconds = 60.0
    """Between two questions to one source on one host."""
    quick_s: tuple[Seconds, ...] = (5.0, 10.0, 20.0)
    """The first questions after a registration."""
    quick_window_s: Pause = 120.0
    """How long after a registration quick questions are allowed."""
    quick_budget: int = Field(default=12, ge=0)
    """Quick questions allowed per host in `quick_budget_window_s`."""
    quick_budget_window_s: Pause = 600.0
    floor_s: Pause = 15.0
    """An answer younger than this is not asked for again, by anybody."""
    jitter: float = Field(default=0.1, ge=0, le=0.5)
    """Share of a wait by which it is spread."""
    backoff_first_s: Seconds = 30.0
    """A host that did not answer is left alone for this long, then twice as long, and so on."""
    backoff_most_s: Seconds = 300.0
    """And at most for this long."""
    grace_s: Pause = 120.0
    """After a submission, being nowhere is normal for this long."""
    lost_after_s: Pause = 300.0
    """Continuous absence until a job is `lost`, over at least `lost_answers` good answers."""
    lost_answers: Count = 3
    """See `lost_after_s`."""
    lost_kept_s: Pause = 86400.0
    """A lost job is looked for so much longer, rarely, for it may be found again."""
    gap_ticks: float = Field(default=3.0, ge=1)
    """A gap of more than this many polls between good answers starts an absence anew."""
    requeue_loop_s: Seconds = 600.0
    """So many requeues (`requeue_loop_count`) within this time are a loop, and the job is stuck."""
    requeue_loop_count: int = Field(default=3, ge=2)
    """See `requeue_loop_s`."""
    expect_again_s: Pause = 30.0
    """A job that has succeeded without an expected output has failed when it is missing still after this: network file
    systems lag."""
    nel_every_s: Pause = 120.0
    """Between two calls of `nel status` about one run; in between the Slurm jobs that it named are asked about."""
    ask_timeout_s: Seconds = 75.0
    """For one command on a host. Slurm takes up to 50 s to say that munge is stale."""
    ask_wait_s: Pause = 2.0
    """How long to wait for somebody else who is asking already, before taking the old answer."""
    lock_timeout_s: Seconds = 30.0
    """How long to wait for others who write the same session."""
    lock_stale_s: Seconds = 10.0
    """A lock of another machine whose content did not change for this long, by our own clock, is broken."""
    disk_timeout_s: Seconds = 30.0
    """A session's folder that does not answer for this long, beyond `lock_timeout_s`, is passed over until it does."""
    lease_s: Seconds = 180.0
    """A session's lease of another machine whose beats did not change for this long is taken over."""
    beat_s: Seconds = 20.0
    """Between two beats of the leases that the watcher holds."""
    scan_s: Seconds = 10.0
    """Between two looks at the index for sessions and jobs that nobody told the watcher about."""
    linger_s: Pause = 30.0
    """How long the watcher stays when nothing is left."""
    wait_step_s: Seconds = 0.25
    """Between two looks at the journal while somebody waits."""
    cancel_grace_s: Pause = 10.0
    """Between SIGTERM and SIGKILL for a local process; and how long cancel_job looks for the effect."""
    idle_close_s: Seconds = 300.0
    """An unused connection is closed after this."""
    connect_timeout_s: Seconds = 20.0
    """For a connection to a host."""
    keepalive_s: Seconds = 15.0
    """Between two signs of life on a connection."""
    recent_s: Pause = 86400.0
    """How long an ended job counts in "2 of 4 completed"."""
    rules_least_s: Seconds = 5.0
    """Between two looks at one job's logs for its rules, whatever interval these want."""
    rules_settle_s: Pause = 10.0
    """After a job's end its logs are read once more when this has passed: network file systems lag."""
    use_s: Pause = 600.0
    """Between two looks of the watcher at what the running jobs of a host use (CPU, memory, GPUs); 0: never."""
    use_after_s: Pause = 300.0
    """How long a job must have run before it is looked at for that."""
    stalled_after_s: Pause = 1800.0
    """A job that may hang is told of when it has stood still for this long, over at least `stalled_looks` looks."""
    stalled_looks: int = Field(default=4, ge=2)
    """See `stalled_after_s`."""
    restart_held_s: Seconds = 10800.0
    """The end of a run that may be followed by another one is told after this, if nobody has decided about it."""
    offer_after_s: Pause = 60.0
    """How old a job must be that nobody watches before an agent is offered it: a younger one may be registered yet."""
