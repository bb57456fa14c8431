"""Reading mail."""

from uuid import UUID

from django.db.models import Count, QuerySet
from django.db.models.functions import Lower

from apps.notifications.models import Recipient, Suppression, SuppressionReason
from apps.notifications.states import Delivery, MessageClass


def is_suppressed(address: str, message_class: str) -> bool:
    """Return whether the address, as a row has it, is to get no mail of this class, as of now."""
    found = Suppression.objects.alias(lower=Lower("address")).filter(lower=address.lower())
    if message_class == MessageClass.TRANSACTIONAL:
        found = found.exclude(reason=SuppressionReason.UNSUBSCRIBE)
    return found.exists()


def campaign_counts(campaign_id: UUID) -> dict[str, int]:
    """Return how many of a campaign's recipients are in each state, zeros included."""
    rows = Recipient.objects.filter(campaign=campaign_id).order_by().values_list("state")
    return {state.value: 0 for state in Delivery} | dict(rows.annotate(Count("id")))


def campaign_unknown(campaign_id: UUID) -> QuerySet[Recipient]:
    """Return the recipients who may or may not have got the message, in order."""
    return Recipient.objects.filter(campaign=campaign_id, state=Delivery.UNKNOWN).order_by("id")
