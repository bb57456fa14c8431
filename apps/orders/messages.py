"""What an order's mails say."""

from apps.orders.models import Order
from apps.payments.money import display_amount


def receipt_context(order: Order) -> dict[str, object]:
    """Return what the receipt shows, as JSON values."""
    return {
        "order": str(order.id),
        "total": display_amount(order.total_amount, order.currency),
        "items": [
            {
                "name": item.name,
                "quantity": item.quantity,
                "amount": display_amount(item.amount, order.currency),
            }
            for item in order.items.order_by("id")
        ],
    }


def declined_context(order: Order) -> dict[str, object]:
    """Return what the notice of a declined payment shows, as JSON values."""
    return {"order": str(order.id), "total": display_amount(order.total_amount, order.currency)}
