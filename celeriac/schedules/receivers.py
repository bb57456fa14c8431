"""Starting what is saved through the ORM at once, in the saver's own transaction.

Beat sees every other change by itself, a moment later (refresh.py). Signals, because
the rows are another app's, and its admin, its API and people's code all save them.
"""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from celeriac.schedules.refresh import refresh_schedules

#: The column of a periodic task by what it names.
COLUMNS = {
    ClockedSchedule: "clocked",
    CrontabSchedule: "crontab",
    IntervalSchedule: "interval",
    SolarSchedule: "solar",
}


# The row is another app's, and whoever saves it knows nothing of the ledger.
@receiver(post_save, sender=PeriodicTask, dispatch_uid="schedules.task")
def start_saved_task(instance: PeriodicTask, raw: bool, **_: Any) -> None:
    """Begin a new or changed schedule at the moment it is saved."""
    if not raw:
        refresh_schedules(only=[instance.pk])


# The same for the rows that say when, of four models.
@receiver(post_save, dispatch_uid="schedules.times")
def restart_dependents(sender: Any, instance: Any, raw: bool, created: bool, **_: Any) -> None:
    """Begin anew every schedule that uses a changed crontab, interval, clock or sun."""
    column = COLUMNS.get(sender)
    if column is None or raw or created:
        return
    users = PeriodicTask.objects.filter(**{column: instance}).values_list("pk", flat=True)
    if ids := list(users):
        refresh_schedules(only=ids)
