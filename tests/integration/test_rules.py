"""Rules on real logs, looked at by a real watcher: a local program, whose log the test writes."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.rules.store import has_rules
from jobwarden.service.service import Service, open_service
from jobwarden.service.taking_over import take_over
from jobwarden.service.views import RulesView
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.events import Event
from jobwarden_registry.index import Index
from jobwarden_registry.session import Session
from support.household import Household, eventually, household

CLOCKS = {"rules_least_s": 0.2, "rules_settle_s": 0.4}
LOSS = (
    'name=loss pattern="epoch ([0-9]+) loss: (\\S+)" captures=[epoch, loss] condition="float(loss) > 5" '
    'interval=1 action=log_event(message="${loss} at ${epoch}")'
)


@contextmanager
def rules_home(root: Path, extra: str = "") -> Generator[Household]:
    with household(root, CLOCKS, extra) as home:
        yield home


class Job:
    """A program that does nothing, and its log."""

    def __init__(self, home: Household, service: Service, id_: str, log: Path, gate: Path) -> None:
        self.home, self.service, self.id, self.log, self._gate = home, service, id_, log, gate

    @classmethod
    async def start(cls, home: Household, service: Service, name: str = "job") -> Job:
        gate = home.root / f"gate-{name}"
        log = home.project / f"{name}.log"
        wait = f"until [ -e {gate} ] || [ ! -d {home.root} ]; do sleep 0.1; done"  # it outlives no test
        view = await service.run_process(
            home.caller(), ["sh", "-c", wait], cwd=home.project, name=name, log_path=str(log)
        )
        return cls(home, service, view.jobs[0].id, log, gate)

    def write(self, text: str) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(text)

    async def watch(self, action: str, rule: str | None = None) -> RulesView:
        return await self.service.watch_log(self.home.caller(), self.id, action=action, rule=rule)

    def fired(self, rule: str | None = None) -> list[Event]:
        events = [event for event in self.home.journal() if event.event == "rule_fired"]
        return [event for event in events if rule is None or (event.model_extra or {})["rule"] == rule]

    async def until_fired(self, rule: str, times: int = 1) -> list[Event]:
        await until(lambda: len(self.fired(rule)) >= times, f"{rule} has fired {times} times")
        return self.fired(rule)

    async def end(self) -> None:
        self._gate.touch()
        await until(lambda: "finished" in self.home.kinds(), "the end")


async def until(condition: object, what: str, within_s: float = 30.0) -> None:
    await to_thread.run_sync(lambda: eventually(condition, what, within_s))  # type: ignore[arg-type]  # a callable


def session_of(home: Household, session_id: str = "session-1") -> Session:
    [entry] = [one for one in Index(home.places, clock=utc_now).all() if one.session_id == session_id]
    return Session(home.places, entry, clock=utc_now)


async def test_a_rule_fires_for_what_is_written_after_it_was_added_once_a_line_and_at_the_end(
    clean_environment: Path,
) -> None:
    with rules_home(clean_environment) as home:
        async with open_service(home.env) as service:
            job = await Job.start(home, service)
            job.write("epoch 0 loss: 99\n")
            added = await job.watch("add", LOSS)
            assert [(rule.name, rule.fired) for rule in added.rules] == [("loss", 0)]
            await job.watch("add", 'name=score pattern="score ([0-9]+)" at_end=true interval=1')
            await job.watch("add", "name=over at_end=true")
            session = session_of(home)
            await until(lambda: has_rules(session), "the rules are kept")
            await until_looked(job)
            job.write("epoch 1 loss: 2\nepoch 2 loss: 7.5\nepoch 3 lo")
            [event] = await job.until_fired("loss")
            extra = event.model_extra or {}
            assert extra["line"] == "epoch 2 loss: 7.5"
            assert (extra["captures"]["epoch"], extra["captures"]["loss"]) == ("2", "7.5")
            job.write("ss: 8\nscore 1\nscore 2")
            await job.until_fired("loss", 2)
            await job.end()
            [score] = await job.until_fired("score")
            assert (score.model_extra or {})["captures"]["1"] == "2"
            await job.until_fired("over")
            await until(lambda: not has_rules(session), "nothing is left of the rules")
            assert [(event.model_extra or {})["line"] for event in job.fired("loss")] == [
                "epoch 2 loss: 7.5",
                "epoch 3 loss: 8",
            ]
            assert len({(event.model_extra or {})["firing"] for event in job.fired()}) == 4


async def until_looked(job: Job) -> None:
    """Wait until the log was looked at once: what is written from now on comes after the rule."""

    def looked() -> bool:
        from jobwarden.rules.store import load_rules

        states = load_rules(session_of(job.home)).values()
        return any(place.place for state in states for place in state.files.values())

    await until(looked, "the log was looked at")


async def test_a_killed_watcher_neither_skips_nor_repeats_a_firing(clean_environment: Path) -> None:
    with rules_home(clean_environment) as home:
        async with open_service(home.env) as service:
            job = await Job.start(home, service)
            await job.watch("add", "name=hit pattern=hit interval=1")
            await until_looked(job)
            for number in range(4):
                job.write(f"hit {number}\n")
                if number % 2:
                    await job.until_fired("hit", number)
                killed = await to_thread.run_sync(home.kill_watcher)
                await job.watch("resume", "hit")  # as every change, it starts a watcher where none is
                await until(lambda: home.watcher_pid() not in (None, killed), "another watcher")  # noqa: B023 -- awaited here
            await job.until_fired("hit", 4)
            await job.end()
            assert [(event.model_extra or {})["line"] for event in job.fired("hit")] == [
                f"hit {number}" for number in range(4)
            ]


async def test_rules_are_managed_and_tried(clean_environment: Path) -> None:
    with rules_home(clean_environment) as home:
        async with open_service(home.env) as service:
            job = await Job.start(home, service)
            job.write("".join(f"epoch {n} loss: {n}\n" for n in range(10)) + "epoch 10 loss: n/a\n")
            tried = await job.watch("test", LOSS)
            assert tried.tried is not None
            [one] = tried.tried
            assert (one.fired, one.matches, one.failed, one.lines) == (4, 11, 1, 11)
            assert [(hit.line, hit.captures["loss"]) for hit in one.hits] == [(7, "6"), (8, "7"), (9, "8"), (10, "9")]
            assert tried.rules == ()
            assert not job.fired()
            await job.watch("add", LOSS)
            again = await job.watch("add", LOSS)
            assert len(again.rules) == 1
            paused = await job.watch("pause", "loss")
            assert paused.rules[0].paused
            await job.watch("trigger", "loss")
            [event] = await job.until_fired("loss")
            assert (event.model_extra or {})["manual"] is True
            assert not (await job.watch("resume", "loss")).rules[0].paused
            assert (await job.watch("remove", "loss")).rules == ()
            with pytest.raises(InvalidIdError, match="no rule"):
                await job.watch("pause", "loss")
            with pytest.raises(InvalidRuleError, match="cancel"):
                await job.watch("add", "pattern=x action=cancel_job")
            with pytest.raises(InvalidRuleError, match="configured as"):
                await job.watch("add", 'pattern=x action=run_command(command="echo hi | logger")')
            await job.end()
            with pytest.raises(InvalidIdError, match="ended"):
                await job.watch("add", LOSS)
            assert (await job.watch("test", LOSS)).tried


async def test_a_rotated_log_and_one_written_anew_lose_no_line_and_double_none(clean_environment: Path) -> None:
    with rules_home(clean_environment) as home:
        async with open_service(home.env) as service:
            job = await Job.start(home, service)
            await job.watch("add", "name=hit pattern=hit interval=1")
            await until_looked(job)
            job.write("hit 1\n")
            await job.until_fired("hit")
            job.write("hit 2\nhit 3")
            job.log.rename(job.log.with_name("job.log.1"))
            job.write("hit 4\n")
            await job.until_fired("hit", 4)
            os.truncate(job.log, 0)
            job.write("hit 5 after the log was cut\n")
            await job.until_fired("hit", 5)
            await job.end()
            lines = [str((event.model_extra or {})["line"])[:5] for event in job.fired("hit")]
            assert lines == ["hit 1", "hit 2", "hit 3", "hit 4", "hit 5"]


async def test_without_a_grant_a_rule_may_pause_itself(clean_environment: Path) -> None:
    with rules_home(clean_environment) as home:
        async with open_service(home.env) as service:
            job = await Job.start(home, service)
            await job.watch("add", "name=hit pattern=hit interval=1 action=pause")
            await until_looked(job)
            job.write("hit 1\n")
            await job.until_fired("hit")
            session = session_of(home)

            def paused() -> bool:
                from jobwarden.rules.store import load_rules

                return any(state.of("hit").paused for state in load_rules(session).values())

            await until(paused, "it is paused")
            job.write("hit 2\n")
            await job.end()
            await until(lambda: not has_rules(session), "nothing is left of the rules")
            assert len(job.fired("hit")) == 1


async def test_rules_that_need_no_line_fire_too(clean_environment: Path) -> None:
    with rules_home(clean_environment) as home:
        async with open_service(home.env) as service:
            job = await Job.start(home, service)
            (home.project / "there.pt").touch()
            for rule in (
                "name=silent silence=2s interval=1",
                'name=stands standstill=2s pattern="step ([0-9]+)" interval=1',
                "name=late time=1s interval=1",
                "name=missing missing_file=never.pt within=1s interval=1",
                "name=there missing_file=there.pt within=1s interval=1",
                "name=outside missing_file=/etc/never within=1s interval=1",
                "name=over state=[end, FAILED] interval=1",
            ):
                await job.watch("add", rule)
            await until_looked(job)
            job.write("step 5\nnot a whole line")
            for name in ("silent", "stands", "late", "missing"):
                await job.until_fired(name)
            said = "The rule outside of"
            await until(lambda: said in str([event.text for event in home.journal()]), "a refused path is told")
            await job.end()
            await job.until_fired("over")
            assert len(job.fired("silent")) == len(job.fired("stands")) == len(job.fired("missing")) == 1
            assert not job.fired("there")


async def test_rules_of_a_job_that_another_session_takes_over_go_on_where_they_were(clean_environment: Path) -> None:
    with rules_home(clean_environment) as home:
        async with open_service(home.env) as service:
            job = await Job.start(home, service)
            await job.watch("add", "name=hit pattern=hit interval=1")
            await until_looked(job)
            job.write("hit 1\n")
            await job.until_fired("hit")
            desk = service._desk  # pyright: ignore[reportPrivateUsage] -- how a session is gone is another test's matter
            entry = desk.world.sessions.index.get("session-1")
            assert entry is not None
            source = desk.world.sessions.of(entry)
            await take_over(desk, home.caller("session-2"), source, {one.uid for one in source.load()})
            after = await service.watch_log(home.caller("session-2"), job.id, action="list")
            assert [(rule.name, rule.fired) for rule in after.rules] == [("hit", 1)]
            job.write("hit 2\n")

            def fired() -> list[str]:
                events = [event for event in home.journal("session-2") if event.event == "rule_fired"]
                return [str((event.model_extra or {})["line"]) for event in events]

            await until(fired, "it fires for its new session")
            assert fired() == ["hit 2"]
            assert len(job.fired("hit")) == 1
