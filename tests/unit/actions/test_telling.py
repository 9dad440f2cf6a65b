"""Messages that really arrive: at a local SMTP server, and at a local webhook through Apprise (`actions.telling`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deeds import GRANTS, Stage, call
from support.household import Household, household
from support.mailbox import PASSWORD, Hook, Letters, mail_server, webhook

# Of Apprise's own imports.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def smtp(letters: Letters) -> Iterator[str]:
    with mail_server(letters) as address:
        yield address


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as made:
        yield made


@pytest.fixture
def home(clean_environment: Path, smtp: str, hook: Hook) -> Iterator[Household]:
    extra = f"""{GRANTS}
[notify.email]
url = "smtp://{smtp}/?from=warden@example.org&to=alice@example.org"
to = ["bob@example.org"]
per_hour = 3
[notify.hook]
env = "HOOK_URL"
to = ["#general"]
[notify.nowhere]
env = "NO_SUCH_VARIABLE"
"""
    with household(clean_environment, {"floor_s": 0.0}, extra) as made:
        made.env["HOOK_URL"] = hook.url
        yield made


async def test_an_email_arrives_with_what_happened_and_an_id_of_its_own(stage: Stage, letters: Letters) -> None:
    (done,) = await stage.do(
        call("notify_email", subject="Diverged", message="Loss is ${loss} in ${JOB_ID}"), captures={"loss": "12.5"}
    )
    assert (done.outcome, done.text) == ("done", "rule diverged: told email: Diverged")
    ((to, mail),) = letters.taken
    assert to == ["alice@example.org"]
    assert (mail["Subject"], mail["From"], mail["To"]) == ("Diverged", "warden@example.org", "alice@example.org")
    body = mail.get_content()
    assert body.startswith("Loss is 12.5 in 100\r\n")
    assert "paper job 100 on localhost (train), rule diverged" in body
    assert mail["Message-ID"].endswith("@example.org>")


async def test_a_rule_may_name_a_recipient_whom_the_configuration_allows(stage: Stage, letters: Letters) -> None:
    await stage.do(call("notify_email", to="bob@example.org", message="x"))
    assert letters.taken[0][0] == ["bob@example.org"]


@pytest.mark.parametrize(
    "text",
    [
        "x\r\nBcc: eve@example.net",
        "x\nTo: eve@example.net\n\nbody",
        "x\x00y",
        "=?utf-8?q?x=0ABcc:_eve=40example.net?=",
        "\u2028Bcc: eve@example.net",
        "x" * 2000,
    ],
)
async def test_a_hostile_capture_reaches_no_header_but_the_subject(stage: Stage, letters: Letters, text: str) -> None:
    (done,) = await stage.do(call("notify_email", subject="${said}", message="${said}"), captures={"said": text})
    assert done.outcome == "done", done.text
    ((to, mail),) = letters.taken
    assert to == ["alice@example.org"]
    allowed = {"Subject", "From", "To", "Message-ID", "Date", "Auto-Submitted", "MIME-Version"}
    assert {name for name in mail if not name.startswith(("Content-", "X-"))} == allowed
    assert mail["Bcc"] is None
    assert len(mail.get_all("To", [])) == 1
    assert "\n" not in mail["Subject"]


async def test_a_server_that_is_busy_gets_the_same_message_later(stage: Stage, letters: Letters) -> None:
    letters.answer = "451 later"
    (done,) = await stage.do(call("notify_email", message="x"))
    assert done.outcome == "open"
    letters.answer = ""
    stage.clock.later(minutes=5)
    (done,) = await stage.actor().take_up(stage.session)
    assert done.outcome == "done"
    assert len(letters.taken) == 1


async def test_a_message_that_is_sent_again_after_a_crash_has_the_same_id(stage: Stage, letters: Letters) -> None:
    with pytest.MonkeyPatch.context() as patch:

        async def never(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        actor = stage.actor()
        patch.setattr("jobwarden.actions.book.Book.note", never)
        with pytest.raises(KeyboardInterrupt):
            await actor.carry_out(
                stage.session, stage.record, stage.firing(), [call("notify_email", message="x", target="email")]
            )
    await stage.actor().take_up(stage.session)
    assert len(letters.taken) == 2
    assert len({mail["Message-ID"] for _, mail in letters.taken}) == 1


async def test_what_a_server_refuses_for_good_is_told_and_not_sent_again(stage: Stage, letters: Letters) -> None:
    letters.answer = "554 no"
    (done,) = await stage.do(call("notify_email", message="x"))
    assert done.outcome == "failed"
    assert "refused it (554)" in done.text


async def test_a_webhook_gets_the_message(stage: Stage, hook: Hook) -> None:
    (done,) = await stage.do(
        call("notify", target="hook", message="<!channel> @everyone ${said}"), captures={"said": "<script>"}
    )
    assert done.outcome == "done", done.text
    (body,) = hook.bodies
    assert body["title"] == "train: rule diverged"
    assert body["message"].startswith("< !channel> @ everyone <script>\n")


async def test_a_recipient_that_a_webhook_cannot_take_is_refused_and_nobody_is_told(stage: Stage, hook: Hook) -> None:
    (done,) = await stage.do(call("notify", target="hook", to="#general", message="x"))
    assert (done.outcome, hook.bodies) == ("failed", [])
    assert "'#general' was not told" in done.text


async def test_no_argument_reaches_a_recipient_whom_the_configuration_does_not_name(
    stage: Stage, letters: Letters
) -> None:
    done = await stage.do(
        call("notify_email", channel="eve@example.net", message="x"),
        call("notify_slack", target="email", to="eve@example.net", message="x"),
    )
    assert ([one.outcome for one in done], letters.taken) == (["refused", "refused"], [])


async def test_a_webhook_that_fails_is_tried_again(stage: Stage, hook: Hook) -> None:
    hook.status[0] = 503
    (done,) = await stage.do(call("notify", target="hook", message="x"))
    assert done.outcome == "open"
    hook.status[0] = 200
    stage.clock.later(minutes=5)
    (done,) = await stage.actor().take_up(stage.session)
    assert (done.outcome, len(hook.bodies)) == ("done", 1)


async def test_a_target_whose_variable_is_not_set_is_told(stage: Stage) -> None:
    (done,) = await stage.do(call("notify", target="nowhere", message="x"))
    assert done.outcome == "failed"
    assert "$NO_SUCH_VARIABLE is not set" in done.text


async def test_a_target_gets_so_many_messages_an_hour_and_no_more(stage: Stage, letters: Letters) -> None:
    outcomes = [(await stage.do(call("notify_email", message="x"), number=n))[0].outcome for n in range(5)]
    assert outcomes == ["done"] * 3 + ["failed"] * 2
    stage.clock.later(hours=2)
    assert (await stage.do(call("notify_email", message="x"), number=9))[0].outcome == "done"
    assert len(letters.taken) == 4


async def test_no_url_and_no_password_is_in_the_journal_or_the_project(stage: Stage, hook: Hook) -> None:
    hook.status[0] = 500
    await stage.do(call("notify", target="hook", message="x"), call("notify", target="nowhere"))
    written = [path for path in stage.home.root.rglob("*") if path.is_file() and path.name != "config.toml"]
    assert written
    for path in written:
        assert PASSWORD.encode() not in path.read_bytes(), path
