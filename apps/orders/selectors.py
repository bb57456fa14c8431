"""Reading orders."""

from uuid import UUID

from django.db.models import Count

from apps.orders.errors import OrderNotFound
from apps.orders.models import Order


def order_get(order_id: UUID) -> Order:
    """Return an order with its payment and items; raises OrderNotFound."""
    found = Order.objects.select_related("payment").prefetch_related("items")
    order = found.filter(id=order_id).first()
    if order is None:
        raise OrderNotFound(f"There is no order {order_id}.")
    return order


def orders_by_state() -> dict[str, int]:
    """Return how many orders are in each state."""
    rows = Order.objects.order_by().values_list("state").annotate(Count("id"))
    return dict(rows)
