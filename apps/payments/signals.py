"""What the payments app tells others.

A signal, because imports run one way: orders know payments, payments do not know orders. It is
sent inside the transaction that settles the payment, and with `send`, not `send_robust`: what a
receiver writes commits with the payment or nothing does.
"""

from django.dispatch import Signal

#: Sent with `payment` when it became succeeded, declined or cancelled.
payment_settled = Signal()

#: Sent with `payment` and `operation` when money went back to the customer.
payment_refunded = Signal()
