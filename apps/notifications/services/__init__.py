"""What may be done with mail."""

from apps.notifications.services.campaign import (
    campaign_add as campaign_add,
    campaign_create as campaign_create,
)
from apps.notifications.services.campaign_run import (
    Progress as Progress,
    campaign_run as campaign_run,
)
from apps.notifications.services.campaign_start import (
    campaign_cancel as campaign_cancel,
    campaign_follow as campaign_follow,
    campaign_stall as campaign_stall,
    campaign_start as campaign_start,
)
from apps.notifications.services.create import email_create as email_create
from apps.notifications.services.events import event_receive as event_receive
from apps.notifications.services.requeue import email_requeue as email_requeue
from apps.notifications.services.send import email_send as email_send
from apps.notifications.services.suppress import suppress as suppress, unsuppress as unsuppress
from apps.notifications.services.unsubscribe import unsubscribe as unsubscribe
