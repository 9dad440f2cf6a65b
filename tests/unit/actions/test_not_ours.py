"""What is open of a job that another machine has, or that nobody watches any more (`Actor.take_up`)."""

from __future__ import annotations

from typing import Any

import pytest

from jobwarden.actions import carrying
from jobwarden.actions.book import Book
from jobwarden.actions.cancel import Doomed, Order, request_cancel
from jobwarden.rules.building import read_rules
from jobwarden.rules.looking import Looker
from jobwarden.rules.state import JobRules
from jobwarden.rules.store import Change, change_rules, load_rules
from jobwarden.rules.writing import write_rule
from jobwarden.transport.errors import ConnectError
from jobwarden.watcher.leasing import Leasing
from jobwarden_registry.errors import LeaseLostError
from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase
from support.deeds import GRANTS, Stage, call

NOWHERE = ConnectError("No connection.", code="ssh.refused")


@pytest.fixture
def granted() -> str:
    return f'{GRANTS}\n[commands.note]\nargv = ["true"]\n'


async def _open_cancel(stage: Stage) -> None:
    stage.press.cancel_raises = NOWHERE
    (done,) = await stage.do(call("cancel_job"))
    assert done.outcome == "open"
    stage.press.cancel_raises = None
    stage.clock.later(minutes=11)


def _moved(stage: Stage, site: str | None) -> None:
    with stage.session.transaction() as transaction:
        record = stage.current().changed(site=site)
        transaction.change(stage.record.uid, record, EventKind.UPDATED, text="site")


async def test_an_open_cancel_of_a_process_of_another_machine_is_left_to_that_machine(stage: Stage) -> None:
    await _open_cancel(stage)
    _moved(stage, "local:ffffffffffffffff")
    assert await stage.actor().take_up(stage.session) == []
    assert stage.press.killed == {}
    _moved(stage, stage.record.site)
    assert [one.outcome for one in await stage.actor().take_up(stage.session)] == ["done"]


async def test_a_command_that_another_machine_runs_is_not_called_unsure_here(stage: Stage) -> None:
    with pytest.MonkeyPatch.context() as patch:

        async def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(Book, "note", killed)
        with pytest.raises(KeyboardInterrupt):
            await stage.do(call("run_command", command="note"))
    _moved(stage, "local:ffffffffffffffff")
    assert await stage.actor().take_up(stage.session) == []
    assert "whether it ran to its end is not known" not in stage.texts()


async def test_what_was_open_of_a_job_that_was_removed_is_given_up_and_told(stage: Stage) -> None:
    await _open_cancel(stage)
    with stage.session.transaction() as transaction:
        transaction.remove(stage.record.uid, text="by hand")
    assert [one.outcome for one in await stage.actor().take_up(stage.session)] == ["failed"]
    assert "cancel_job was not done: the job is watched here no longer" in stage.texts()
    assert await stage.actor().take_up(stage.session) == []


async def test_an_open_deed_of_one_job_keeps_no_other_job_from_being_closed(stage: Stage) -> None:
    """And the look at the removed one gives up what was open of it, so that the watcher can end."""
    await _open_cancel(stage)
    [rule] = read_rules(["pattern=x action=pause"])
    with stage.session.transaction() as transaction:
        other, _ = transaction.register(stage.record.changed(id="101", uid="", rules=(write_rule(rule),)))
    with stage.session.transaction() as transaction:
        transaction.finish(other.uid, other.changed(phase=Phase.SUCCEEDED, last_status="COMPLETED"))
    stage.press.cancel_raises = NOWHERE
    looker = Looker(stage.world.rounds, stage.home.env)
    for record in (stage.record, other):
        assert change_rules(stage.session, Change(record, 0, JobRules(done=True)))
    assert (await looker.look(stage.session, other.uid, lease=None)).wait_s is None
    with stage.session.transaction() as transaction:
        transaction.remove(stage.record.uid, text="by hand")
    assert (await looker.look(stage.session, stage.record.uid, lease=None)).wait_s is None
    assert (load_rules(stage.session), await stage.actor().take_up(stage.session)) == ({}, [])


async def test_a_cancel_under_a_lost_lease_is_neither_noted_nor_done(stage: Stage) -> None:
    order = Order(by="rule diverged", session_id="session-1")
    (report,) = await request_cancel(
        stage.world.rounds, [Doomed(stage.session, stage.current())], order, lease="another's"
    )
    assert report.outcome != "accepted"
    assert (stage.press.killed, "cancel_requested" in stage.home.kinds()) == ({}, False)


async def test_a_lease_that_is_lost_before_a_rule_cancels_lets_it_cancel_nothing(stage: Stage) -> None:
    leasing = Leasing(stage.world)
    assert await leasing.hold(stage.session)
    lease = leasing.tokens()[stage.session.entry.session_id]
    with pytest.MonkeyPatch.context() as patch:

        async def lose(*args: Any, **how: Any) -> object:
            await leasing.release_all()
            return await request_cancel(*args, **how)

        patch.setattr(carrying, "request_cancel", lose)
        with pytest.raises(LeaseLostError):
            await stage.do(call("cancel_job"), lease=lease)
    assert (stage.press.killed, "cancel_requested" in stage.home.kinds()) == ({}, False)
