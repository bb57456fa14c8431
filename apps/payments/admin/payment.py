"""Payments, their operations and their history."""

from django.contrib import admin
from django.http import HttpRequest

from apps.payments import services
from apps.payments.admin.labels import STATES
from apps.payments.models import Operation, Payment, PaymentEvent
from apps.payments.money import display_amount as money
from celeriac import ReadOnlyAdmin, ReadOnlyInline, confirmed_action, display


class OperationInline(ReadOnlyInline):
    """What was asked of the provider."""

    model = Operation
    fields = readonly_fields = (
        "kind",
        "shown_amount",
        "state",
        "attempts",
        "lookups",
        "provider_id",
        "error_message",
        "submitted_at",
        "finished_at",
    )
    show_change_link = True

    @display(description="amount")
    def shown_amount(self, operation: Operation) -> str:
        """The amount as people read it."""
        return money(operation.amount, operation.payment.currency)


class EventInline(ReadOnlyInline):
    """What happened, line by line."""

    model = PaymentEvent
    fields = readonly_fields = ("at", "name", "source", "before", "after", "details")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Payments; giving their money back, and giving them up."""

    list_display = (
        "reference",
        "shown_state",
        "shown_amount",
        "shown_refunded",
        "provider_id",
        "created_at",
    )
    fields = (
        "provider",
        "reference",
        "state",
        "shown_amount",
        "shown_captured",
        "shown_refunding",
        "shown_refunded",
        "payment_method",
        "description",
        "provider_id",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", "currency", "provider", "created_at")
    finds = ("pk", "reference__startswith", "provider_id")
    search_help_text = "A payment's id, our reference or its beginning, or the provider's id"
    inlines = (OperationInline, EventInline)
    actions = ("refund", "cancel")

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, payment: Payment) -> str:
        """The state as a label."""
        return payment.state

    @display(description="amount", ordering="amount")
    def shown_amount(self, payment: Payment) -> str:
        """What is to be paid, as people read it."""
        return money(payment.amount, payment.currency)

    @display(description="captured")
    def shown_captured(self, payment: Payment) -> str:
        """What was taken."""
        return money(payment.captured_amount, payment.currency)

    @display(description="refunds under way")
    def shown_refunding(self, payment: Payment) -> str:
        """What is on its way back."""
        return money(payment.refunding_amount, payment.currency)

    @display(description="refunded", ordering="refunded_amount")
    def shown_refunded(self, payment: Payment) -> str:
        """What went back."""
        return money(payment.refunded_amount, payment.currency)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Whether the user may refund payments."""
        return request.user.has_perm("payments.refund_payment")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may cancel payments."""
        return request.user.has_perm("payments.cancel_payment")

    refund = confirmed_action(
        description="Refund all that is left of the chosen payments",
        permissions=["refund"],
        title="Refund all that is left of payments",
        done="Refunds under way",
        service=lambda payment, **said: services.payment_refund(payment_id=payment.id, **said),
    )

    cancel = confirmed_action(
        description="Cancel the chosen payments",
        permissions=["cancel"],
        title="Cancel payments",
        done="Cancelled, or under way",
        service=lambda payment, **said: services.payment_cancel(payment_id=payment.id, **said),
    )
