"""Payments in the admin."""

from apps.payments.admin.books import DifferenceAdmin, WebhookEventAdmin
from apps.payments.admin.operation import OperationAdmin
from apps.payments.admin.payment import PaymentAdmin

__all__ = ["DifferenceAdmin", "OperationAdmin", "PaymentAdmin", "WebhookEventAdmin"]
