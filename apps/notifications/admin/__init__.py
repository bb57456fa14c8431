"""Mail in the admin."""

from apps.notifications.admin.campaign import CampaignAdmin, RecipientAdmin
from apps.notifications.admin.email import EmailAdmin, SuppressionAdmin

__all__ = ["CampaignAdmin", "EmailAdmin", "RecipientAdmin", "SuppressionAdmin"]
