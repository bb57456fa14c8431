"""A worker: one instance of one process, and what it says of itself."""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Greatest

from celeriac.core.clock import Now
from celeriac.core.conditions import Condition
from celeriac.jobs.living import living_condition
from celeriac.settings import conf


class Sign(models.Model):
    """A sign of life of a worker whose row a lock of somebody else's kept from being written."""

    worker = models.UUIDField(primary_key=True)
    given_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.worker} at {self.given_at}"


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Workers by what was last heard of them."""

    def with_life(self) -> "WorkerQuerySet":
        """Add `heard_at`, when the worker last beat or gave a sign, and whether it `lives`."""
        sign = Sign.objects.filter(worker=models.OuterRef("pk")).values("given_at")
        found = self.annotate(**{"heard_at": Greatest("beat_at", models.Subquery(sign))})
        return found.annotate(**{"lives": _lives("heard_at", None)})

    def living(self, within: timedelta | None = None) -> "WorkerQuerySet":
        """Return those that have not stopped and were heard of `within`: the lease, unless said."""
        return self.with_life().filter(_lives("heard_at", within))

    def silent(self, within: timedelta) -> "WorkerQuerySet":
        """Return those that were heard of `within` and have neither stopped nor do they live."""
        return self.living(within).exclude(_lives("heard_at", None))

    def beating(self) -> "WorkerQuerySet":
        """Return the living ones whose own row is fresh: all that it says is true now."""
        return self.filter(_lives("beat_at", None))


def _lives(heard: str, within: timedelta | None) -> Condition:
    lease = within.total_seconds() if within else conf.WORKER_LEASE_SECONDS
    return Condition(living_condition, heard, models.Value(lease), "stopped_at")


class Worker(models.Model):
    """One instance; a restarted namesake is another worker."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.TextField()
    host = models.TextField()
    pid = models.PositiveIntegerField()
    queues = ArrayField(models.TextField(), default=list)
    kinds = ArrayField(models.TextField(), default=list)
    slots = models.PositiveIntegerField()
    #: The claims its children hold, as of beat_at.
    claims = ArrayField(models.UUIDField(), default=list)
    #: The jobs that its children run, as of beat_at; what else they claimed waits behind them.
    running = ArrayField(models.UUIDField(), default=list, db_default=[])
    #: When it last went on after it had been frozen: what it ran had no time meanwhile.
    woke_at = models.DateTimeField(null=True, blank=True)
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

    #: What `with_life` adds.
    heard_at: datetime
    lives: bool

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(
                fields=["beat_at"],
                name="celeriac_worker_living",
                condition=models.Q(stopped_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.name
