"""Payments, what was asked of the provider for them, and what was heard."""

from apps.payments.models.difference import Difference
from apps.payments.models.event import PaymentEvent
from apps.payments.models.operation import Operation
from apps.payments.models.payment import Payment
from apps.payments.models.webhook import WebhookEvent

__all__ = ["Difference", "Operation", "Payment", "PaymentEvent", "WebhookEvent"]
