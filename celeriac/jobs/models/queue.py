"""A queue: where jobs wait, and who may ring them."""

from django.db import models
from django.db.models import Q

from celeriac.core.clock import Now
from celeriac.core.models import EditedModel


class QueueQuerySet(models.QuerySet["Queue"]):
    """Queues by what they let through."""

    def paused(self) -> "QueueQuerySet":
        """Return the queues that let nothing start now."""
        return self.filter(paused_at__isnull=False).filter(
            Q(paused_until=None) | Q(paused_until__gt=Now())
        )


class Queue(EditedModel):
    """A declared queue (CELERIAC['QUEUES']): its pause, and the dispatcher that holds it."""

    name = models.TextField(primary_key=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    paused_by = models.TextField(db_default="", blank=True)
    pause_reason = models.TextField(db_default="", blank=True)
    #: Seconds of work to keep in the broker.
    window = models.FloatField(db_default=1.5)
    holder = models.UUIDField(null=True, blank=True)
    holder_name = models.TextField(db_default="", blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    objects = QueueQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        permissions = [("pause_queue", "Can pause and resume queues")]

    def __str__(self) -> str:
        return self.name
