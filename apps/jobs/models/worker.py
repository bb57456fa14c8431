"""A worker: one boot of one process, and what it says of itself."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.core.clock import Now


class Worker(models.Model):
    """One boot; a restarted namesake is another worker."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.TextField()
    host = models.TextField()
    pid = models.PositiveIntegerField()
    queues = ArrayField(models.TextField(), default=list)
    kinds = ArrayField(models.TextField(), default=list)
    slots = models.PositiveIntegerField()
    #: The claims its children hold, as of beat_at.
    claims = ArrayField(models.UUIDField(), default=list)
    #: Mean seconds of a run, by kind.
    run_times = models.JSONField(default=dict)
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    #: When a beat was known to have arrived before the look at the children that `claims` tells.
    previous_beat_at = models.DateTimeField(null=True, blank=True)
    #: When the database last answered one of its children: a claim (of nothing, too) or a settle.
    answered_at = models.DateTimeField(null=True, blank=True)
    #: Where a canary reaches it and nobody else; '' where it can't be asked.
    canary = models.TextField(db_default="", blank=True)
    #: When the first canary was sent that it has not answered yet, or the last one that it has.
    asked_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(
                fields=["beat_at"],
                name="worker_living",
                condition=models.Q(stopped_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.name
