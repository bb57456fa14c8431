"""A job: the row that everything else serves."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from celeriac.core.clock import Now
from celeriac.core.ids import uuid7
from celeriac.jobs.operating.actions import ACTIONS, permissions_of
from celeriac.jobs.states import FAILED, TERMINAL, UNFINISHED, State

MIN_PRIORITY, MAX_PRIORITY = -100, 100
#: Constraints that tell two sessions apart which met: of one unique key, of one lock.
UNIQUE_KEY_QUEUED = "celeriac_job_unique_key_queued"
LOCK_KEY_RUNNING = "celeriac_job_lock_key_running"
TASK_ID_ONCE = "celeriac_job_task_id_once"

#: How `enqueued_by` begins where a service account enqueued the job.
ACCOUNT = "api:"
#: The jobs of service accounts, word for word as their index has it. No LIKE, which the planner
#: does not see through, and no range: en_US, say, sorts ";" before ":", and none would be left.
OF_ACCOUNTS = Q(Exact(Left("enqueued_by", len(ACCOUNT)), ACCOUNT))


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs by what they are doing."""

    def queued(self) -> "JobQuerySet":
        """Return the jobs that wait."""
        return self.filter(state=State.QUEUED)

    def running(self) -> "JobQuerySet":
        """Return the jobs that a claim owns."""
        return self.filter(state=State.RUNNING)

    def dead(self) -> "JobQuerySet":
        """Return the jobs that ended badly."""
        return self.filter(state=State.DEAD)

    def unfinished(self) -> "JobQuerySet":
        """Return the jobs that may still come to something."""
        return self.filter(state__in=UNFINISHED)


class Job(models.Model):
    """A call that must happen. See states.py for its life."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.TextField()
    queue = models.TextField(db_default="default")
    priority = models.SmallIntegerField(db_default=0)
    args = models.JSONField(default=dict)
    state = models.TextField(
        db_default=State.QUEUED, choices=[(state.value, state.value) for state in State]
    )
    run_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(db_default=0)
    failures = models.PositiveIntegerField(db_default=0)
    losses = models.PositiveIntegerField(db_default=0)
    #: Runs in a row that lost the database's connection, though it could be had again at once.
    cuts = models.SmallIntegerField(db_default=0, editable=False)
    max_attempts = models.PositiveIntegerField(db_default=5)
    claim_id = models.UUIDField(null=True, blank=True)
    worker = models.UUIDField(null=True, blank=True)
    wait_reason = models.TextField(db_default="", blank=True)
    superseded_by = models.UUIDField(null=True, blank=True)
    callback_url = models.TextField(db_default="", blank=True)
    unique_key = models.TextField(null=True, blank=True)  # noqa: DJ001 null: not unique
    lock_key = models.TextField(null=True, blank=True)  # noqa: DJ001 null: no lock
    tenant = models.TextField(db_default="", blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    error = models.TextField(db_default="", blank=True)
    progress = models.JSONField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    correlation_id = models.TextField(db_default="", blank=True)
    enqueued_by = models.TextField(db_default="", blank=True)
    tick = models.UUIDField(null=True, blank=True)
    #: The W3C traceparent of what enqueued it.
    trace = models.TextField(null=True, blank=True, editable=False)  # noqa: DJ001 null: untraced
    #: The id that a caller of Celery's API gave, where it is no UUID; a UUID is the row's own.
    task_id = models.TextField(null=True, blank=True)  # noqa: DJ001 null: not unique
    #: What a message of Celery would bear beside its arguments: the caller's own headers, ids of
    #: parent and root, limits of this call.
    headers = models.JSONField(null=True, blank=True)
    #: The group of a flow that it is a member of.
    node = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    objects = JobQuerySet.as_manager()

    #: Facts of one call of enqueue, not of the row: its idempotency key was used before; a
    #: queued job of its unique key took it in.
    replayed: bool = False
    absorbed: bool = False

    class Meta:
        ordering = ["-id"]
        permissions = permissions_of(ACTIONS.values())
        constraints = [
            models.CheckConstraint(
                name="celeriac_job_state_known",
                condition=Q(state__in=[state.value for state in State]),
            ),
            models.CheckConstraint(
                name="celeriac_job_finished_at_exactly_when_terminal",
                condition=Q(state__in=sorted(TERMINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(TERMINAL)) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="celeriac_job_claim_id_exactly_while_running",
                condition=Q(state=State.RUNNING, claim_id__isnull=False)
                | (~Q(state=State.RUNNING) & Q(claim_id__isnull=True)),
            ),
            models.CheckConstraint(
                name="celeriac_job_priority_in_range",
                condition=Q(priority__gte=MIN_PRIORITY, priority__lte=MAX_PRIORITY),
            ),
            models.UniqueConstraint(
                name=UNIQUE_KEY_QUEUED,
                fields=["kind", "unique_key"],
                condition=Q(state=State.QUEUED, unique_key__isnull=False),
            ),
            models.UniqueConstraint(
                name=LOCK_KEY_RUNNING,
                fields=["lock_key"],
                condition=Q(state=State.RUNNING, lock_key__isnull=False),
            ),
            models.UniqueConstraint(
                name=TASK_ID_ONCE, fields=["task_id"], condition=Q(task_id__isnull=False)
            ),
        ]
        indexes = [
            models.Index(
                "queue",
                models.F("priority").desc(),
                "run_at",
                "id",
                name="celeriac_job_due",
                condition=Q(state=State.QUEUED),
            ),
            models.Index(
                "expires_at",
                name="celeriac_job_expiring",
                condition=Q(state=State.QUEUED, attempt=0, expires_at__isnull=False),
            ),
            models.Index(
                "lock_key",
                models.F("priority").desc(),
                "run_at",
                "id",
                name="celeriac_job_lock_queue",
                condition=Q(state=State.QUEUED, lock_key__isnull=False),
            ),
            models.Index("worker", name="celeriac_job_running", condition=Q(state=State.RUNNING)),
            models.Index(
                "kind",
                models.F("finished_at").desc(),
                name="celeriac_job_finished",
                condition=Q(finished_at__isnull=False),
            ),
            models.Index(
                models.F("finished_at").desc(),
                name="celeriac_job_dead",
                condition=Q(state=State.DEAD),
            ),
            models.Index(
                "enqueued_by",
                models.F("id").desc(),
                name="celeriac_job_of_api",
                condition=OF_ACCOUNTS,
            ),
            models.Index("node", "id", name="celeriac_job_member", condition=Q(node__isnull=False)),
            models.Index(
                "node",
                "id",
                name="celeriac_job_member_unfinished",
                condition=Q(node__isnull=False, state__in=UNFINISHED),
            ),
            models.Index(
                "node",
                "id",
                name="celeriac_job_member_failed",
                condition=Q(node__isnull=False, state__in=FAILED),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended, however."""
        return self.state in TERMINAL
