"""The rows around a periodic task: crontabs and their like, ticks, beats."""

from typing import Any

from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.decorators import display

from apps.core.audited import Audited
from apps.core.readonly import ReadOnlyAdmin
from apps.schedules.models import Beat, Tick

COLOURS = {"fired": "success", "skipped": "warning", "missed": "danger"}

for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
    if admin.site.is_registered(model):  # by django-celery-beat, in the look of plain Django
        admin.site.unregister(model)


@admin.register(ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule)
class TimesAdmin(Audited, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """When a schedule fires; several periodic tasks may share one."""

    list_per_page = 100


def job_link(tick: Tick) -> Any:  # noqa: ANN401 safe text
    """Return a link to the tick's job."""
    if tick.job is None:
        return "-"
    try:
        url = reverse("admin:jobs_job_change", args=[tick.job])
    except NoReverseMatch:
        return str(tick.job)
    return format_html('<a href="{}">{}</a>', url, tick.job)


@admin.register(Tick)
class TickAdmin(ReadOnlyAdmin):
    """Every tick of every schedule, and what became of it."""

    list_display = ("scheduled_for", "periodic_task", "shown_status", "reason", "shown_job",
                    "source", "missed_before", "decided_at")  # fmt: skip
    list_filter = ("status", "scheduled_for")
    list_select_related = ("periodic_task",)
    search_fields = ("periodic_task__name",)
    ordering = ("-scheduled_for",)

    @display(description="status", ordering="status", label=COLOURS)
    def shown_status(self, tick: Tick) -> str:
        """The status as a label."""
        return tick.status

    @display(description="job")
    def shown_job(self, tick: Tick) -> Any:  # noqa: ANN401 safe text
        """The job, linked."""
        return job_link(tick)


@admin.register(Beat)
class BeatAdmin(ReadOnlyAdmin):
    """Every boot of a beat, and when it was last heard of."""

    list_display = ("host", "pid", "started_at", "beat_at", "stopped_at", "fired")
