"""Plans: jobs that a file describes, submitted once each, watched, and taken up again after whatever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.plan_views import PlanCheckView, PlanListView, PlanView


class Plans:
    """What can be asked and done about plans. A plan is named by its file (a Path) or by its name (a str)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def check(self, caller: Caller, file: Path, *, ask_hosts: bool = True) -> PlanCheckView:
        """Say everything that is wrong with a plan's file; does nothing.

        Args:
            caller: Who asks; its project and the user's configuration decide what rules may do.
            file: The plan.
            ask_hosts: Whether to look there for the folders and scripts.

        Raises:
            PlanError: The file cannot be read at all.
        """
        raise NotImplementedError

    async def submit(
        self, caller: Caller, file: Path, *, at_most: int | None = None, wait: bool = True, dry_run: bool = False
    ) -> PlanView:
        """Submit what is missing, adopt what runs already, and watch all of it. Twice is as good as once.

        Args:
            caller: Whose session watches the jobs.
            file: The plan.
            at_most: Submit no more than so many now; the next call goes on.
            wait: Wait for submissions whose answer was lost, until it is certain what came of them.
            dry_run: Only say what would be done.

        Raises:
            PlanError: Something is wrong with it, and all of that is in the text; nothing was done.
            PlanBusyError: Another process works on it.
        """
        raise NotImplementedError

    async def watch(
        self, caller: Caller, plan: Path | str, *, host: str = "", include_ended: bool = False, dry_run: bool = False
    ) -> PlanView:
        """Watch every job of a plan that exists, registered before or not; submits nothing.

        Args:
            caller: Whose session watches the jobs.
            plan: A plan's file, a session file (JSON), or a plan's name.
            host: Where the jobs of a session file are.
            include_ended: Watch those anew, too, whose end this session has seen.
            dry_run: Only say what would be done.
        """
        raise NotImplementedError

    async def resume(
        self,
        caller: Caller,
        plan: Path | str,
        *,
        retry: Sequence[str] = (),
        names: Sequence[str] = (),
        tags: Sequence[str] = (),
        include_ended: bool = False,
        overrides: Mapping[str, Sequence[str]] | None = None,
        at_most: int | None = None,
        wait: bool = True,
        dry_run: bool = False,
    ) -> PlanView:
        """Go on after any interruption: find what was submitted, submit what is missing, lift a suspension.

        Args:
            caller: Whose session watches the jobs.
            plan: Its file or name.
            retry: Submit those again that ended so: failed, cancelled, lost; `unsure`: of whose submission nobody
                knows what came.
            names: Of these, only the jobs with such a name (`train*`).
            tags: Only those with all of these tags.
            include_ended: As `watch`.
            overrides: `rules`, `restart`, `expect`, `ready` instead of the plan's, from this call on, for what it
                submits and for what lives.
            at_most: As `submit`.
            wait: As `submit`.
            dry_run: As `submit`.

        Raises:
            As `submit`; JobNotFoundError: there is no such plan.
        """
        raise NotImplementedError

    async def suspend(
        self, caller: Caller, name: str, *, reason: str, hold: bool = False, dry_run: bool = False
    ) -> PlanView:
        """Submit nothing more, and pause the rules of its jobs, until `resume`. What runs goes on.

        Args:
            caller: Who asks.
            name: The plan.
            reason: Shown with the plan.
            hold: Hold the jobs in the queue that wait there.
            dry_run: Only say what would be done.
        """
        raise NotImplementedError

    async def status(self, caller: Caller, name: str, *, by: Sequence[str] = (), refresh: bool = True) -> PlanView:
        """Say how a plan stands, with a count for each tag, or for each combination of the keys in `by`."""
        raise NotImplementedError

    async def list(self, caller: Caller) -> PlanListView:
        """List the plans of the caller's project."""
        raise NotImplementedError

    async def forget(self, caller: Caller, name: str) -> None:
        """Forget a plan; its jobs stay as they are."""
        raise NotImplementedError
