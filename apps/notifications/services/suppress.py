"""Addresses that get no mail."""

from django.db import transaction

from apps.notifications.addresses import normalise_address
from apps.notifications.models import Suppression
from celeriac import audit


def suppress(*, address: str, reason: str, note: str = "", actor: object = None) -> Suppression:
    """Put an address on the suppression list, once a reason; return the row.

    Raises InvalidRecipients.
    """
    address = normalise_address(address)
    with transaction.atomic():
        row, is_new = Suppression.objects.get_or_create(
            address=address,
            reason=reason,
            defaults={"note": note, "created_by_id": getattr(actor, "pk", None)},
        )
        if is_new:
            audit.record("suppress", "address", address, actor=actor, reason=reason)
    return row


def unsuppress(*, address: str, actor: object, note: str = "") -> int:
    """Take an address off the suppression list; return how many rows that were.

    Raises InvalidRecipients.
    """
    address = normalise_address(address)
    with transaction.atomic():
        removed, _ = Suppression.objects.filter(address__iexact=address).delete()
        audit.record("unsuppress", "address", address, actor=actor, reason=note, count=removed)
    return removed
