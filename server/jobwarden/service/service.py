"""The use cases. Every face calls these and nothing below."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import anyio

from jobwarden.identity import Caller
from jobwarden.service import (
    diagnosing,
    discovering,
    following,
    following_logs,
    health,
    hooking,
    looking,
    reading,
    recording,
    registering,
    ruling,
    stopping,
    waiting,
)
from jobwarden.service.auditing import Auditing
from jobwarden.service.board import Board
from jobwarden.service.controlling import Controlling
from jobwarden.service.desk import Desk
from jobwarden.service.halting import Halting
from jobwarden.service.hooking import Submission
from jobwarden.service.long_waits import LongWaits, Say
from jobwarden.service.looking import Scope
from jobwarden.service.once import Once
from jobwarden.service.past.area import Past
from jobwarden.service.plans import Plans
from jobwarden.service.reconciling import Reconciling
from jobwarden.service.retention import Retention
from jobwarden.service.selftest import SelfTest
from jobwarden.service.tailing import Asked
from jobwarden.service.tailing import tail as tail_log
from jobwarden.service.tickets import Answer, Ticket
from jobwarden.service.told import Ended, Tell
from jobwarden.service.using import Using
from jobwarden.service.views import (
    CancelView,
    DiagnoseView,
    DiscoverView,
    DoctorView,
    ExplainView,
    HookView,
    JobView,
    RecordingView,
    RegisterView,
    RulesView,
    StatusView,
    TailView,
    WatcherView,
)
from jobwarden.service.waiting import Progress, Standing, Until
from jobwarden.verdict.world import open_world
from jobwarden.watcher.presence import is_running, ring
from jobwarden_registry.events import Event


@asynccontextmanager
async def open_service(env: Mapping[str, str], *, project: Path | None = None) -> AsyncGenerator[Service]:
    """Open the service for one process: configuration, connections, registry.

    Args:
        env: The process's environment.
        project: The folder whose `.jobwarden.toml` may tighten the configuration.

    Raises:
        ConfigError: The user's configuration cannot be used.
        UntrustedError: The state folder is not the user's own.
    """
    async with open_world(env, project=project) as world, anyio.create_task_group() as tasks:
        yield Service(Desk(world, tasks, version=version("jobwarden")))
        tasks.cancel_scope.cancel()


class Service:
    """What can be asked and done. A job is named by its id, `type:id`, `host:id`, its name, or a tag."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._long_waits = LongWaits(desk)
        self.audit = Auditing(desk)
        self.halting = Halting(desk)
        self.once = Once(desk)
        self.retention = Retention(desk.world)
        self.plans = Plans(desk)
        self.selftest = SelfTest(desk, self.plans)
        self.reconciling = Reconciling(desk)
        self.past = Past(desk)
        self.control = Controlling(desk)
        self.board = Board(desk, self.control)
        self.using = Using(desk)

    async def register(
        self,
        caller: Caller,
        *,
        type: str,  # noqa: A002 -- the field's own term, and the tool's argument
        ids: Sequence[str],
        host: str = "localhost",
        user: str = "",
        description: str = "",
        name: str | None = None,
        tags: Sequence[str] = (),
        log_path: str | None = None,
        expect: Sequence[str] = (),
        ready: str | None = None,
        rules: Sequence[str] = (),
    ) -> RegisterView:
        """Watch these jobs from now on; idempotent. Looks at them once, and starts the watcher.

        Raises:
            InvalidIdError: An id, host or type that cannot be one; nothing was registered.
            InvalidRuleError: A rule that cannot be, or is not allowed; nothing was registered.
            UnwritableError: The registry cannot be written.
        """
        asked = registering.Registration(type, ids, host, user, description, name, tags, log_path, expect, ready, rules)
        return await registering.register(self._desk, caller, asked)

    async def run_process(
        self,
        caller: Caller,
        argv: Sequence[str],
        *,
        cwd: Path,
        name: str | None = None,
        description: str = "",
        log_path: str | None = None,
        ready: str | None = None,
    ) -> RegisterView:
        """Start a local program under a supervisor that outlives us, and watch it."""
        return await registering.run_process(
            self._desk, caller, argv, cwd=cwd, name=name, description=description, log_path=log_path, ready=ready
        )

    async def status(
        self, caller: Caller, *, jobs: Sequence[str] = (), refresh: bool = True, scope: Scope = "session"
    ) -> StatusView:
        """Say where the jobs stand, and what this caller has not been told.

        Raises:
            JobNotFoundError, AmbiguousJobError: A name fits no job, or several; the text lists them.
        """
        await self._desk.registrations(caller)
        return await looking.status(self._desk, caller, jobs=jobs, refresh=refresh, scope=scope)

    async def wait(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str] = (),
        until: Until = "change",
        timeout_s: float = 45.0,
        progress: Progress | None = None,
    ) -> StatusView:
        """Answer as `status` at the first such change, or when the time is up (`met` says which).

        News that the caller has not been told ends `until="change"` at once.
        """
        await self._desk.registrations(caller)
        return await waiting.wait(self._desk, caller, jobs=jobs, until=until, timeout_s=timeout_s, progress=progress)

    async def begin_wait(
        self, caller: Caller, *, jobs: Sequence[str] = (), until: Until = "change", timeout_s: float
    ) -> Ticket | StatusView | None:
        """Begin a wait that this process need not see the end of.

        Returns:
            A ticket for `wait_again`; or an answer as `wait` gives where it is over at once; or None where no ticket
            can be given out (a state folder that cannot be written): then nothing was begun or told.
        """
        await self._desk.registrations(caller)
        return await self._long_waits.begin(caller, jobs=jobs, until=until, timeout_s=timeout_s)

    async def wait_ticket(self, text: str) -> Ticket:
        """Give the ticket that a text stands for.

        Raises:
            TicketError: It is none of this user's, or its answer is no longer kept.
        """
        return await self._long_waits.read(text)

    async def wait_again(self, caller: Caller, ticket: Ticket, say: Say) -> Standing | Answer:
        """Say how a wait stands. Its end is told, and noted as shown, once; asked again, the answer is the same.

        Args:
            caller: Of the session that began it, with the ticket's sub-agent.
            ticket: The wait.
            say: Writes down the end.

        Raises:
            TicketError: It is another session's.
            JobwardenError: What a later call may not meet; the wait goes on.
        """
        return await self._long_waits.again(caller, ticket, say)

    async def give_up_wait(self, caller: Caller, ticket: Ticket) -> None:
        """End a wait without an answer; one that has its answer keeps it.

        Raises:
            TicketError: It is another session's.
        """
        await self._long_waits.give_up(caller, ticket)

    async def tail(
        self,
        caller: Caller,
        job: str,
        *,
        lines: int = 80,
        stream: str | None = None,
        task: str | None = None,
        cursor: str | None = None,
        grep: str | None = None,
        context: int = 0,
    ) -> TailView:
        """Show the end of a job's log, or what is new in it since a cursor, or the lines that match. See `Asked`.

        Raises:
            InvalidIdError: The job has no such stream or task.
            CursorError: That is no cursor, or one of another job.
            PatternError: That cannot be searched for in linear time.
            LogRefusedError: The file is none that may be read.
        """
        asked = Asked(lines=lines, stream=stream, task=task, cursor=cursor, grep=grep, context=context)
        await self._desk.registrations(caller)
        return await tail_log(self._desk, caller, job, asked)

    async def diagnose(self, caller: Caller, job: str) -> DiagnoseView:
        """Say why a job failed: asks its scheduler once, and reads its logs within bounds.

        Of a job that lives: what can be said already. Of one that succeeded: that there is nothing.

        Raises:
            JobNotFoundError, AmbiguousJobError: The name fits no job, or several; the text lists them.
        """
        await self._desk.registrations(caller)
        return await diagnosing.diagnose_job(self._desk, caller, job)

    async def follow_logs(
        self,
        caller: Caller,
        jobs: Sequence[str],
        *,
        lines: int = 80,
        stream: str = "stdout",
        task: str | None = None,
        tell: Tell,
    ) -> tuple[Ended, ...]:
        """Tell the last lines of these jobs' logs and all that comes after them, until all of them have ended.

        The file is re-read when it is cut or replaced, and followed to another one when the job goes on there.

        Returns:
            One end for each job, in the order of `Began.jobs`.

        Raises:
            JobNotFoundError, AmbiguousJobError, InvalidIdError: As `tail`; one stream can be followed, not both.
            LogRefusedError, TransportError: A log could not be read to begin with. What goes wrong later is told.
        """
        return await following_logs.follow_logs(
            self._desk, caller, jobs, lines=lines, stream=stream, task=task, tell=tell
        )

    async def watch_log(self, caller: Caller, job: str, *, action: str = "list", rule: str | None = None) -> RulesView:
        """Add, list, pause, resume, remove, test or trigger the rules of a job.

        Args:
            caller: Who asks. Only the session that watches the job changes its rules.
            job: Which.
            action: One of these.
            rule: For `add` the rule in the #WATCHER syntax, for `test` one, a name, or nothing for all; else its name.

        Raises:
            InvalidRuleError: The rule cannot be, or is not allowed; the hint says what to write.
            InvalidIdError: No such action or rule, or the job has ended.
            LogRefusedError, TransportError: For `test`: the log cannot be read.
        """
        return await ruling.watch_log(self._desk, caller, job, action=action, rule=rule)

    async def cancel(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str] = (),
        all_jobs: bool = False,
        reason: str = "",
        dry_run: bool = False,
        force: bool = False,
        only: Collection[str] | None = None,
    ) -> CancelView:
        """Ask for the end of jobs and look whether it comes. Another session's jobs need `force`.

        With `only`, what `to_cancel` gave, nothing else is ended; what was registered since is reported as such. All of
        a session are ended by a stop: its rules are halted first, so that nothing comes back; see `Halting.stop`.
        """
        await self._desk.registrations(caller)
        if all_jobs and not jobs and not dry_run and (force or caller.owns(caller.session_id)) and only != {}:
            return await self.halting.cancel_all(caller, reason=reason, only=only)
        return await stopping.cancel(
            self._desk, caller, jobs=jobs, all_jobs=all_jobs, reason=reason, dry_run=dry_run, force=force, only=only
        )

    async def to_cancel(
        self, caller: Caller, *, jobs: Sequence[str] = (), all_jobs: bool = False, force: bool = False
    ) -> dict[str, JobView]:
        """Give the living jobs that `cancel` would ask the end of, by their `uid`; asks no host and tells no news.

        Raises:
            JobNotFoundError, AmbiguousJobError: As `cancel`.
        """
        await self._desk.registrations(caller)
        return await stopping.to_cancel(self._desk, caller, jobs=jobs, all_jobs=all_jobs, force=force)

    async def discover(
        self,
        caller: Caller,
        *,
        host: str | None = None,
        type: str | None = None,  # noqa: A002 -- the field's own term
        adopt: Sequence[str] = (),
    ) -> DiscoverView:
        """List jobs of this user that no session watches, and watch those that are named in `adopt` (`all`: all).

        Looks on `host`, else on this machine and every host that is configured or watched.

        Raises:
            UnknownTypeError, InvalidIdError: No source of that type, or none that can list; or no such host.
            JobNotFoundError, AmbiguousJobError: What is to be adopted is not among them, or means several.
        """
        return await discovering.discover(self._desk, caller, host=host, job_type=type, adopt=adopt)

    async def submitted(self, caller: Caller, jobs: Sequence[Submission], *, announcement: str = "") -> None:
        """Watch what a hook saw being submitted; what cannot be watched becomes news of the session."""
        await hooking.submitted(self._desk, caller, jobs, announcement=announcement)

    async def tell(self, caller: Caller, *, event: str, previous: str | None = None, held: bool = False) -> HookView:
        """Say what this agent is to be told at an event of its client, and note it as shown. Asks no host.

        Args:
            caller: The root session's agent.
            event: `SessionStart`, `UserPromptSubmit` or `Stop`.
            previous: The session that this one takes the place of (`/clear`): its jobs come along.
            held: The agent was held at this stop already, and has seen what for: nothing more is told.
        """
        return await hooking.tell(self._desk, caller, event=event, previous=previous, held=held)

    async def explain(self, caller: Caller, job: str) -> ExplainView:
        """Say why a job, live or ended, is in the state that it is in."""
        return await reading.explain(self._desk, caller, job)

    async def job(self, caller: Caller, job: str) -> JobView:
        """Give one job, live or ended."""
        return await self._desk.view(await reading.find(self._desk, caller, job), caller)

    async def recent(self, caller: Caller, *, limit: int = 50) -> tuple[Event, ...]:
        """Give the session's latest events, oldest first; moves no cursor."""
        session = await self._desk.session(caller)
        return () if session is None else await self._desk.news.recent(session, limit=limit)

    def follow(self, caller: Caller, *, after_seq: int | None = None) -> AsyncIterator[Event]:
        """Give events as they come, from a cursor (None: from now on); makes sure that the watcher runs."""
        return following.follow(self._desk, caller, after_seq=after_seq)

    async def doctor(self, caller: Caller, *, hosts: Sequence[str] = ()) -> DoctorView:
        """Look at the configuration, the folders, the watcher and every host, and say what would go wrong."""
        return await health.doctor(self._desk, caller, hosts=hosts)

    async def record(self, *, host: str = "localhost", path: Path, for_s: float) -> RecordingView:
        """Record for so long what this user's Slurm jobs there look like, anonymised, for the public corpus.

        Raises:
            RecordingError: The file exists, or there is no Slurm; nothing was asked for longer than that takes to know.
            TransportError: The host does not answer.
            UnwritableError: The file cannot be written.
        """
        return await recording.record(self._desk, host=host, path=path, for_s=for_s)

    async def watcher(self) -> WatcherView:
        """Say whether the background process runs."""
        return health.watcher_view(self._desk)

    async def stop_watcher(self) -> bool:
        """Ask the background process to end; answers whether one was running."""
        places = self._desk.world.places
        return is_running(places) and ring(places, "stop")
