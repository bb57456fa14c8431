"""Orders follow their payments. Called inside the transaction that settles the payment."""

from typing import Any

from django.dispatch import receiver

from apps.orders import services
from apps.payments.models import Payment
from apps.payments.signals import payment_refunded, payment_settled


@receiver(payment_settled, dispatch_uid="orders.settle")
def settle(payment: Payment, **_: Any) -> None:  # noqa: ANN401 a signal's other arguments
    """Move the order on with its payment."""
    services.order_settle(payment=payment)


@receiver(payment_refunded, dispatch_uid="orders.refunded")
def refunded(payment: Payment, **_: Any) -> None:  # noqa: ANN401 a signal's other arguments
    """Note on the order what its payment gave back."""
    services.order_refunded(payment=payment)
