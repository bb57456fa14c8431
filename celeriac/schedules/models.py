"""What belongs to a periodic task beyond django-celery-beat's row."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django_celery_beat.models import PeriodicTask

from celeriac.core.clock import Now
from celeriac.core.conditions import Condition
from celeriac.core.ids import uuid7
from celeriac.core.models import EditedModel
from celeriac.jobs.living import living_condition
from celeriac.settings import conf


class Misfire(models.TextChoices):
    """What becomes of ticks that nobody fired in time."""

    SKIP = "skip", "skip them"
    ONCE = "once", "run once for all of them"
    ALL = "all", "run each, up to a limit"


class Overlap(models.TextChoices):
    """What becomes of a tick whose predecessor's job has not finished."""

    ALLOW = "allow", "run both at a time"
    SKIP = "skip", "skip the tick"
    WAIT = "wait", "run one after another"


class Status(models.TextChoices):
    """What became of a tick."""

    FIRED = "fired"
    SKIPPED = "skipped"
    MISSED = "missed"


#: How the reason of a skipped tick begins whose job could not be made.
UNCALLED = "could not be called"


class Policy(EditedModel):
    """How a periodic task's ticks become jobs, and how far beat has come with them.

    `cursor` is the moment up to which every tick is decided; `next_fire_at` the
    first tick after it. `definition` is a hash of what says when it fires, so that
    a change is seen however it was made.
    """

    misfire = models.TextField(choices=Misfire.choices, db_default=Misfire.ONCE, default="once")
    misfire_limit = models.PositiveIntegerField(
        db_default=100, default=100, help_text="Of late ticks, run at most the newest so many."
    )
    misfire_grace = models.FloatField(
        db_default=60.0, default=60.0, help_text="Seconds after which a tick counts as late."
    )
    overlap = models.TextField(choices=Overlap.choices, db_default=Overlap.ALLOW, default="allow")
    deadline = models.FloatField(
        null=True, blank=True, help_text="Seconds after the tick within which its job must start."
    )
    jitter = models.FloatField(
        db_default=0.0, default=0.0, help_text="Seconds over which starts are spread."
    )
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    paused_by = models.TextField(db_default="", blank=True, editable=False)
    pause_reason = models.TextField(db_default="", blank=True, editable=False)
    cursor = models.DateTimeField(editable=False)
    anchor = models.DateTimeField(editable=False)
    next_fire_at = models.DateTimeField(null=True, blank=True, editable=False)
    definition = models.TextField(db_default="", editable=False)
    #: Why it can't fire, in one line.
    fault = models.TextField(db_default="", blank=True, editable=False)
    #: What code declared when it was last synchronised; null: people made it.
    declared = models.JSONField(null=True, blank=True, editable=False)
    periodic_task = models.OneToOneField(
        PeriodicTask, primary_key=True, on_delete=models.CASCADE, related_name="policy"
    )

    class Meta:
        verbose_name_plural = "policies"
        permissions = [
            ("pause_schedule", "Can pause and resume schedules"),
            ("run_schedule", "Can run a schedule now"),
            ("backfill_schedule", "Can backfill a schedule"),
        ]
        constraints = [
            models.CheckConstraint(
                name="celeriac_schedule_misfire_known", condition=Q(misfire__in=Misfire.values)
            ),
            models.CheckConstraint(
                name="celeriac_schedule_overlap_known", condition=Q(overlap__in=Overlap.values)
            ),
            models.CheckConstraint(
                name="celeriac_schedule_seconds_not_negative",
                condition=Q(misfire_grace__gte=0, jitter__gte=0)
                & (Q(deadline__isnull=True) | Q(deadline__gt=models.F("jitter"))),
            ),
        ]
        indexes = [
            models.Index(
                "next_fire_at",
                name="celeriac_schedule_due",
                condition=Q(next_fire_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"policy of {self.periodic_task_id}"


class Tick(models.Model):
    """One nominal time of a schedule and what became of it: at most one job."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scheduled_for = models.DateTimeField()
    status = models.TextField(choices=Status.choices)
    reason = models.TextField(db_default="", blank=True)
    #: The job, without a database constraint: jobs are pruned sooner.
    job = models.UUIDField(null=True, blank=True)
    #: Ticks before this one that were missed and have no row of their own.
    missed_before = models.PositiveIntegerField(db_default=0)
    missed_since = models.DateTimeField(null=True, blank=True)
    #: Who decided: a beat, or an operator's run or backfill.
    source = models.TextField(db_default="beat")
    decided_at = models.DateTimeField(db_default=Now())
    periodic_task = models.ForeignKey(PeriodicTask, on_delete=models.CASCADE, related_name="ticks")

    class Meta:
        ordering = ["-scheduled_for"]
        constraints = [
            models.UniqueConstraint(
                name="celeriac_tick_once", fields=["periodic_task", "scheduled_for"]
            ),
            models.CheckConstraint(
                name="celeriac_tick_status_known", condition=Q(status__in=Status.values)
            ),
            models.CheckConstraint(
                name="celeriac_tick_job_exactly_when_fired",
                condition=Q(status=Status.FIRED) | Q(job__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                "periodic_task",
                models.F("scheduled_for").desc(),
                name="celeriac_tick_fired",
                condition=Q(job__isnull=False),
            ),
            models.Index("decided_at", name="celeriac_tick_decided"),
            models.Index(models.F("scheduled_for").desc(), name="celeriac_tick_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.scheduled_for:%Y-%m-%d %H:%M:%S} {self.status}"


class BeatQuerySet(models.QuerySet["Beat"]):
    """Beats by what was last heard of them."""

    def living(self, within: timedelta | None = None) -> "BeatQuerySet":
        """Return those that have not stopped and were heard of `within`: the lease, unless said."""
        return self.filter(_lives(within))

    def with_life(self) -> "BeatQuerySet":
        """Add whether each `lives`."""
        return self.annotate(**{"lives": _lives(None)})


def _lives(within: timedelta | None) -> Condition:
    lease = within.total_seconds() if within else conf.SCHEDULES_BEAT_LEASE_SECONDS
    return Condition(living_condition, "beat_at", models.Value(lease), "stopped_at")


class Beat(models.Model):
    """One instance of a beat, and its word that it lives."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.TextField()
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True, blank=True)
    fired = models.PositiveBigIntegerField(db_default=0)

    #: What `with_life` adds.
    lives: bool

    objects = BeatQuerySet.as_manager()

    class Meta:
        ordering = ["-beat_at"]
        indexes = [models.Index(fields=["-beat_at"], name="celeriac_beat_latest")]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
