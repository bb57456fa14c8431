"""Orders in the admin."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode

from apps.orders import services
from apps.orders.models import Item, Order
from apps.payments.money import display_amount as money
from celeriac import LINK, ReadOnlyAdmin, ReadOnlyInline, confirmed_action, display


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
    finds = ("pk", "email__lower__startswith", "payment_id", "payment__provider_id")
    indexed_filters = ("state__exact",)
    search_help_text = (
        "An id of the order or its payment, an email address or its beginning, "
        "or the provider's id of the payment"
    )
    fields = (
        "id",
        "email",
        "total",
        "shown_state",
        "leads",
        "placed_at",
        "paid_at",
        "declined_at",
        "cancelled_at",
        "refunded_amount",
    )
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

    @display(description="leads to")
    def leads(self, order: Order) -> str:
        """Its payment, the jobs that move it, and the mails about it."""
        payment = reverse("admin:payments_payment_change", args=[order.payment_id])
        jobs = f"{reverse('admin:celeriac_jobs_job_changelist')}?q={order.id}"
        about = urlencode({"reference": order.reference})
        mails = f"{reverse('admin:notifications_email_changelist')}?{about}"
        places = ((payment, "its payment"), (jobs, "its jobs"), (mails, "its mails"))
        link = '<a class="{}" href="{}">{}</a>'
        return format_html_join(", ", link, ((LINK, place, text) for place, text in places))

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may cancel orders."""
        return request.user.has_perm("orders.cancel_order")

    cancel = confirmed_action(
        description="Cancel the chosen orders",
        permissions=["cancel"],
        title="Cancel orders",
        done="Cancelled",
        service=lambda order, **said: services.order_cancel(order_id=order.id, **said),
    )
