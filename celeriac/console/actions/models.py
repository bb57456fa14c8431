"""A bulk action, and what the platform gave to its groups."""

from typing import Any

from django.conf import settings
from django.db import models

from celeriac.core.clock import Now
from celeriac.core.ids import uuid7


class BulkState(models.TextChoices):
    """How a bulk action stands; the last four are ends, *failed* may be gone on with."""

    WAITING = "waiting", "waiting"
    RUNNING = "running", "running"
    FINISHED = "finished", "finished"
    STOPPED = "stopped", "stopped"
    REFUSED = "refused", "refused"
    FAILED = "failed", "failed"


#: What a run may go on with.
OPEN = (BulkState.WAITING, BulkState.RUNNING, BulkState.FAILED)


class BulkAction(models.Model):
    """One action over one filter: what was confirmed, and how far it is.

    The row is its own fence: each batch locks it, does the action behind `cursor`
    and moves that on, in one transaction, so that two runs of its job that meet do
    nothing twice.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    verb = models.CharField(max_length=32)
    parameters = models.JSONField(default=dict, blank=True)
    filter = models.JSONField(default=dict, blank=True)
    reason = models.TextField()
    actor_name = models.CharField(max_length=254, blank=True)
    #: The jobs by id, where the filter is a search: its answer changes with the jobs' state.
    chosen = models.JSONField(null=True, blank=True)
    #: The job that applies it; none where it was done at once.
    job = models.UUIDField(null=True, blank=True)
    #: Jobs that were enqueued or ended after this moment are not touched.
    cutoff = models.DateTimeField()
    state = models.CharField(
        max_length=16, default=BulkState.WAITING.value, choices=BulkState.choices
    )
    error = models.TextField(blank=True)
    #: How many the filter held at first; None until somebody has counted them all.
    total = models.PositiveIntegerField(null=True, blank=True)
    cursor = models.UUIDField(null=True, blank=True)
    seen = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    #: Ids of jobs that another transaction held as the cursor passed; tried again at the end.
    held = models.JSONField(default=list, blank=True)
    rounds = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="bulk_actions",
    )
    audit = models.OneToOneField(
        "celeriac_core.Audit", on_delete=models.PROTECT, related_name="bulk_action"
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "bulk action"
        verbose_name_plural = "bulk actions"

    def __str__(self) -> str:
        return f"{self.verb} {self.id}"

    @property
    def is_open(self) -> bool:
        """Whether a run would go on with it."""
        return self.state in OPEN

    @property
    def principal(self) -> Any:
        """Who answers for it: a user, or a name at the command line; nobody once they left."""
        return self.actor_name if self.audit.details.get("command") else self.actor

    @property
    def untouched(self) -> int:
        """How many were met and left: moved on meanwhile, superseded, or held by others."""
        return self.seen - self.changed


class GroupGrant(models.Model):
    """A permission that a group was given by `migrate`: taken away by hand, it stays away."""

    group = models.CharField(max_length=150)
    permission = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="celeriac_grant_once", fields=["group", "permission"])
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.group}: {self.permission}"
