"""The rows around a periodic task: crontabs and their like, ticks, beats."""

from typing import Any

from django_celery_beat.models import PeriodicTask

from celeriac.console.admin.schedules.ticks import TickColumns
from celeriac.console.audited_admin import AuditedAdmin
from celeriac.console.readonly import ReadOnlyAdmin, display
from celeriac.console.sites import register
from celeriac.console.theme import ModelAdmin
from celeriac.schedules.models import Beat, Tick
from celeriac.schedules.receivers import COLUMNS


@register(*COLUMNS)
class TimesAdmin(AuditedAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """When a schedule fires; several periodic tasks may share one."""

    list_per_page = 100

    def audited_besides(self, obj: Any) -> dict[str, Any]:
        """Write down whose times they are: these schedules change, or go, with the row."""
        users = PeriodicTask.objects.filter(**{COLUMNS[type(obj)]: obj.pk})
        return {"schedules": list(users.order_by("name").values_list("name", flat=True)[:100])}


@register(Tick)
class TickAdmin(TickColumns, ReadOnlyAdmin):
    """Every tick of every schedule, and what became of it."""

    list_display = (
        "shown_time",
        "shown_schedule",
        "shown_status",
        "shown_reason",
        "shown_job",
        "source",
        "decided_at",
    )
    list_filter = ("status", "scheduled_for")
    list_select_related = ("periodic_task__crontab",)
    finds = ("pk",)
    parent = ("periodic_task", "name")
    age = "scheduled_for"
    search_help_text = "A schedule's name"
    ordering = ("-scheduled_for",)

    @display(description="schedule", ordering="periodic_task__name")
    def shown_schedule(self, tick: Tick) -> str:
        """The schedule's name, without reading when it fires."""
        return str(tick.periodic_task.name)


@register(Beat)
class BeatAdmin(ReadOnlyAdmin):
    """Every instance of a beat, and when it was last heard of."""

    list_display = ("host", "pid", "started_at", "beat_at", "stopped_at", "fired")
