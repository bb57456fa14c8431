"""Sending a message: `sending` is committed before the server is called, the outcome after it."""

import smtplib
from typing import Any
from uuid import UUID

from django.core.mail import get_connection
from django.db import transaction
from django.db.models import F

from celeriac.breakers.api import guard
from celeriac.breakers.errors import CircuitOpen
from celeriac.core.clock import Now
from celeriac.core.effects import require_no_transaction
from celeriac.core.errors import CeleriacError
from celeriac.jobs.outcomes import GiveUp
from celeriac.mail.models import SETTLED, MailState, Message
from celeriac.mail.smtp import LostAfterData
from celeriac.mail.stored import restored_message
from celeriac.settings import conf

BREAKER = "mail"
#: Django's own SMTP does not tell whether a message may have left: ours does.
_DJANGOS = "django.core.mail.backends.smtp.EmailBackend"
_OURS = "celeriac.mail.smtp.SmtpBackend"
#: Replies of SMTP by which a server refuses for good.
_FOR_GOOD, _FOR_NOW = 500, 450
_GOODBYE = 421


class MessageGone(CeleriacError):
    """There is no such message: its job was pruned, or somebody deleted it."""


class MailFailed(CeleriacError):
    """The message did not leave, or may have: the job runs again."""


def send_message(*, message_id: UUID) -> Message:
    """Send a message unless its outcome is known, and return its row.

    A run that finds `sending` follows one whose answer got lost: the message is sent again under
    the same Message-ID, unless it may be sent at most once.

    Raises:
        CircuitOpen, MailFailed: send it again later.
        GiveUp: it is refused for good, or may have been sent and may not be sent twice.
        MessageGone: there is no such message.
    """
    row, before = _begin(message_id)
    if row.is_settled:
        return row
    if row.state == MailState.UNKNOWN:
        raise GiveUp("It may have been sent, and may not be sent twice.")
    try:
        _deliver(row)
    except CircuitOpen:
        _end(row, before, "the circuit is open")
        raise
    except Exception as error:
        _failed(row, error, before)
        return row
    _end(row, MailState.ACCEPTED)
    return row


def _begin(message_id: UUID) -> tuple[Message, MailState]:
    """Commit that a call is about to be made, before it is made: hence durable.

    Returns the row, and what it is again if the message does not leave: an earlier try that may
    have arrived stays on the books.
    """
    require_no_transaction("A mail server was called")
    with transaction.atomic(durable=True):
        row = Message.objects.select_for_update().filter(id=message_id).first()
        if row is None:
            raise MessageGone(f"There is no message {message_id}.")
        if row.is_settled:
            return row, MailState(row.state)
        lost = row.state in (MailState.SENDING, MailState.UNKNOWN)
        if lost and row.at_most_once:
            _end(row, MailState.UNKNOWN, row.error or "the run that sent it got lost")
            return row, MailState.UNKNOWN
        row.state, row.sends = MailState.SENDING, row.sends + 1
        Message.objects.filter(id=message_id).update(
            state=MailState.SENDING, sends=row.sends, resends=F("resends") + int(lost)
        )
    return row, MailState.UNKNOWN if lost else MailState.QUEUED


def _deliver(row: Message) -> None:
    backend = _OURS if conf.MAIL_BACKEND == _DJANGOS else conf.MAIL_BACKEND
    message = restored_message(row)
    refusal: Exception | None = None
    with guard(BREAKER):
        connection = get_connection(backend, fail_silently=False, **row.options)
        try:
            sent = connection.send_messages([message])
        except Exception as error:
            if not _is_refusal(error):
                raise
            refusal = error  # the server was there, and decided
    if refusal is not None:
        raise refusal
    if sent == 0:
        raise ValueError("The backend took no message.")


def _failed(row: Message, error: Exception, before: MailState) -> None:
    """Write how a call failed, and raise what the job makes of it."""
    said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    if _is_refusal(error) and _code(error) >= _FOR_GOOD:
        _end(row, MailState.REFUSED, said)
        if row.fail_silently:
            return
        raise GiveUp(f"Refused for good: {said}") from error
    if not _may_have_left(error):
        _end(row, before, said)
    else:
        _end(row, MailState.UNKNOWN, said)
        if row.at_most_once:
            raise GiveUp(f"It may have been sent, and may not be sent twice: {said}") from error
    raise MailFailed(said) from error


def _is_refusal(error: Exception) -> bool:
    """Tell whether an error is a server's answer; all others are silence."""
    return bool(_code(error)) and _code(error) != _GOODBYE


def _code(error: Exception) -> int:
    """Return SMTP's code for a refusal, or what comes nearest; 0 for what is none."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return max(code for code, _ in error.recipients.values())
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            return error.smtp_code
        case ValueError() | TypeError():
            return _FOR_GOOD  # what no server would be asked
    status = getattr(error, "status_code", None)  # of a provider's HTTP API, as anymail has it
    if isinstance(status, int) and 400 <= status < 500:
        return _FOR_NOW if status in (408, 429) else _FOR_GOOD
    return 0


def _may_have_left(error: Exception) -> bool:
    """Tell whether a message may have left; of what this does not know it may."""
    if isinstance(error, LostAfterData):
        return True
    if _is_refusal(error) or isinstance(error, ConnectionRefusedError):
        return False
    # Before its DATA, SMTP takes nothing; what broke after it is LostAfterData.
    by_smtp = conf.MAIL_BACKEND in (_DJANGOS, _OURS)
    return not (by_smtp and isinstance(error, smtplib.SMTPException | OSError))


def _end(row: Message, state: MailState, error: str = "") -> None:
    """Write how a try ended, unless another has begun or its end is known.

    The connection's options go once nothing more is sent.
    """
    row.state, row.error = state, error[:500]
    accepted = state == MailState.ACCEPTED
    fields: dict[str, Any] = {
        "state": state,
        "error": row.error,
        "accepted_at": Now() if accepted else None,
    }
    if row.is_settled:
        fields["options"] = {}
    here = Message.objects.filter(id=row.id, sends=row.sends)
    here.exclude(state__in=SETTLED).update(**fields)
