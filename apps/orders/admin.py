"""Orders in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.confirming import confirmed
from apps.core.money import display as money
from apps.core.readonly import ReadOnlyAdmin, ReadOnlyInline, action, display
from apps.orders import services
from apps.orders.models import Item, Order


class ItemInline(ReadOnlyInline):
    """What was ordered."""

    model = Item
    fields = readonly_fields = ("sku", "name", "quantity", "unit_amount")


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders, and giving them up."""

    list_display = ("id", "email", "total", "shown_state", "placed_at", "paid_at")
    list_filter = ("state", "currency", "placed_at")
    list_select_related = ("payment",)
    search_fields = ("id__iexact", "email", "payment__provider_id")
    search_help_text = "An order's id, an email address, or the provider's id of the payment"
    inlines = (ItemInline,)
    actions = ("cancel",)

    @display(description="total", ordering="total_amount")
    def total(self, order: Order) -> str:
        """The amount as people read it."""
        return money(order.total_amount, order.currency)

    @display(
        description="state",
        ordering="state",
        label={"paid": "success", "declined": "danger", "cancelled": "warning", "placed": "info"},
    )
    def shown_state(self, order: Order) -> str:
        """The state as a label."""
        return order.state

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may cancel orders."""
        return request.user.has_perm("orders.cancel_order")

    @action(description="Cancel the chosen orders", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> Any:  # noqa: ANN401 admin's
        """Cancel each that is not paid yet."""
        return confirmed(
            request,
            queryset,
            title="Cancel orders",
            done="Cancelled",
            service=lambda order, reason: services.order_cancel(
                order_id=order.id, actor=request.user, reason=reason
            ),
        )
