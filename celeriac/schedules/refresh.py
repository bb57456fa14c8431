"""Noticing new and changed schedules: by what their rows say, not by who saved them."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django_celery_beat.models import PeriodicTask

from celeriac.schedules import sql
from celeriac.schedules.definition import RELATED, times_of
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.models import Policy
from celeriac.schedules.times import Once

logger = logging.getLogger(__name__)

#: Schedules started in one transaction.
BATCH = 1000
UNREADABLE = "its row can't be read: is its time zone known on this machine?"


def refresh_schedules(*, only: Sequence[int] | None = None) -> int:
    """Start every periodic task that is new or changed; return how many.

    A changed schedule counts from the moment it is started: ticks that its new
    definition would have had before are not made up for. A clocked time that has
    passed already still fires, once.
    """
    if only is None and not sql.is_any_changed():
        return 0
    taken, last = 0, 0
    while True:
        with transaction.atomic():
            ids = sql.lock_changed(limit=BATCH, after=last, only=only)
            taken += len(ids)
            if ids:
                last = ids[-1]
                start_schedules(ids)
        if len(ids) < BATCH:
            return taken


def reconsider() -> None:
    """Let schedules that had a fault be started anew: this may be another machine."""
    Policy.objects.exclude(fault="").update(definition="")


def start_schedules(ids: Sequence[int]) -> None:
    """Make the policies of new tasks; start changed ones anew. Their rows must be locked."""
    readable = readable_rows(PeriodicTask.objects.select_related(*RELATED), ids)
    tasks = {task.pk: task for task in readable}
    found, now = sql.task_definitions(ids)
    if now is None:
        return
    fresh = {pk: new for pk, (new, old) in found.items() if new != old}
    known = set(Policy.objects.filter(pk__in=fresh).values_list("pk", flat=True))
    rows = [_started(tasks.get(pk), pk, definition, now) for pk, definition in fresh.items()]
    Policy.objects.bulk_create([row for row in rows if row.pk not in known])
    Policy.objects.bulk_update(
        [row for row in rows if row.pk in known],
        ["cursor", "anchor", "next_fire_at", "definition", "fault"],
    )


def readable_rows[M: Model](rows: QuerySet[M], ids: Iterable[int]) -> list[M]:
    """Return the rows with these ids, by id; one that can't be read spoils no other.

    A crontab's time zone becomes an object as it is read, which fails for a zone that
    this machine does not know.
    """
    listed = sorted(ids)
    try:
        return list(rows.filter(pk__in=listed).order_by("pk"))
    except ValidationError:
        if len(listed) == 1:
            return []
    return [row for pk in listed for row in readable_rows(rows, [pk])]


def _started(task: PeriodicTask | None, pk: int, definition: str, now: datetime) -> Policy:
    """Return a policy whose schedule begins now."""
    anchor = now.replace(microsecond=0)
    policy = Policy(periodic_task_id=pk, cursor=now, anchor=anchor, definition=definition, fault="")
    if task is None:
        policy.fault = UNREADABLE
        return policy
    try:
        _begin(policy, task, now)
    except InvalidSchedule as error:
        policy.fault = error.message
    except Exception as error:  # whatever is wrong with one schedule must not stop the others
        logger.exception("the schedule %s can't be counted", task.name)
        policy.fault = f"can't be counted: {type(error).__name__}: {error}"[:1000]
    return policy


def _begin(policy: Policy, task: PeriodicTask, now: datetime) -> None:
    times = times_of(task, anchor=policy.anchor)
    if task.clocked is not None and task.last_run_at is None:
        policy.cursor = min(now, Once(task.clocked.clocked_time).at - timedelta(seconds=1))
    policy.next_fire_at = times.after(policy.cursor) if task.enabled else None
