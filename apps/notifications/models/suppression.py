"""The addresses that get no mail."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from celeriac import Now, uuid7


class SuppressionReason(models.TextChoices):
    """Why an address gets no mail."""

    BOUNCE = "bounce", "bounced"
    COMPLAINT = "complaint", "complained"
    UNSUBSCRIBE = "unsubscribe", "unsubscribed"
    OPERATOR = "operator", "by an operator"


class Suppression(models.Model):
    """An address that gets no mail; read when a message is sent, not when it is written.

    Who unsubscribed still gets receipts: such a row holds for bulk mail only.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    address = models.EmailField()
    reason = models.CharField(max_length=16, choices=SuppressionReason.choices)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="suppressions",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(Lower("address"), "reason", name="suppression_address_once")
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.reason})"
