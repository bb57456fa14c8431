"""What a human decides about an operation that could not be resolved."""

from uuid import UUID

from django.db import transaction

from apps.payments.errors import WrongState
from apps.payments.gateways.base import Cancelled, Declined, Succeeded
from apps.payments.models import Operation, Payment
from apps.payments.services.events import event
from apps.payments.services.locking import lock_operation
from apps.payments.services.settle import Final, settle_operation
from apps.payments.states import OperationKind, State
from celeriac import audit, enqueue


def operation_decide(
    *, operation_id: UUID, state: State, provider_id: str = "", actor: object, reason: str
) -> Operation:
    """Give the operation the final state that a human found at the provider; return it.

    Raises WrongState unless it waits for a human, for a state that is not final, and for a
    charge that is another payment's.
    """
    with transaction.atomic():
        operation = _waiting(operation_id)
        _refuse_taken(operation, provider_id)
        settle_operation(
            operation, state, _answer(operation, state, provider_id, reason), source="human"
        )
        verb, details = f"decide {state}", {"provider_id": provider_id}
        audit.record(verb, "operation", operation.id, actor=actor, reason=reason, details=details)
        return operation


def operation_retry(*, operation_id: UUID, actor: object, reason: str = "") -> Operation:
    """Send the operation through its resolution once more, under the same key; return it.

    Raises WrongState unless it waits for a human.
    """
    with transaction.atomic():
        operation = _waiting(operation_id)
        row = Operation.objects.filter(id=operation.id)
        row.update(review_at=None, review_reason="", lookups=0)
        operation.refresh_from_db(fields=["review_at", "review_reason", "lookups"])
        event(operation, "retried", source="human", reason=reason)
        enqueue(
            "payments.resolve",
            {"payment_id": operation.payment_id, "operation_id": operation.id},
            unique_key=f"operation:{operation.id}",
        )
        audit.record("retry", "operation", operation.id, actor=actor, reason=reason)
        return operation


def _waiting(operation_id: UUID) -> Operation:
    operation = lock_operation(operation_id)
    if not operation.waits_for_a_human:
        raise WrongState(f"{operation} is {operation.state} and does not wait for a human.")
    return operation


def _refuse_taken(operation: Operation, provider_id: str) -> None:
    payment = operation.payment
    others = Payment.objects.filter(provider=payment.provider, provider_id=provider_id)
    taken = others.exclude(id=payment.id).first() if provider_id else None
    if taken is not None and operation.kind == OperationKind.CAPTURE:
        raise WrongState(f"{provider_id} is the charge of {taken.reference}: look again.")


def _answer(operation: Operation, state: State, provider_id: str, reason: str) -> Final:
    match state:
        case State.SUCCEEDED:
            return Succeeded(provider_id, operation.amount)
        case State.DECLINED:
            return Declined("decided", reason, provider_id)
        case State.CANCELLED:
            return Cancelled(provider_id)
        case _:
            raise WrongState(f"{state} is not a final state.")
