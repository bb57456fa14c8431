"""A queue: where jobs wait, and who may ring them."""

from django.db import models
from django.db.models.lookups import GreaterThan

from celeriac.core.clock import Now
from celeriac.core.conditions import Condition
from celeriac.core.models import EditedModel
from celeriac.jobs.holds import pause_condition

_PAUSED = Condition(pause_condition, "paused_at", "paused_until")
_SERVED = GreaterThan(models.F("lease_until"), Now())


class QueueQuerySet(models.QuerySet["Queue"]):
    """Queues by what they let through."""

    def paused(self) -> "QueueQuerySet":
        """Return the queues that let nothing start now."""
        return self.filter(_PAUSED)

    def served(self) -> "QueueQuerySet":
        """Return the queues whose lease a living dispatcher holds."""
        return self.filter(_SERVED)

    def with_state(self) -> "QueueQuerySet":
        """Add whether each `is_paused`, and whether a dispatcher holds it: `is_served`."""
        return self.annotate(**{"is_paused": _PAUSED, "is_served": _SERVED})


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

    #: What `with_state` adds.
    is_paused: bool
    is_served: bool

    objects = QueueQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        permissions = [("pause_queue", "Can pause and resume queues")]
        indexes = [
            # Read by every claim.
            models.Index(
                fields=["name"],
                name="celeriac_queue_paused",
                condition=models.Q(paused_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name
