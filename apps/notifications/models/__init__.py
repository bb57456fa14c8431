"""What the database keeps of mail."""

from apps.notifications.models.campaign import Campaign as Campaign, Recipient as Recipient
from apps.notifications.models.email import Email as Email
from apps.notifications.models.suppression import (
    Suppression as Suppression,
    SuppressionReason as SuppressionReason,
)
