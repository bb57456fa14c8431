"""Noticing new and changed schedules: by what their rows say, not by who saved them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django_celery_beat.models import PeriodicTask

from apps.schedules import sql
from apps.schedules.definition import RELATED, times_of
from apps.schedules.errors import InvalidSchedule
from apps.schedules.models import Policy
from apps.schedules.times import Once

#: Schedules taken up in one transaction.
BATCH = 1000


def refresh(*, only: Sequence[int] | None = None) -> int:
    """Take up every periodic task that is new or changed; return how many.

    A changed schedule counts from the moment it is taken up: ticks that its new
    definition would have had before are not made up for. A clocked time that has
    passed already still fires, once.
    """
    taken, last = 0, 0
    while True:
        with transaction.atomic():
            ids = sql.lock_changed(limit=BATCH, after=last, only=only)
            taken += len(ids)
            if ids:
                last = ids[-1]
                take_up(ids)
        if len(ids) < BATCH:
            return taken


def take_up(ids: Sequence[int]) -> None:
    """Make the policies of new tasks; start changed ones anew. Their rows must be locked."""
    tasks = {task.pk: task for task in read(ids)}
    found, now = sql.definitions(ids)
    if now is None:
        return
    fresh = {pk: new for pk, (new, old) in found.items() if pk in tasks and new != old}
    known = set(Policy.objects.filter(pk__in=fresh).values_list("pk", flat=True))
    rows = [_started(tasks[pk], definition, now) for pk, definition in fresh.items()]
    Policy.objects.bulk_create([row for row in rows if row.pk not in known])
    Policy.objects.bulk_update(
        [row for row in rows if row.pk in known],
        ["cursor", "anchor", "next_fire_at", "definition", "fault"],
    )


def read(ids: Iterable[int]) -> list[PeriodicTask]:
    """Return periodic tasks with their schedules."""
    return list(PeriodicTask.objects.filter(pk__in=ids).select_related(*RELATED))


def _started(task: PeriodicTask, definition: str, now: datetime) -> Policy:
    """Return a policy whose schedule begins now."""
    anchor = now.replace(microsecond=0)
    policy = Policy(periodic_task=task, cursor=now, anchor=anchor, definition=definition, fault="")
    try:
        times = times_of(task, anchor=anchor)
    except InvalidSchedule as error:
        policy.fault = error.message
        return policy
    if task.clocked is not None and task.last_run_at is None:
        policy.cursor = min(now, Once(task.clocked.clocked_time).at - timedelta(seconds=1))
    policy.next_fire_at = times.after(policy.cursor) if task.enabled else None
    return policy
