"""What may be done with mail."""

from apps.notifications.services.campaign import campaign_add, campaign_create
from apps.notifications.services.campaign_run import Progress, campaign_run
from apps.notifications.services.campaign_start import (
    campaign_cancel,
    campaign_follow,
    campaign_stall,
    campaign_start,
)
from apps.notifications.services.create import email_create
from apps.notifications.services.events import event_receive
from apps.notifications.services.requeue import email_requeue
from apps.notifications.services.send import email_send
from apps.notifications.services.suppress import suppress, unsuppress
from apps.notifications.services.unsubscribe import unsubscribe

__all__ = [
    "Progress",
    "campaign_add",
    "campaign_cancel",
    "campaign_create",
    "campaign_follow",
    "campaign_run",
    "campaign_stall",
    "campaign_start",
    "email_create",
    "email_requeue",
    "email_send",
    "event_receive",
    "suppress",
    "unsubscribe",
    "unsuppress",
]
