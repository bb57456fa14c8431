"""A dispatcher: one instance of one process, and what it says of its own answers."""

import uuid

from django.db import models

from celeriac.core.clock import Now
from celeriac.core.conditions import Condition
from celeriac.jobs.living import fresh_condition
from celeriac.settings import conf


class DispatcherQuerySet(models.QuerySet["Dispatcher"]):
    """Dispatchers by what was last heard of them; one that stops takes its row away."""

    def living(self) -> "DispatcherQuerySet":
        """Return those that were heard of within the queues' lease."""
        lease = models.Value(conf.QUEUE_LEASE_SECONDS)
        return self.filter(Condition(fresh_condition, "beat_at", lease))


class Dispatcher(models.Model):
    """One instance. A *since* is set while it can't do that part of its work, though there is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.TextField()
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    #: When its last doorbells were taken by the broker.
    rang_at = models.DateTimeField(null=True, blank=True)
    #: Since when the broker has taken none of its doorbells.
    mute_since = models.DateTimeField(null=True, blank=True)
    #: Since when its listener has answered no canary.
    deaf_since = models.DateTimeField(null=True, blank=True)
    #: Since when it has had no contact with the database that would let it rescue.
    idle_since = models.DateTimeField(null=True, blank=True)

    objects = DispatcherQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        default_permissions = ()  # nobody edits one

    def __str__(self) -> str:
        return self.name
