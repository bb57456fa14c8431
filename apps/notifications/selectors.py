"""Reading mail."""

from django.db.models import Count, QuerySet

from apps.notifications.models import Email, Suppression, SuppressionReason
from apps.notifications.states import MessageClass, State


def is_suppressed(email: Email) -> bool:
    """Return whether the address is to get no mail of this class, as of now."""
    found = Suppression.objects.filter(address__iexact=email.recipient)
    if email.message_class == MessageClass.TRANSACTIONAL:
        found = found.exclude(reason=SuppressionReason.UNSUBSCRIBE)
    return found.exists()


def emails_unknown() -> QuerySet[Email]:
    """Return the emails that may or may not have arrived, oldest first."""
    return Email.objects.filter(state=State.UNKNOWN).order_by("id")


def emails_by_state() -> dict[str, int]:
    """Return how many emails are in each state."""
    return dict(Email.objects.order_by().values_list("state").annotate(Count("id")))
