"""A schedule's latest ticks, in its own zone, on its page."""

from datetime import datetime
from typing import Any

from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.models import PeriodicTask

from celeriac.console.readonly import ReadOnlyInline, display, row_link
from celeriac.jobs.models import Job
from celeriac.schedules.definition import clock_of
from celeriac.schedules.models import Tick

#: Ticks on a schedule's page; all of them are in the list of ticks.
LATEST = 50
COLOURS = {"fired": "success", "skipped": "warning", "missed": "danger"}


def in_zone(moment: datetime | None, task: PeriodicTask) -> str:
    """Return a moment as the clocks of the schedule's zone show it."""
    if moment is None:
        return "-"
    return f"{moment.astimezone(clock_of(task)):%a %Y-%m-%d %H:%M:%S %Z}"


class TickColumns:
    """How the columns of a tick read."""

    @display(description="time", ordering="scheduled_for")
    def shown_time(self, tick: Tick) -> str:
        """The nominal time, as the schedule's clocks show it."""
        return in_zone(tick.scheduled_for, tick.periodic_task)

    @display(description="status", ordering="status", label=COLOURS)
    def shown_status(self, tick: Tick) -> str:
        """The status as a label."""
        return tick.status

    @display(description="why")
    def shown_reason(self, tick: Tick) -> str:
        """The reason, and how many ticks before it have no row of their own."""
        others = ""
        if tick.missed_before and tick.missed_since:
            since = in_zone(tick.missed_since, tick.periodic_task)
            others = f"; so were {tick.missed_before} before it, since {since}"
        return f"{tick.reason}{others}" or "-"

    @display(description="job")
    def shown_job(self, tick: Tick) -> Any:
        return row_link(Job, tick.job) if tick.job else "-"


class TickInline(TickColumns, ReadOnlyInline):
    """The latest ticks."""

    model = Tick
    show_title = False
    verbose_name_plural = f"ticks (latest {LATEST})"
    fields = readonly_fields = ("shown_time", "shown_status", "shown_reason", "shown_job", "source")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tick]:
        """Return the latest rows of the schedule on this page."""
        found: QuerySet[Tick] = super().get_queryset(request)
        match = request.resolver_match
        pk = unquote(match.kwargs.get("object_id", "0")) if match else "0"
        latest = Tick.objects.filter(periodic_task_id=pk).order_by("-scheduled_for")
        ids = list(latest.values_list("pk", flat=True)[:LATEST])
        related = found.select_related("periodic_task__crontab")
        return related.filter(pk__in=ids).order_by("-scheduled_for")
