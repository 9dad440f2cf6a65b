"""Telling people: e-mail by the standard library, everything else by Apprise (decision 0025).

At least once, each message with an id that stays the same when it is sent again. What it says comes partly from logs of
strangers: it goes into bodies and one cleaned header, never into addresses, URLs or other headers.
"""

from __future__ import annotations

import hashlib
import logging
import re
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import anyio
from anyio import to_thread

from jobwarden.actions.deeds import Deed
from jobwarden.actions.errors import ActionError
from jobwarden.actions.substitution import harmless
from jobwarden.config.granting import NotifyConfig, check_url, is_mail
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden_registry.model import JobRecord

_LIMIT_S = 60.0
_STEP_S = 20.0
_SUBJECT_CHARS = 150
_LINES_MOST = 40
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CALLS_ALL = re.compile(r"<(?=[!@#])|@(?=(?:everyone|here|channel|all)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        id: The same each time that it is sent.
        subject: One line.
        body: Plain text.
        to: A recipient whom the rule names and the configuration allows; else whoever the target names.
        at: When the rule fired, for the Date header.
    """

    id: str
    subject: str
    body: str
    to: str
    at: str


def message_of(deed: Deed, record: JobRecord, session_id: str) -> Message:
    """Write a deed's message."""
    given = {key: str(value) for key, value in deed.arguments.items()}
    name = harmless(record.name or record.id)
    subject = harmless(given.get("subject") or f"{name}: rule {deed.rule}")[:_SUBJECT_CHARS]
    lines = [harmless(one) for one in given.get("message", "").splitlines()[:_LINES_MOST]]
    where = f"{record.type} job {deed.run} on {record.host} ({name}), rule {deed.rule}"
    token = hashlib.sha256(f"{session_id}/{deed.id}".encode()).hexdigest()[:24]
    body = "\n".join([*lines, "", f"-- {harmless(where)}", f"-- jobwarden {token}"]).lstrip("\n")
    return Message(token, subject, body, given.get("to") or given.get("channel", ""), format_datetime(deed.at))


async def send(name: str, target: NotifyConfig, message: Message, env: Mapping[str, str]) -> None:
    """Send it.

    Raises:
        ActionError: It was refused for good, or the target cannot be used.
        SourceUnavailableError: It may not have arrived; send it again.
    """
    url = target.url or env.get(target.env, "")
    if not url:
        raise ActionError(f"[notify.{name}] has no url, and ${target.env or 'env'} is not set for the watcher.")
    try:
        check_url(url)
    except ValueError as error:
        raise ActionError(f"[notify.{name}]: {error}.") from None  # what the parser says may hold a part of a password
    if message.to and not is_mail(url):
        raise ActionError(f"Whom [notify.{name}] tells stands in its url alone; {message.to!r} was not told.")
    done = False
    with anyio.move_on_after(_LIMIT_S):
        work = _mail if is_mail(url) else _apprise
        await to_thread.run_sync(work, name, url, message, abandon_on_cancel=True)
        done = True
    if not done:
        raise SourceUnavailableError(f"{name} did not answer within {_LIMIT_S:.0f} s.", code="notify.unreachable")


def _mail(name: str, url: str, message: Message) -> None:
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    sender = asked.get("from", [unquote(parts.username or "")])[0]
    to = [message.to] if message.to else [one for text in asked.get("to", []) for one in text.split(",")]
    if not to or "@" not in sender:
        raise ActionError(f"[notify.{name}] needs ?from=ADDRESS&to=ADDRESS in its url.")
    mail = EmailMessage()
    # Python's parser decodes what looks like an encoded word, and a line break in it begins another header (3.11).
    mail["Subject"] = message.subject.replace("=?", "= ?")
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    mail["Date"] = message.at
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)
    try:
        _deliver(name, url, mail, sender, to)
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(name, max(code for code, _ in error.recipients.values())) from error
    except smtplib.SMTPResponseException as error:
        raise _refused(name, error.smtp_code) from error
    except (OSError, smtplib.SMTPException) as error:
        raise SourceUnavailableError(f"{name}: {type(error).__name__}.", code="notify.unreachable") from error


def _deliver(name: str, url: str, mail: EmailMessage, sender: str, to: list[str]) -> None:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme.lower() == "smtps"
    context = ssl.create_default_context()
    made = (
        smtplib.SMTP_SSL(host, parts.port or 465, timeout=_STEP_S, context=context)
        if secure
        else smtplib.SMTP(host, parts.port or 25, timeout=_STEP_S)
    )
    with made as server:
        server.ehlo()
        if not secure and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            secure = True
        if parts.username and parts.password:
            if not secure and host not in _LOOPBACK:
                raise ActionError(f"{name} offers no encryption, so the password was not sent.")
            server.login(unquote(parts.username), unquote(parts.password))
        server.send_message(mail, sender, to)


def _refused(name: str, code: int) -> ActionError | SourceUnavailableError:
    if 500 <= code < 600:
        return ActionError(f"{name} refused it ({code}).", code="notify.refused")
    return SourceUnavailableError(f"{name} cannot take it now ({code}).", code="notify.unreachable")


def _apprise(name: str, url: str, message: Message) -> None:
    try:
        apprise: Any = import_module("apprise")
    except ImportError as error:
        raise ActionError(f"Nothing here can send to {name}.", hint="pip install 'jobwarden[notify]'") from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs parts of URLs, which hold tokens
    sender = apprise.Apprise()
    if not sender.add(url):
        raise ActionError(f"The url of [notify.{name}] is none that Apprise knows.")
    subject, body = (_CALLS_ALL.sub(lambda found: f"{found[0]} ", text) for text in (message.subject, message.body))
    if not sender.notify(body=body, title=subject, body_format="text", interpret_escapes=False):
        raise SourceUnavailableError(f"{name} did not take it.", code="notify.unreachable")
