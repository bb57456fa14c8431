"""Giving money back."""

from uuid import UUID

from django.db import transaction
from django.db.models import F

from apps.payments.errors import InvalidAmount, RefundTooLarge, WrongState
from apps.payments.models import Operation, Payment
from apps.payments.services.locking import lock_payment
from apps.payments.services.operations import operation_create
from apps.payments.states import OperationKind, State
from celeriac import audit, enqueue


def payment_refund(
    *, payment_id: UUID, amount: int | None = None, actor: object = None, reason: str = ""
) -> Operation:
    """Reserve a refund of `amount` minor units, by default all that is left, and enqueue it.

    Returns the pending operation. Raises PaymentNotFound, WrongState for a payment that was
    not captured, InvalidAmount, RefundTooLarge.
    """
    with transaction.atomic():
        payment = lock_payment(payment_id)
        wanted = _wanted(payment, amount)
        Payment.objects.filter(id=payment.id).update(
            refunding_amount=F("refunding_amount") + wanted
        )
        params = {"amount": wanted, "payment_provider_id": payment.provider_id}
        operation = operation_create(
            payment=payment, kind=OperationKind.REFUND, amount=wanted, params=params
        )
        enqueue("payments.refund", {"payment_id": payment.id, "operation_id": operation.id})
        details = {"amount": wanted, "currency": payment.currency}
        audit.record("refund", "payment", payment.id, actor=actor, reason=reason, details=details)
    return operation


def _wanted(payment: Payment, amount: int | None) -> int:
    if payment.state != State.SUCCEEDED:
        raise WrongState(f"{payment} is {payment.state}: only what was captured goes back.")
    left = payment.refundable_amount
    wanted = left if amount is None else amount
    if amount is not None and amount < 1:
        raise InvalidAmount(f"A refund of {amount} minor units gives nothing back.")
    if wanted > left or wanted < 1:
        raise RefundTooLarge(f"{wanted} of {payment} can't be refunded: {left} is left.")
    return wanted
