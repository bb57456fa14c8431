"""What may be done with money. Every external call is between two transactions."""

from apps.payments.services.cancel import payment_cancel as payment_cancel
from apps.payments.services.capture import payment_capture as payment_capture
from apps.payments.services.create import payment_create as payment_create
from apps.payments.services.reconcile import (
    difference_close as difference_close,
    payments_reconcile as payments_reconcile,
)
from apps.payments.services.refund import payment_refund as payment_refund
from apps.payments.services.resolve import (
    operation_resolve as operation_resolve,
    payments_sweep as payments_sweep,
)
from apps.payments.services.review import (
    operation_decide as operation_decide,
    operation_retry as operation_retry,
)
from apps.payments.services.webhooks import (
    webhook_process as webhook_process,
    webhook_receive as webhook_receive,
)
