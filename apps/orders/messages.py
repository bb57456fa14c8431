"""What an order's mails say."""

from apps.orders.models import Order
from apps.payments.money import display


def receipt_context(order: Order) -> dict[str, object]:
    """Return what the receipt shows, as JSON values."""
    return {
        "order": str(order.id),
        "total": display(order.total_amount, order.currency),
        "items": [
            {
                "name": item.name,
                "quantity": item.quantity,
                "amount": display(item.amount, order.currency),
            }
            for item in order.items.order_by("id")
        ],
    }


def declined_context(order: Order) -> dict[str, object]:
    """Return what the notice of a declined payment shows, as JSON values."""
    return {"order": str(order.id), "total": display(order.total_amount, order.currency)}
