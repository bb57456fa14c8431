"""Attempts: what went wrong, and where."""

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from celeriac.console.admin.jobs.filters import ByOutcome
from celeriac.console.large_tables import newest_rows
from celeriac.console.readonly import ReadOnlyAdmin, clip_text, display, row_link
from celeriac.console.sites import register
from celeriac.core.ids import read_uuid
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.redaction import redactor_for


@register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Runs that did not simply succeed at the first go."""

    list_display = (
        "id",
        "shown_job",
        "number",
        "outcome",
        "finished_at",
        "error_class",
        "short_message",
    )
    list_filter = (ByOutcome,)
    looks_at_newest = False  # its filter does
    search_fields = ("job_id",)
    search_help_text = "A job's id, or an error's class as it is written"
    redacted_columns = ("message", "traceback")
    ordering = ("-id",)
    sortable_by = ("id",)  # anything else would sort all of history
    list_select_related = ("job",)
    fields = (
        "job",
        "number",
        "outcome",
        "worker",
        "started_at",
        "finished_at",
        "error_class",
        "shown_message",
        "shown_traceback",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Read of each job what says which of its words are secret, and no more."""
        found: QuerySet[Attempt] = super().get_queryset(request)
        return found.select_related("job").only(
            *(field.name for field in Attempt._meta.concrete_fields), "job__kind", "job__args"
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Attempt], search_term: str
    ) -> tuple[QuerySet[Attempt], bool]:
        """Find by the job's id, or the newest by the error's class."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if job_id := read_uuid(term):
            return queryset.filter(job_id=job_id), False
        return newest_rows(queryset.filter(error_class=term)), False

    @display(description="job")
    def shown_job(self, attempt: Attempt) -> str:
        return row_link(Job, attempt.job_id)

    @display(description="message")
    def short_message(self, attempt: Attempt) -> str:
        """The beginning of the message, secrets redacted."""
        return clip_text(redactor_for(attempt.job.kind, attempt.job.args).text(attempt.message))

    @display(description="message")
    def shown_message(self, attempt: Attempt) -> str:
        """The message, secrets redacted."""
        return redactor_for(attempt.job.kind, attempt.job.args).text(attempt.message) or "-"

    @display(description="traceback")
    def shown_traceback(self, attempt: Attempt) -> str:
        """The traceback, secrets redacted."""
        text = redactor_for(attempt.job.kind, attempt.job.args).text(attempt.traceback)
        return format_html("<pre>{}</pre>", text) if text else "-"
