"""Mail in the admin."""

from apps.notifications.admin.campaign import (
    CampaignAdmin as CampaignAdmin,
    RecipientAdmin as RecipientAdmin,
)
from apps.notifications.admin.email import (
    EmailAdmin as EmailAdmin,
    SuppressionAdmin as SuppressionAdmin,
)
