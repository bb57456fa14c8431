"""Jobs that were given back to plain Celery."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from celeriac.core.clock import Now


class HandedBack(models.Model):
    """A job that left the ledger for a plain message, which is kept until it was sent."""

    job_id = models.UUIDField(primary_key=True)
    task = models.TextField()
    #: As its caller, its message and its results know it.
    task_id = models.TextField(db_index=True)
    #: The arguments as kombu's JSON, and the options of `apply_async`.
    call = models.TextField()
    taken_at = models.DateTimeField(db_default=Now())
    #: When each try to send the message began. Only the last of them is known to have ended.
    tries = ArrayField(models.DateTimeField(), default=list)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["taken_at", "job_id"]
        indexes = [
            models.Index(
                fields=["taken_at"],
                name="celeriac_handedback_unsent",
                condition=Q(sent_at__isnull=True),
            ),
            models.Index(fields=["sent_at"], name="celeriac_handedback_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.task_id}"
