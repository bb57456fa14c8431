"""Attempts: what went wrong, and where."""

from django.contrib import admin
from django.utils.html import format_html

from apps.core.readonly import ReadOnlyAdmin, display
from apps.jobs.models import Attempt
from apps.jobs.redacting import veil


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
        *("error_class", "shown_message", "shown_traceback"),
    )

    @display(description="message")
    def shown_message(self, attempt: Attempt) -> str:
        """The message, secrets masked."""
        return veil(attempt.job.kind, attempt.job.args).text(attempt.message) or "-"

    @display(description="traceback")
    def shown_traceback(self, attempt: Attempt) -> str:
        """The traceback, secrets masked."""
        text = veil(attempt.job.kind, attempt.job.args).text(attempt.traceback)
        return format_html("<pre>{}</pre>", text) if text else "-"
