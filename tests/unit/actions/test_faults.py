"""A deed that fails in a way that nobody foresaw, or hangs: the others go on (`actions.carrying`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from jobwarden.actions import carrying
from jobwarden.actions.call import Firing
from jobwarden.actions.carrying import Done
from jobwarden.config.granting import NotifyConfig
from jobwarden.config.reading import ConfigError, load_config
from jobwarden.delivery.news import is_news
from jobwarden.sources.base import CancelOutcome, Host, Wanted
from jobwarden.transport.errors import ConnectError
from jobwarden_registry.model import JobRecord
from support.deeds import BEGIN, GRANTS, Stage, call

SECRET = "pa[ss"
BAD = (f"smtps://me:{SECRET}@mail.example.org/", "smtp://host:port/", "smtp://me:pa#ss@host", "smtp://me:1/x@host")


@pytest.fixture
def granted() -> str:
    return f"""{GRANTS}
[notify.boss]
env = "JOBWARDEN_BOSS"
[notify.slack]
url = "slack://a:b#c/[d"
[commands.note]
argv = ["true"]
"""


@pytest.mark.parametrize("url", BAD)
def test_a_mail_url_that_cannot_be_read_is_refused_with_the_configuration(tmp_path: Path, url: str) -> None:
    path = tmp_path / "other.toml"
    path.write_text(f'[notify.boss]\nurl = "{url}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_config(path)
    assert (SECRET in str(caught.value), "pa#" in str(caught.value)) == (False, False)
    with pytest.raises(ValueError, match="cannot be read"):
        NotifyConfig(url=url)


@pytest.mark.parametrize("url", BAD)
async def test_a_url_of_the_environment_that_cannot_be_read_stops_no_other_deed(stage: Stage, url: str) -> None:
    stage.home.env["JOBWARDEN_BOSS"] = url
    done = await stage.do(call("notify", target="boss", message="m"), call("cancel_job"))
    assert [one.outcome for one in done] == ["failed", "done"]
    assert (SECRET in stage.texts(), "pa#" in stage.texts()) == (False, False)
    assert await stage.actor().take_up(stage.session) == []


async def test_a_fault_of_a_message_is_told_without_what_it_says_and_stops_no_other(stage: Stage) -> None:
    with pytest.MonkeyPatch.context() as patch:

        async def broken(*_: object) -> None:
            raise RuntimeError(SECRET)

        patch.setattr(carrying, "send", broken)
        done = await stage.do(call("notify", target="boss"), call("cancel_job"))
        stage.clock.later(hours=3)
        ends = await stage.actor().take_up(stage.session)
    assert [one.outcome for one in (*done, *ends)] == ["open", "done", "failed"]
    assert "notify was given up: RuntimeError" in stage.texts()
    assert SECRET not in stage.texts()
    assert any(is_news(event) and "RuntimeError" in (event.text or "") for event in stage.deeds())


async def test_a_fault_of_what_was_begun_is_noted_as_not_known(stage: Stage) -> None:
    with pytest.MonkeyPatch.context() as patch:

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError

        patch.setattr(carrying, "run_named", broken)
        (done,) = await stage.do(call("run_command", command="note"))
    assert done.outcome == "open"
    assert [one.outcome for one in await stage.actor().take_up(stage.session)] == ["unsure"]


def _another(stage: Stage) -> JobRecord:
    stage.press.states["101"] = "RUNNING"
    with stage.session.transaction() as transaction:
        record, _ = transaction.register(stage.record.changed(id="101", uid="", attempts=()))
    return record


def _firing(record: JobRecord, number: int = 1) -> Firing:
    return Firing(f"{record.uid}:diverged:{number}", "diverged", record.uid, BEGIN, {}, "loss: 12.5", "stdout")


class _Hanging:
    """A host that takes a question and does not answer before it is told to."""

    def __init__(self, stage: Stage) -> None:
        self.asked, self.answer = anyio.Event(), anyio.Event()
        self.cancel = stage.press.cancel
        self.times = 0

    async def __call__(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        self.times += 1
        self.asked.set()
        await self.answer.wait()
        return await self.cancel(host, wanted)


async def test_a_host_that_hangs_holds_up_one_look_and_no_other(stage: Stage) -> None:
    """Both jobs have an open deed there; the second look leaves its own for later, and fires what is due."""
    other = _another(stage)
    stage.press.cancel_raises = ConnectError("No connection.", code="ssh.refused")
    actor = stage.actor()
    for record in (stage.record, other):
        firing = _firing(record)
        await actor.carry_out(stage.session, record, firing, [call("cancel_job")])
    stage.press.cancel_raises = None
    stage.clock.later(minutes=11)
    hanging, results = _Hanging(stage), list[Done]()

    async def first() -> None:
        results.extend(await actor.take_up(stage.session, uid=stage.record.uid))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.press, "cancel", hanging)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            with anyio.fail_after(60):
                await hanging.asked.wait()
                for uid in (stage.record.uid, other.uid):
                    assert [one.outcome for one in await actor.take_up(stage.session, uid=uid)] == ["open"]
                done = await actor.carry_out(stage.session, other, _firing(other, 2), [call("notify")])
            assert [one.outcome for one in done] == ["done"]
            assert results == []
            hanging.answer.set()
    assert ([one.outcome for one in results], hanging.times) == (["done"], 1)
    assert [one.outcome for one in await actor.take_up(stage.session, uid=other.uid)] == ["done"]


async def test_what_no_option_can_be_is_refused_at_once_and_not_tried_for_hours(stage: Stage) -> None:
    """A time limit of 30 days, a hundred times."""
    stage.press.states["100"] = "FAILED"
    stage.press.time_limit_s = 30 * 86400.0
    grown = call("resubmit", modifications={"time": "x100"}, cancel_original=False)
    (done,) = await stage.do(grown)
    assert (done.outcome, stage.press.made()) == ("failed", [])
    assert "time cannot be '4320000'" in done.text
