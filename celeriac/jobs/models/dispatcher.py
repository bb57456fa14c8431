"""A dispatcher: one boot of one process, and what it says of its own answers."""

import uuid

from django.db import models

from celeriac.core.clock import Now


class Dispatcher(models.Model):
    """One boot. A *since* is set while it can't do that part of its work, though there is some."""

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

    class Meta:
        ordering = ["-started_at"]
        default_permissions = ()  # nobody edits one

    def __str__(self) -> str:
        return self.name
