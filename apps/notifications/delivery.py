"""One call to the mail server. What it answers is a value; what it fails at is a MailFault."""

import smtplib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import requests
from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
from django.core.mail import EmailMultiAlternatives, get_connection

from apps.notifications.errors import MailNotSent, MailOutcomeUnknown
from celeriac import LostAfterData, guard, require_no_transaction

BREAKER = "email"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The mail server took it."""

    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The mail server refused it, for good or for now; nothing was delivered."""

    reason: str
    for_good: bool


class MailConnection(AbstractContextManager["MailConnection"]):
    """One connection to the mail server for many messages; opened when the first one needs it."""

    def __init__(self) -> None:
        self._connection: Any = None
        self.used = False

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def carry(self, message: EmailMultiAlternatives) -> None:
        """Send a message; the connection stays open unless that failed."""
        if self._connection is None:
            self._connection = get_connection()
        try:
            self._connection.open()
            self._connection.send_messages([message])
            self.used = True
        except BaseException:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        """Close the connection; the next message opens another."""
        connection, self._connection, self.used = self._connection, None, False
        if connection is not None:
            connection.close()


def deliver_message(
    message: EmailMultiAlternatives, line: MailConnection | None = None
) -> Accepted | Refused:
    """Hand a message to the mail server once, guarded by the email circuit.

    With a `line` its connection carries it. Raises CircuitOpen and MailNotSent (it did not
    leave), MailOutcomeUnknown (it may have), CallInTransaction.
    """
    require_no_transaction("A mail server was called")
    with guard(BREAKER):
        try:
            line.carry(message) if line else message.send()
        except Exception as error:
            return _classify(error)
    status = getattr(message, "anymail_status", None)
    return Accepted(str(getattr(status, "message_id", "") or ""))


def _classify(error: Exception) -> Refused:
    """Return the refusal that the error is, or raise the fault."""
    match error:
        case LostAfterData():
            raise MailOutcomeUnknown(f"No reply after DATA: {error}") from error
        case smtplib.SMTPRecipientsRefused():
            return _by_code(max(code for code, _ in error.recipients.values()), error)
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            return _by_code(error.smtp_code, error)
        case smtplib.SMTPException() | ConnectionError() | TimeoutError():
            raise MailNotSent(_line(error)) from error
        case AnymailRecipientsRefused() | ValueError() if not isinstance(error, AnymailAPIError):
            return Refused(_line(error), for_good=True)
        case AnymailAPIError():
            return _by_status(error)
        case OSError():
            raise MailNotSent(_line(error)) from error
        case _:
            raise error


def _by_code(code: int, error: Exception) -> Refused:
    if code == 421:
        raise MailNotSent(_line(error)) from error
    return Refused(_line(error), for_good=code >= 500)


def _by_status(error: AnymailAPIError) -> Refused:
    status = error.status_code
    if status is None and _was_never_sent(error):
        raise MailNotSent(_line(error)) from error
    if status is None or status >= 500:
        raise MailOutcomeUnknown(_line(error)) from error
    if status == 429:
        raise _too_many(error) from error
    return Refused(_line(error), for_good=True)


def _was_never_sent(error: AnymailAPIError) -> bool:
    cause = error.__cause__
    refused = isinstance(cause, requests.ConnectionError) and "NewConnectionError" in repr(cause)
    return refused or isinstance(cause, requests.ConnectTimeout)


def _too_many(error: AnymailAPIError) -> MailNotSent:
    fault = MailNotSent(_line(error))
    headers = getattr(getattr(error, "response", None), "headers", {})
    after = str(headers.get("Retry-After", ""))
    fault.retry_after = float(after) if after.isdigit() else None
    return fault


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
