"""Sending a refused email once more, because an operator says so."""

from uuid import UUID

from django.db import transaction

from apps.notifications.errors import EmailNotFound, WrongState
from apps.notifications.models import Email
from apps.notifications.states import State
from celeriac import audit, enqueue

#: Where nothing was delivered, so that a second try is a first copy.
AGAIN = (State.FAILED, State.SUPPRESSED)


def email_requeue(*, email_id: UUID, actor: object, reason: str = "") -> Email:
    """Queue an email that failed or was suppressed again, with its job; return it.

    Raises EmailNotFound, and WrongState where a copy may be under way or has arrived.
    """
    with transaction.atomic():
        email = Email.objects.select_for_update().filter(id=email_id).first()
        if email is None:
            raise EmailNotFound(f"There is no email {email_id}.")
        if email.state not in AGAIN:
            raise WrongState(
                f"{email} is {email.state}: only {' or '.join(AGAIN)} mail goes again."
            )
        Email.objects.filter(id=email_id).update(state=State.QUEUED, error="", finished_at=None)
        enqueue("notifications.send", {"email_id": email_id})
        audit.record("resend", "email", email_id, actor=actor, reason=reason)
    email.refresh_from_db()
    return email
