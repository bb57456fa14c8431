"""What a mail provider tells about addresses."""

import logging
from typing import Protocol

from anymail.signals import EventType, RejectReason

from apps.notifications.errors import InvalidRecipients
from apps.notifications.models import Suppression, SuppressionReason
from apps.notifications.services.suppress import suppress

logger = logging.getLogger(__name__)

#: A refusal for these reasons is about the address; others are about the message, or pass.
GONE = {RejectReason.BOUNCED, RejectReason.INVALID}


class Event(Protocol):
    """What is read of anymail's normalised event."""

    event_type: str
    recipient: str | None
    reject_reason: str | None
    description: str | None
    mta_response: str | None


def event_receive(*, event: Event, provider: str) -> Suppression | None:
    """Put the event's address on the suppression list if the event says so; return the row."""
    reason = _reason(event)
    if reason is None or not event.recipient:
        return None
    said = event.mta_response or event.description or ""
    note = f"{provider}: {event.event_type} {said}".strip()
    try:
        return suppress(address=event.recipient, reason=reason, note=note, actor=provider)
    except InvalidRecipients as error:  # nothing is ever sent there, and it would come again
        logger.warning("%s told of %s: %s", provider, event.event_type, error.message)
        return None


def _reason(event: Event) -> SuppressionReason | None:
    match event.event_type:
        case EventType.BOUNCED | EventType.REJECTED if event.reject_reason in GONE:
            return SuppressionReason.BOUNCE
        case EventType.COMPLAINED:
            return SuppressionReason.COMPLAINT
        case EventType.UNSUBSCRIBED:
            return SuppressionReason.UNSUBSCRIBE
        case _:
            return None
