"""A payment comes into being, with its capture and the job that makes it."""

from apps.payments import money
from apps.payments.errors import InvalidAmount
from apps.payments.models import Payment
from apps.payments.services.operations import operation_create
from apps.payments.states import OperationKind
from celeriac import enqueue, uuid7

MAX_AMOUNT = 99_999_999  # Stripe's: eight digits of minor units


def payment_create(
    *,
    reference: str,
    amount: int,
    currency: str,
    payment_method: str,
    description: str = "",
    provider: str = "stripe",
) -> Payment:
    """Create a payment of `amount` minor units and enqueue its capture; return the payment.

    Joins the caller's transaction, which must be open: payment and job commit together.
    Raises InvalidAmount.
    """
    if not 0 < amount <= MAX_AMOUNT:
        raise InvalidAmount(f"{amount} is not between 1 and {MAX_AMOUNT} minor units.")
    if money.decimals(currency) is None:
        raise InvalidAmount(f"{currency!r} is not the code of a currency in ISO 4217.")
    payment = Payment.objects.create(
        id=uuid7(),
        provider=provider,
        reference=reference,
        amount=amount,
        currency=currency.lower(),
        payment_method=payment_method,
        description=description,
    )
    names = ("amount", "currency", "payment_method", "description")
    params = {name: getattr(payment, name) for name in names}
    operation_create(payment=payment, kind=OperationKind.CAPTURE, amount=amount, params=params)
    enqueue("payments.capture", {"payment_id": payment.id})
    return payment
