"""An email comes into being, with the job that sends it."""

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.notifications.addresses import normalise_address
from apps.notifications.models import Email
from apps.notifications.render import require_template
from apps.notifications.states import MessageClass
from apps.notifications.unsubscribe import require_public_url
from celeriac import enqueue, uuid7


def email_create(
    *,
    template: str,
    recipient: str,
    context: Mapping[str, object],
    reference: str = "",
    message_class: MessageClass = MessageClass.TRANSACTIONAL,
) -> Email:
    """Write an email and enqueue its sending, in one transaction; return the email.

    A second one of the same template and reference is not written: the first is returned.
    Raises UnknownTemplate, InvalidRecipients, and NotConfigured where bulk mail could not say
    how to leave.
    """
    require_template(template)
    if message_class == MessageClass.BULK:
        require_public_url()
    email_id = uuid7()
    fields = {
        "id": email_id,
        "recipient": normalise_address(recipient),
        "context": dict(context),
        "message_class": message_class,
        "message_id": message_id(email_id),
    }
    with transaction.atomic():
        if reference:
            email, is_new = Email.objects.get_or_create(
                template=template, reference=reference, defaults=fields
            )
        else:
            email, is_new = Email.objects.create(template=template, **fields), True
        if is_new:
            enqueue("notifications.send", {"email_id": email.id})
    return email


def message_id(email_id: UUID) -> str:
    """Return the one Message-ID that an email ever has."""
    return f"<{email_id}@{settings.EMAIL_MESSAGE_ID_DOMAIN}>"
