"""Rows under lock, always the payment before its operations."""

from uuid import UUID

from apps.payments.errors import PaymentNotFound
from apps.payments.models import Operation, Payment
from apps.payments.states import OperationKind


def lock_payment(payment_id: UUID) -> Payment:
    """Return the payment, locked until the transaction ends; raises PaymentNotFound."""
    payment = Payment.objects.select_for_update(of=("self",)).filter(id=payment_id).first()
    if payment is None:
        raise PaymentNotFound(f"There is no payment {payment_id}.")
    return payment


def lock_operation(operation_id: UUID) -> Operation:
    """Return the operation with its payment, both locked; raises PaymentNotFound."""
    payments = Payment.objects.select_for_update(of=("self",))
    payment = payments.filter(operations__id=operation_id).first()
    if payment is None:
        raise PaymentNotFound(f"There is no operation {operation_id}.")
    operation = Operation.objects.select_for_update().get(id=operation_id)
    operation.payment = payment
    return operation


def lock_capture(payment: Payment) -> Operation:
    """Return the capture of a payment that is locked already."""
    capture = payment.operations.select_for_update().get(kind=OperationKind.CAPTURE)
    capture.payment = payment
    return capture
