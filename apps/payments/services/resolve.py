"""Operations without an answer."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q

from apps.payments.models import Operation
from apps.payments.services.operations import operation_run
from apps.payments.states import OPEN, State
from celeriac import Now, enqueue

SWEEP_AFTER = timedelta(minutes=30)
SWEEP_SIZE = 500


def operation_resolve(*, operation_id: UUID) -> Operation:
    """Bring any operation one step on in its resolution and return it (see `payment_capture`)."""
    return operation_run(operation_id=operation_id, source="payments.resolve")


def payments_sweep() -> int:
    """Enqueue the resolution of what has stood still for half an hour; return how many.

    A job of its own carries each operation to its end; this is for those whose job died.
    """
    still = Q(state__in=OPEN, called_at__lt=Now() - SWEEP_AFTER)
    never_sent = Q(state=State.PENDING, created_at__lt=Now() - SWEEP_AFTER)
    found = Operation.objects.filter(still | never_sent, review_at__isnull=True)
    swept = list(found.order_by("id").values_list("id", "payment_id")[:SWEEP_SIZE])
    for operation_id, payment_id in swept:
        enqueue(
            "payments.resolve",
            {"payment_id": payment_id, "operation_id": operation_id},
            unique_key=f"operation:{operation_id}",
        )
    return len(swept)
