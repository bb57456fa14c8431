"""Final answers, and what they make of the payment: one transaction with what follows."""

from typing import Any

from django.db.models import F

from apps.payments.errors import WrongState
from apps.payments.followups import follow_refunded, follow_settled
from apps.payments.gateways.base import Cancelled, Declined, Succeeded
from apps.payments.models import Operation, Payment
from apps.payments.services.events import event
from apps.payments.services.locking import lock_capture
from apps.payments.states import OperationKind, State, allows
from celeriac import Now

Final = Succeeded | Declined | Cancelled
#: What an answer writes; the locked payment stays the object it is.
SETTLED = ["state", "finished_at", "provider_id", "error_code", "error_message"]


def move_operation(
    operation: Operation, after: State, name: str, *, source: str, **details: Any
) -> None:
    """Move a locked operation, and the payment with its capture, to a state that is not final."""
    _check(operation, after)
    before, operation.state = operation.state, after
    first = {"submitted_at": Now(), "called_at": Now()} if after == State.SUBMITTED else {}
    Operation.objects.filter(id=operation.id).update(state=after, **first)
    operation.refresh_from_db(fields=["submitted_at", "called_at"])
    if operation.kind == OperationKind.CAPTURE:
        operation.payment.state = after
        Payment.objects.filter(id=operation.payment_id).update(state=after)
    event(operation, name, source=source, before=before, after=after, **details)


def settle_operation(operation: Operation, state: State, answer: Final, *, source: str) -> None:
    """Write a final answer to a locked operation and let it take effect on the payment."""
    _check(operation, state)
    before = operation.state
    code = answer.code if isinstance(answer, Declined) else ""
    message = answer.message if isinstance(answer, Declined) else ""
    Operation.objects.filter(id=operation.id).update(
        state=state,
        finished_at=Now(),
        provider_id=answer.provider_id or operation.provider_id,
        error_code=code[:64],
        error_message=message[:500],
    )
    operation.refresh_from_db(fields=SETTLED)
    event(operation, state, source=source, before=before, after=state, code=code, message=message)
    _EFFECTS[OperationKind(operation.kind)](operation, source)


def _check(operation: Operation, after: State) -> None:
    if not allows(State(operation.state), after):
        raise WrongState(f"{operation} is {operation.state}: it can't become {after}.")


def _captured(operation: Operation, source: str) -> None:
    payment = operation.payment
    succeeded = operation.state == State.SUCCEEDED
    Payment.objects.filter(id=payment.id).update(
        state=operation.state,
        captured_amount=operation.amount if succeeded else 0,
        provider_id=operation.provider_id or payment.provider_id,
        finished_at=Now(),
    )
    payment.refresh_from_db()
    follow_settled(payment)


def _refunded(operation: Operation, source: str) -> None:
    payment = operation.payment
    given = operation.amount if operation.state == State.SUCCEEDED else 0
    Payment.objects.filter(id=payment.id).update(
        refunding_amount=F("refunding_amount") - operation.amount,
        refunded_amount=F("refunded_amount") + given,
    )
    payment.refresh_from_db()
    if given:
        follow_refunded(payment)


def _cancelled(operation: Operation, source: str) -> None:
    capture = lock_capture(operation.payment)
    if operation.state == State.SUCCEEDED and not capture.is_final:
        settle_operation(capture, State.CANCELLED, Cancelled(operation.provider_id), source=source)


_EFFECTS = {
    OperationKind.CAPTURE: _captured,
    OperationKind.REFUND: _refunded,
    OperationKind.CANCEL: _cancelled,
}
