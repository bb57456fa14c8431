"""What may be done with money. Every external call is between two transactions."""

from apps.payments.services.cancel import payment_cancel
from apps.payments.services.capture import payment_capture
from apps.payments.services.create import payment_create
from apps.payments.services.reconcile import difference_close, payments_reconcile
from apps.payments.services.refund import payment_refund
from apps.payments.services.resolve import operation_resolve, payments_sweep
from apps.payments.services.review import operation_decide, operation_retry
from apps.payments.services.webhooks import webhook_process, webhook_receive

__all__ = [
    "difference_close",
    "operation_decide",
    "operation_resolve",
    "operation_retry",
    "payment_cancel",
    "payment_capture",
    "payment_create",
    "payment_refund",
    "payments_reconcile",
    "payments_sweep",
    "webhook_process",
    "webhook_receive",
]
