"""Payments in the admin."""

from apps.payments.admin.operation import OperationAdmin
from apps.payments.admin.payment import PaymentAdmin
from apps.payments.admin.reconciliation import DifferenceAdmin, WebhookEventAdmin

__all__ = ["DifferenceAdmin", "OperationAdmin", "PaymentAdmin", "WebhookEventAdmin"]
