"""Reading payments."""

from django.db.models import QuerySet

from apps.payments.models import Difference, Operation, Payment, WebhookEvent
from apps.payments.services.rules import seconds_to_step
from apps.payments.states import State


def operation_wait(operation: Operation) -> float | None:
    """Return the seconds until the operation should be run again, None when it need not be."""
    if operation.is_final or operation.waits_for_a_human or operation.state == State.PENDING:
        return None
    return seconds_to_step(operation)


def review_queue() -> QuerySet[Operation]:
    """Return the operations that wait for a human, the longest waiting first."""
    return Operation.objects.for_review().select_related("payment").order_by("review_at")


def open_differences() -> QuerySet[Difference]:
    """Return the differences that nobody has closed, oldest first."""
    found = Difference.objects.filter(closed_at__isnull=True)
    return found.select_related("payment").order_by("id")


def payment_evidence(payment: Payment) -> dict[str, object]:
    """Return what a human needs to decide: operations, the history, webhooks, differences."""
    return {
        "operations": payment.operations.order_by("id"),
        "events": payment.events.select_related("operation").order_by("id"),
        "webhooks": WebhookEvent.objects.filter(object_id=payment.provider_id).order_by("id")
        if payment.provider_id
        else WebhookEvent.objects.none(),
        "differences": payment.differences.order_by("id"),
    }
