"""The audit trail, and the totals of what was counted."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from celeriac.core.clock import Now


class EditedModel(models.Model):
    """A row that people edit. A queryset's `update` on their behalf names `updated_at`, too."""

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now(), editable=False)

    class Meta:
        abstract = True


class Audit(models.Model):
    """One thing that somebody did, to what, to how many, and why."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(db_default=Now())
    actor_name = models.CharField(max_length=254, blank=True)
    verb = models.CharField(max_length=64)
    target_type = models.CharField(max_length=64)
    target_id = models.CharField(max_length=128, blank=True)
    filter = models.JSONField(default=dict, blank=True)
    count = models.PositiveIntegerField(default=1)
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="audits",
    )

    class Meta:
        ordering = ["-at"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit trail"
        indexes = [
            models.Index(fields=["-at"], name="celeriac_audit_at"),
            models.Index(fields=["target_type", "target_id", "-at"], name="celeriac_audit_target"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.target_type} {self.target_id}".strip()


class AuditBatch(models.Model):
    """What one batch of a bulk action changed, so that each can tell who changed it."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    targets = ArrayField(models.UUIDField())
    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="batches")

    class Meta:
        ordering = ["id"]
        default_permissions = ()
        indexes = [GinIndex(fields=["targets"], name="celeriac_audit_batch_targets")]

    def __str__(self) -> str:
        return f"{len(self.targets)} of {self.audit_id}"


class Counter(models.Model):
    """A counter's total over all processes and all time: see core/counting."""

    #: A JSON array: the name, and the values of its labels.
    series = models.TextField(primary_key=True)
    #: One number for a counter; buckets, rest and sum (microseconds) for a histogram.
    cells = ArrayField(models.BigIntegerField())

    class Meta:
        ordering = ["series"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.series
