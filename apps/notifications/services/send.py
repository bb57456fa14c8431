"""Sending an email: `sending` is committed before the call, the outcome after it."""

from uuid import UUID

from django.db import transaction

from apps.notifications.delivery import Accepted, Refused, deliver_message
from apps.notifications.errors import EmailNotFound, MailNotSent, MailOutcomeUnknown, MailRefused
from apps.notifications.models import Email
from apps.notifications.render import render_email
from apps.notifications.selectors import is_suppressed
from apps.notifications.states import MessageClass, State
from celeriac import CircuitOpen, Now


def email_send(*, email_id: UUID) -> Email:
    """Send an email unless its outcome is known, and return it.

    A run that finds `sending` or `unknown` follows one whose answer got lost: transactional
    mail is sent again under the same Message-ID, bulk mail is left unknown for good. Raises
    CircuitOpen, MailNotSent, MailRefused, MailOutcomeUnknown: send it again later, this
    decides anew.
    """
    email = _begin(email_id)
    if email.state != State.SENDING:
        return email
    before = State.UNKNOWN if email.resends_after_unknown else State.QUEUED
    try:
        answer = deliver_message(render_email(email))
    except MailOutcomeUnknown as error:
        return _left_unknown(email, error)
    except (CircuitOpen, MailNotSent) as error:
        # An earlier try that may have arrived stays on the books.
        _end(email, before, error=str(error))
        raise
    return _answered(email, answer, before)


def _begin(email_id: UUID) -> Email:
    """Commit that a call is about to be made, before it is made: hence durable."""
    with transaction.atomic(durable=True):
        email = Email.objects.select_for_update().filter(id=email_id).first()
        if email is None:
            raise EmailNotFound(f"There is no email {email_id}.")
        if email.is_final:
            return email
        lost = email.state in (State.SENDING, State.UNKNOWN)
        if lost and email.message_class == MessageClass.BULK:
            return _end(email, State.UNKNOWN, error="the run that sent it got lost")
        if is_suppressed(email.recipient, email.message_class):
            return _end(email, State.SUPPRESSED, error="on the suppression list")
        email.resends_after_unknown += lost
        email.sends += 1
        email.state = State.SENDING
        Email.objects.filter(id=email_id).update(
            state=State.SENDING,
            sending_at=Now(),
            sends=email.sends,
            resends_after_unknown=email.resends_after_unknown,
        )
        return email


def _left_unknown(email: Email, error: MailOutcomeUnknown) -> Email:
    _end(email, State.UNKNOWN, error=error.message)
    if email.message_class == MessageClass.TRANSACTIONAL:
        raise error
    return email


def _answered(email: Email, answer: Accepted | Refused, before: State) -> Email:
    if isinstance(answer, Accepted):
        return _end(email, State.ACCEPTED, provider_id=answer.provider_id)
    if answer.for_good:
        return _end(email, State.FAILED, error=answer.reason)
    _end(email, before, error=answer.reason)
    raise MailRefused(answer.reason)


def _end(email: Email, state: State, *, error: str = "", provider_id: str = "") -> Email:
    """Write how a try ended, unless the email was settled meanwhile; return it."""
    final = state not in (State.QUEUED, State.UNKNOWN)
    Email.objects.filter(
        id=email.id, state__in=[State.QUEUED, State.SENDING, State.UNKNOWN]
    ).update(
        state=state,
        error=error[:500],
        provider_id=provider_id[:255],
        finished_at=Now() if final else None,
    )
    email.refresh_from_db()
    return email
