"""What the database keeps of mail."""

from apps.notifications.models.campaign import Campaign, Recipient
from apps.notifications.models.email import Email
from apps.notifications.models.suppression import Suppression, SuppressionReason

__all__ = ["Campaign", "Email", "Recipient", "Suppression", "SuppressionReason"]
