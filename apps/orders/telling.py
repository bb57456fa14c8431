"""What orders know of a job: the order whose payment it moves."""

from collections.abc import Iterator
from uuid import UUID

from apps.notifications.models import Email
from apps.orders.models import Order
from apps.payments.models import WebhookEvent
from celeriac import Companion, Job, Link, companions


def register() -> None:
    """Let jobs' pages ask."""
    companions.register("orders", applies, tell, permission="orders.view_order")
    companions.register_names("orders", names)


def applies(job: Job) -> bool:
    """Whether the job is about a payment, which may be an order's."""
    return job.kind.startswith("payments.") and "payment_id" in job.args


def tell(job: Job) -> Companion | None:
    """Return the order's page."""
    payment_id = UUID(str(job.args["payment_id"]))
    order = Order.objects.filter(payment_id=payment_id).first()
    if order is None:
        return None
    return Companion(
        links=(Link(f"Order {order.id}", "admin:orders_order_change", (str(order.id),)),)
    )


def names(order_id: UUID) -> Iterator[object]:
    """Yield what jobs know of an order: its payment and that one's operations, mails and events."""
    order = Order.objects.select_related("payment").filter(id=order_id).first()
    if order is None:
        return
    yield order.payment_id
    yield from order.payment.operations.values_list("id", flat=True)
    yield from Email.objects.filter(reference=order.reference).values_list("id", flat=True)
    if about := order.payment.provider_id:
        yield from WebhookEvent.objects.filter(object_id=about).values_list("id", flat=True)
