"""What happened to a payment, line by line."""

from django.db import models

from apps.payments.models.operation import Operation
from apps.payments.models.payment import Payment
from celeriac import Now, uuid7


class PaymentEvent(models.Model):
    """One thing that happened. Append-only: a trigger refuses updates and deletes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64)
    source = models.CharField(max_length=64)
    before = models.CharField(max_length=16, blank=True)
    after = models.CharField(max_length=16, blank=True)
    details = models.JSONField(default=dict, blank=True)
    correlation_id = models.CharField(max_length=128, blank=True)
    at = models.DateTimeField(db_default=Now())
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="events")
    operation = models.ForeignKey(
        Operation, null=True, blank=True, on_delete=models.PROTECT, related_name="events"
    )

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.before} → {self.after})"
