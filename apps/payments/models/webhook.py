"""What a provider told us of its own accord."""

from django.db import models
from django.db.models import Q

from celeriac import Now, uuid7


class WebhookEvent(models.Model):
    """A verified event, kept once. It is a hint: what counts is fetched from the provider."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=32)
    event_id = models.CharField(max_length=255)
    name = models.CharField(max_length=128)
    object_id = models.CharField(max_length=255, blank=True)
    payload = models.JSONField()
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(name="webhook_event_once", fields=["provider", "event_id"])
        ]
        indexes = [
            models.Index("object_id", name="webhook_object", condition=~Q(object_id="")),
            models.Index(
                "received_at", name="webhook_waiting", condition=Q(processed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.event_id}"
