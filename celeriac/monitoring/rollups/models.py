"""What is kept of the past: minutes, and the longer spans made of them."""

from django.db import models

from celeriac.core.clock import Now


class Rollup(models.Model):
    """How the runs of one kind ended in one queue within one span of time.

    `span` is the length in seconds, `at` its start. `wait` and `run` are histograms,
    bucket by bucket (rollups/buckets.py): seconds from due to started, and of runs.
    """

    span = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    queue = models.TextField()
    kind = models.TextField()
    succeeded = models.PositiveIntegerField(db_default=0)
    dead = models.PositiveIntegerField(db_default=0)
    cancelled = models.PositiveIntegerField(db_default=0)
    #: Runs that failed and are tried again, and runs that ended with their process.
    failed = models.PositiveIntegerField(db_default=0)
    lost = models.PositiveIntegerField(db_default=0)
    wait = models.JSONField(default=dict, db_default={})
    run = models.JSONField(default=dict, db_default={})

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="celeriac_rollup_once", fields=["span", "at", "queue", "kind"]
            )
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} in {self.queue}, {self.span} s from {self.at:%Y-%m-%d %H:%M}"


class ErrorRollup(models.Model):
    """How many jobs died of one class of error within one span of time."""

    span = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    error_class = models.TextField(blank=True)
    dead = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="celeriac_error_rollup_once", fields=["span", "at", "error_class"]
            )
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.dead} of {self.error_class}, {self.span} s from {self.at:%Y-%m-%d %H:%M}"


class Sample(models.Model):
    """What one queue held, looked at once a minute; of a longer span, the most."""

    span = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    queue = models.TextField()
    waiting = models.PositiveIntegerField()
    parked = models.PositiveIntegerField()
    running = models.PositiveIntegerField()
    #: Age of the oldest due job, in seconds.
    oldest = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="celeriac_sample_once", fields=["span", "at", "queue"])
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.queue} at {self.at:%Y-%m-%d %H:%M}: {self.waiting} waiting"


class Pass(models.Model):
    """One run of the roll-up: how far it came, so that the next knows where to begin."""

    ran_at = models.DateTimeField(db_default=Now(), db_index=True)
    upto = models.DateTimeField()
    #: Whether it looked far back for what had come late.
    deep = models.BooleanField(db_default=False)

    class Meta:
        verbose_name_plural = "passes"
        default_permissions = ()

    def __str__(self) -> str:
        return f"up to {self.upto:%Y-%m-%d %H:%M}"
