"""Writing down what the provider said. One transaction each; never a call."""

from uuid import UUID

from django.db import transaction

from apps.payments.gateways.base import (
    Cancelled,
    Declined,
    InFlight,
    NotFound,
    Recorded,
    Rejected,
    Succeeded,
    Unfinished,
    Unknown,
)
from apps.payments.models import Operation
from apps.payments.services.events import event
from apps.payments.services.locking import lock_operation
from apps.payments.services.settle import move_operation, settle_operation
from apps.payments.states import State
from celeriac import Now

_SETTLES = {Succeeded: State.SUCCEEDED, Declined: State.DECLINED, Cancelled: State.CANCELLED}


def record_answer(operation_id: UUID, answer: Recorded, *, source: str) -> Operation:
    """Write an answer down and return the operation; a second, equal answer changes nothing.

    An answer that contradicts a final one is filed as an event and changes nothing either:
    reconciliation makes it an operator's matter.
    """
    with transaction.atomic():
        operation = lock_operation(operation_id)
        if operation.is_final:
            _compare(operation, answer, source)
        else:
            _write(operation, answer, source)
        return operation


def send_to_review(operation_id: UUID, *, reason: str, source: str) -> Operation:
    """Put the operation into the human queue and return it."""
    with transaction.atomic():
        operation = lock_operation(operation_id)
        if not operation.is_final:
            ask_a_human(operation, reason, source)
        return operation


def ask_a_human(operation: Operation, reason: str, source: str) -> None:
    """Mark a locked operation as waiting for a human."""
    if operation.state == State.SUBMITTED:
        move_operation(operation, State.UNKNOWN, "unknown", source=source)
    Operation.objects.filter(id=operation.id).update(review_at=Now(), review_reason=reason[:500])
    operation.refresh_from_db(fields=["review_at", "review_reason"])
    event(operation, "review", source=source, reason=reason)


def _write(operation: Operation, answer: Recorded, source: str) -> None:
    match answer:
        case Succeeded(amount=amount) if amount != operation.amount:
            reason = f"The provider says {amount} minor units, not {operation.amount}."
            ask_a_human(operation, reason, source)
        case Succeeded() | Declined() | Cancelled():
            settle_operation(operation, _SETTLES[type(answer)], answer, source=source)
        case Rejected(code=code, message=message):
            ask_a_human(operation, f"The provider rejected the request: {code}: {message}", source)
        case Unfinished(provider_id=provider_id, status=status):
            _known_to_provider(operation, provider_id)
            _leave_unknown(operation, f"the provider says {status}", source)
        case InFlight(message=message):
            _leave_unknown(operation, message, source)
        case Unknown(reason=reason, replayed=replayed):
            _spend_key(operation, replayed)
            _leave_unknown(operation, reason, source)
        case NotFound():
            event(operation, "not_found", source=source, lookups=operation.lookups)


def _leave_unknown(operation: Operation, reason: str, source: str) -> None:
    Operation.objects.filter(id=operation.id).update(error_message=reason[:500])
    operation.error_message = reason[:500]
    if operation.state == State.SUBMITTED:
        move_operation(operation, State.UNKNOWN, "unknown", source=source, reason=reason[:500])
    else:
        event(operation, "still_unknown", source=source, reason=reason[:500])


def _known_to_provider(operation: Operation, provider_id: str) -> None:
    operation.provider_id = provider_id
    Operation.objects.filter(id=operation.id).update(provider_id=provider_id)


def _spend_key(operation: Operation, replayed: bool) -> None:
    if replayed and not operation.key_spent:
        operation.key_spent = True
        Operation.objects.filter(id=operation.id).update(key_spent=True)


def _compare(operation: Operation, answer: Recorded, source: str) -> None:
    said = _SETTLES.get(type(answer))
    if said is not None and said != operation.state:
        event(
            operation,
            "contradiction",
            source=source,
            before=operation.state,
            after=said,
            provider_id=getattr(answer, "provider_id", ""),
        )
