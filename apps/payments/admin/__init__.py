"""Payments in the admin."""

from apps.payments.admin.operation import OperationAdmin as OperationAdmin
from apps.payments.admin.payment import PaymentAdmin as PaymentAdmin
from apps.payments.admin.reconciliation import (
    DifferenceAdmin as DifferenceAdmin,
    WebhookEventAdmin as WebhookEventAdmin,
)
