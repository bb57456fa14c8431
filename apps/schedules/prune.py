"""Forgetting old ticks, in small batches."""

from datetime import timedelta

from django.conf import settings

from apps.core.clock import Now
from apps.schedules.models import Tick

BATCH = 5000


def prune() -> int:
    """Delete ticks decided more than SCHEDULES_RETENTION_DAYS ago; return how many.

    A tick that is gone can't come back: its time lies before its schedule's cursor.
    """
    deleted = 0
    edge = Now() - timedelta(days=settings.SCHEDULES_RETENTION_DAYS)
    while True:
        old = Tick.objects.filter(decided_at__lt=edge).order_by("decided_at")
        ids = list(old.values_list("pk", flat=True)[:BATCH])
        Tick.objects.filter(pk__in=ids).delete()
        deleted += len(ids)
        if len(ids) < BATCH:
            return deleted
