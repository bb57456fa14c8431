"""Which of a project's own tasks are jobs now, by pattern."""

from django.db import models
from django.db.models import Q

from celeriac.core.models import EditedModel


class Route(EditedModel):
    """An order: which share of the calls that fit a pattern become jobs."""

    pattern = models.TextField(primary_key=True)
    #: Percent: 0 is plain Celery, 100 the ledger.
    share = models.FloatField()
    #: Of two orders that fit a task the one with the higher edit counts.
    edit = models.BigIntegerField()
    reason = models.TextField()
    set_by = models.TextField(db_default="", blank=True)

    class Meta:
        ordering = ["-edit"]
        permissions = [("route_tasks", "Can route tasks to plain Celery and back")]
        constraints = [
            models.CheckConstraint(
                name="celeriac_route_share_is_percent", condition=Q(share__gte=0, share__lte=100)
            )
        ]

    def __str__(self) -> str:
        return self.pattern
