"""Payments, their operations and their story."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.readonly import ReadOnlyAdmin, ReadOnlyInline, action, apply_to_each, display
from apps.payments import services
from apps.payments.admin.labels import STATES
from apps.payments.models import Operation, Payment, PaymentEvent


class OperationInline(ReadOnlyInline):
    """What was asked of the provider."""

    model = Operation
    fields = readonly_fields = (
        "kind",
        "amount",
        "state",
        "attempts",
        "lookups",
        "provider_id",
        "error_message",
        "submitted_at",
        "finished_at",
    )
    show_change_link = True


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
        "amount",
        "currency",
        "refunded_amount",
        "provider_id",
        "created_at",
    )
    list_filter = ("state", "currency", "provider", "created_at")
    search_fields = ("id__iexact", "reference", "provider_id")
    search_help_text = "A payment's id, our reference, or the provider's id"
    inlines = (OperationInline, EventInline)
    actions = ("refund", "cancel")

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, payment: Payment) -> str:
        """The state as a label."""
        return payment.state

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Whether the user may refund payments."""
        return request.user.has_perm("payments.refund_payment")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may cancel payments."""
        return request.user.has_perm("payments.cancel_payment")

    @action(description="Refund all that is left of the chosen payments", permissions=["refund"])
    def refund(self, request: HttpRequest, queryset: QuerySet[Payment]) -> Any:  # noqa: ANN401 admin's
        """Refund each that was captured."""
        apply_to_each(
            request,
            queryset,
            "Refunds under way",
            lambda payment: services.payment_refund(
                payment_id=payment.id, actor=request.user, reason="in the admin"
            ),
        )

    @action(description="Cancel the chosen payments", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Payment]) -> Any:  # noqa: ANN401 admin's
        """Cancel each whose money has not moved."""
        apply_to_each(
            request,
            queryset,
            "Cancelled, or under way",
            lambda payment: services.payment_cancel(
                payment_id=payment.id, actor=request.user, reason="in the admin"
            ),
        )
