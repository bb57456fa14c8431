"""What orders know of a job: the order whose payment it moves."""

from uuid import UUID

from apps.jobs.api import Companion, Job, Link, companions
from apps.orders.models import Order


def register() -> None:
    """Let jobs' pages ask."""
    companions.register("orders", applies, tell, permission="orders.view_order")


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
