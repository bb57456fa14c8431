"""What orders know of a job: the order whose payment it moves."""

from collections.abc import Iterator
from uuid import UUID

from apps.notifications.models import Email
from apps.orders.models import Order
from apps.payments.models import WebhookEvent
from celeriac import Job, JobPageSection, Link, job_pages


def register_sections() -> None:
    """Let jobs' pages ask."""
    job_pages.register_section(
        "orders", concerns_job, section_of_job, permission="orders.view_order"
    )
    job_pages.register_search_names("orders", search_names)


def concerns_job(job: Job) -> bool:
    """Whether the job is about a payment, which may be an order's."""
    return job.kind.startswith("payments.") and "payment_id" in job.args


def section_of_job(job: Job) -> JobPageSection | None:
    """Return the order's page."""
    payment_id = UUID(str(job.args["payment_id"]))
    order = Order.objects.filter(payment_id=payment_id).first()
    if order is None:
        return None
    return JobPageSection(
        links=(Link(f"Order {order.id}", "admin:orders_order_change", (str(order.id),)),)
    )


def search_names(order_id: UUID) -> Iterator[object]:
    """Yield what jobs know of an order: its payment and that one's operations, mails and events."""
    order = Order.objects.select_related("payment").filter(id=order_id).first()
    if order is None:
        return
    yield order.payment_id
    yield from order.payment.operations.values_list("id", flat=True)
    yield from Email.objects.filter(reference=order.reference).values_list("id", flat=True)
    if about := order.payment.provider_id:
        yield from WebhookEvent.objects.filter(object_id=about).values_list("id", flat=True)
