"""What may be done with mail."""

from apps.notifications.services.create import email_create
from apps.notifications.services.requeue import email_requeue
from apps.notifications.services.send import email_send
from apps.notifications.services.suppress import suppress, unsuppress

__all__ = ["email_create", "email_requeue", "email_send", "suppress", "unsuppress"]
