"""The append-only history of a payment."""

from typing import Any

from apps.payments.models import Operation, PaymentEvent
from celeriac import context


def event(
    operation: Operation,
    name: str,
    *,
    source: str,
    before: str = "",
    after: str = "",
    **details: Any,
) -> PaymentEvent:
    """Write and return one line of the payment's history, in the caller's transaction."""
    return PaymentEvent.objects.create(
        payment_id=operation.payment_id,
        operation=operation,
        name=f"{operation.kind}.{name}",
        source=source,
        before=before,
        after=after,
        details={key: value for key, value in details.items() if value not in ("", None)},
        correlation_id=context.correlation_id()[:128],
    )
