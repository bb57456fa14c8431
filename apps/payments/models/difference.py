"""Where the provider's books and ours disagree."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.payments.models.payment import Payment
from celeriac import Now, uuid7


class DifferenceKind(models.TextChoices):
    """How the books disagree."""

    MISSING_HERE = "missing_here", "the provider has it, we do not"
    MISSING_THERE = "missing_there", "we have it, the provider does not"
    AMOUNT = "amount", "amounts differ"
    STATE = "state", "states differ"
    REFUNDED = "refunded", "refunds differ"
    CHARGED_TWICE = "charged_twice", "charged more than once"


class Difference(models.Model):
    """One disagreement, filed once while it is open, until an operator closes it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, choices=DifferenceKind.choices)
    provider = models.CharField(max_length=32)
    provider_id = models.CharField(max_length=255, blank=True)
    reference = models.CharField(max_length=128, blank=True)
    ours = models.JSONField(default=dict, blank=True)
    theirs = models.JSONField(default=dict, blank=True)
    found_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.TextField(blank=True)
    payment = models.ForeignKey(
        Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="differences"
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="closed_differences",
    )

    class Meta:
        ordering = ["-id"]
        permissions = [("close_difference", "Can close differences")]
        constraints = [
            models.UniqueConstraint(
                name="difference_open_once",
                fields=["kind", "provider", "provider_id", "reference"],
                condition=Q(closed_at__isnull=True),
            )
        ]
        indexes = [
            models.Index("reference", name="difference_reference", condition=~Q(reference="")),
            models.Index(
                "provider_id", name="difference_provider_id", condition=~Q(provider_id="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference or self.provider_id}"
