"""Celery's own results in the admin: read, not written, and found by an index."""

from django_celery_results.models import GroupResult, TaskResult

from celeriac.console.readonly import ReadOnlyAdmin, display
from celeriac.console.sites import register

COLOURS = {"SUCCESS": "success", "FAILURE": "danger", "RETRY": "warning", "REVOKED": "warning"}


@register(TaskResult)
class TaskResultAdmin(ReadOnlyAdmin):
    """What became of plain tasks, and of kinds that are declared with `celery_result=True`."""

    list_display = ("task_id", "task_name", "shown_status", "worker", "date_created", "date_done")
    list_filter = ("date_done",)
    search_fields = ("task_id__exact", "task_name__exact")
    search_help_text = "A task's id, or a task's name as it is written"
    redacted_columns = ("task_args", "task_kwargs", "result", "traceback", "meta")
    ordering = ("-id",)
    sortable_by = ("id",)
    fields = (
        "task_id",
        "task_name",
        "periodic_task_name",
        "status",
        "worker",
        "date_created",
        "date_started",
        "date_done",
        "task_args",
        "task_kwargs",
        "result",
        "traceback",
    )

    @display(description="status", label=COLOURS)
    def shown_status(self, row: TaskResult) -> str:
        """The status as a label."""
        return str(row.status)


@register(GroupResult)
class GroupResultAdmin(ReadOnlyAdmin):
    """What became of groups and chords of plain tasks."""

    list_display = ("group_id", "date_created", "date_done")
    search_fields = ("group_id__exact",)
    search_help_text = "A group's id"
    ordering = ("-id",)
    sortable_by = ("id",)
    fields = ("group_id", "date_created", "date_done", "result")
