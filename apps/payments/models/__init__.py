"""Payments, what was asked of the provider for them, and what was heard."""

from apps.payments.models.difference import Difference as Difference
from apps.payments.models.event import PaymentEvent as PaymentEvent
from apps.payments.models.operation import Operation as Operation
from apps.payments.models.payment import Payment as Payment
from apps.payments.models.webhook import WebhookEvent as WebhookEvent
