"""Attempts: what went wrong, and where."""

from django.contrib import admin

from apps.core.readonly import ReadOnlyAdmin
from apps.jobs.models import Attempt


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Runs that did not simply succeed at the first go."""

    list_display = ("id", "job_id", "number", "outcome", "finished_at", "error_class", "message")
    list_filter = ("outcome",)
    search_fields = ("job__id__exact", "error_class")
    search_help_text = "A job's id, or an error's class"
    ordering = ("-id",)
    list_select_related = ()
    fields = (
        *("job", "number", "outcome", "worker", "started_at", "finished_at"),
        *("error_class", "message", "traceback"),
    )
