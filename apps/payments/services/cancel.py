"""Giving a payment up before its money moves."""

from uuid import UUID

from django.db import transaction

from apps.payments.errors import WrongState
from apps.payments.gateways.base import Cancelled
from apps.payments.models import Operation, Payment
from apps.payments.services.locking import lock_capture, lock_payment
from apps.payments.services.operations import operation_create
from apps.payments.services.settle import settle_operation
from apps.payments.states import FINAL, OperationKind, State
from celeriac import audit, enqueue


def payment_cancel(*, payment_id: UUID, actor: object = None, reason: str = "") -> Payment:
    """Cancel a payment and return it: at once when it was never sent, else by a job.

    What was sent can be cancelled only where the provider has it unfinished. Raises
    PaymentNotFound, and WrongState for a payment that is final, or whose capture may have
    happened: resolve or refund it instead.
    """
    with transaction.atomic():
        payment = lock_payment(payment_id)
        capture = lock_capture(payment)
        if capture.is_final:
            raise WrongState(f"{payment} is {payment.state}: there is nothing to cancel.")
        if capture.state == State.PENDING:
            settle_operation(capture, State.CANCELLED, Cancelled(""), source="service")
        else:
            _at_the_provider(payment, capture)
        audit.record("cancel", "payment", payment.id, actor=actor, reason=reason)
    payment.refresh_from_db()
    return payment


def _at_the_provider(payment: Payment, capture: Operation) -> None:
    if not capture.provider_id:
        raise WrongState(
            f"{payment} was sent and its outcome is unknown: wait until it is resolved."
        )
    if payment.operations.filter(kind=OperationKind.CANCEL).exclude(state__in=FINAL).exists():
        return
    operation = operation_create(
        payment=payment,
        kind=OperationKind.CANCEL,
        amount=payment.amount,
        params={"payment_provider_id": capture.provider_id},
    )
    enqueue("payments.cancel", {"payment_id": payment.id, "operation_id": operation.id})
