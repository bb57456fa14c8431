"""Taking the money, once."""

from uuid import UUID

from apps.payments.errors import PaymentNotFound
from apps.payments.models import Operation
from apps.payments.services.operations import operation_run
from apps.payments.states import OperationKind


def payment_capture(*, payment_id: UUID) -> Operation:
    """Bring the payment's capture one step on and return it; after success this does nothing.

    Where the operation returned is neither final nor waiting for a human, run this again
    after `selectors.operation_wait` seconds. Raises PaymentNotFound, CircuitOpen (nothing was
    sent), GatewayUnavailable, GatewayRateLimited, GatewayMisconfigured.
    """
    captures = Operation.objects.filter(payment_id=payment_id, kind=OperationKind.CAPTURE)
    operation_id = captures.values_list("id", flat=True).first()
    if operation_id is None:
        raise PaymentNotFound(f"There is no payment {payment_id}.")
    return operation_run(operation_id=operation_id, source="payments.capture")
