"""What may be done with orders."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import transaction

from apps.notifications.addresses import normalise_address
from apps.notifications.errors import InvalidRecipients
from apps.notifications.services import email_create
from apps.orders.errors import InvalidOrder, OrderNotFound
from apps.orders.messages import declined_context, receipt_context
from apps.orders.models import MOMENTS, Item, Order
from apps.orders.states import State
from apps.payments import money
from apps.payments.followups import FollowUp, register_follow_up
from apps.payments.models import Payment
from apps.payments.services import payment_cancel, payment_create
from apps.payments.states import State as PaymentState
from celeriac import Now, audit, uuid7

MAX_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Line:
    """What is ordered: `unit_amount` in minor units."""

    sku: str
    name: str
    quantity: int
    unit_amount: int

    @property
    def amount(self) -> int:
        """The line's price in minor units."""
        return self.quantity * self.unit_amount


def order_create(
    *, email: str, items: Sequence[Line], currency: str = "eur", payment_method: str
) -> Order:
    """Write an order with its payment and the payment's job in one transaction; return it.

    Joins an open transaction. Raises InvalidOrder, and InvalidAmount for a total that can't
    be paid.
    """
    email = _check(email, items, currency)
    order_id = uuid7()
    with transaction.atomic():
        total = sum(item.amount for item in items)
        payment = payment_create(
            reference=f"order:{order_id}",
            amount=total,
            currency=currency,
            payment_method=payment_method,
            description=f"Order {order_id}",
        )
        order = Order.objects.create(
            id=order_id, email=email, currency=payment.currency, total_amount=total, payment=payment
        )
        Item.objects.bulk_create([Item(order=order, **asdict(item)) for item in items])
    return order


def order_cancel(*, order_id: UUID, actor: object = None, reason: str = "") -> Order:
    """Cancel an order that is not paid, and its payment; return it.

    Where the payment was sent already, the order follows once the provider has cancelled it.
    Raises OrderNotFound, and payments' WrongState.
    """
    with transaction.atomic():
        order = Order.objects.filter(id=order_id).first()
        if order is None:
            raise OrderNotFound(f"There is no order {order_id}.")
        payment_cancel(payment_id=order.payment_id, actor=actor, reason=reason)
        audit.record("cancel", "order", order_id, actor=actor, reason=reason)
    order.refresh_from_db()
    return order


def order_settle(*, payment: Payment) -> Order | None:
    """Let the order follow its payment, in the transaction that settled the payment.

    A paid order gets its receipt, a declined one a notice: email row and job. Returns the
    order, or None where the payment is for something else. Settling twice changes nothing.
    """
    order = Order.objects.select_for_update(of=("self",)).filter(payment=payment).first()
    if order is None or order.state != State.PLACED:
        return order
    match payment.state:
        case PaymentState.SUCCEEDED:
            _move(order, State.PAID)
            _write("orders/receipt", order, receipt_context(order))
        case PaymentState.DECLINED:
            _move(order, State.DECLINED)
            _write("orders/declined", order, declined_context(order))
        case PaymentState.CANCELLED:
            _move(order, State.CANCELLED)
    return order


def follow_payments() -> None:
    """Have each order follow its payment."""
    register_follow_up(Order, FollowUp(settled=order_settle, refunded=order_refunded))


def order_refunded(*, payment: Payment) -> None:
    """Let the order know what its payment gave back, in the same transaction."""
    Order.objects.filter(payment=payment).update(refunded_amount=payment.refunded_amount)


def _move(order: Order, state: State) -> None:
    Order.objects.filter(id=order.id).update(state=state, **{MOMENTS[state]: Now()})
    order.refresh_from_db()


def _write(template: str, order: Order, context: dict[str, object]) -> None:
    email_create(
        template=template, recipient=order.email, reference=order.reference, context=context
    )


def _check(email: str, items: Sequence[Line], currency: str) -> str:
    """Return the address as it is kept; raises InvalidOrder."""
    errors: dict[str, str] = {}
    try:
        email = normalise_address(email)
    except InvalidRecipients:
        errors["email"] = f"{email!r} is not an email address"
    if not 1 <= len(items) <= MAX_ITEMS:
        errors["items"] = f"an order has 1 to {MAX_ITEMS} items, not {len(items)}"
    if any(item.quantity < 1 or item.unit_amount < 0 for item in items):
        errors["items"] = "quantities start at 1 and prices at 0"
    if len({item.sku for item in items}) < len(items):
        errors["items"] = "the same sku stands twice: add the quantities up"
    if money.decimals(currency) is None:
        errors["currency"] = f"{currency!r} is not the code of a currency in ISO 4217"
    if errors:
        text = "; ".join(f"{field}: {problem}" for field, problem in errors.items())
        raise InvalidOrder(text, errors=errors)
    return email
