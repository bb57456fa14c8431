"""Jobs: found, understood, retried and cancelled."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from celeriac.console import finding
from celeriac.console.admin.jobs.bulk import BULK_ACTIONS, BulkActions
from celeriac.console.admin.jobs.errors import ByErrorClass
from celeriac.console.admin.jobs.filters import ByKind, ByQueue, ByState
from celeriac.console.admin.jobs.job_verbs import JOB_VERBS, JobVerbs
from celeriac.console.admin.jobs.story import StoryAdmin
from celeriac.console.admin.jobs.verbs import ReasonForm, act
from celeriac.console.readonly import uuid_or_404
from celeriac.jobs.models import Job
from celeriac.jobs.operating import operate

STATES = {
    "queued": "info",
    "running": "primary",
    "succeeded": "success",
    "dead": "danger",
    "cancelled": "warning",
}


@admin.register(Job)
class JobAdmin(BulkActions, JobVerbs, StoryAdmin):
    """Every job; the ledger owns its fields, verbs go through services."""

    list_display = (
        *("id", "kind", "queue", "shown_state", "attempt", "failures", "run_at", "shown_error"),
    )
    list_filter = (ByState, ByQueue, ByKind, ByErrorClass)
    looks_at_newest = False  # its filters know which of them an index serves
    search_fields = ("id",)  # what is searched, finding.py says
    hidden_columns = ("args", "result", "error", "progress", "wait_reason")
    sortable_by = ("id",)  # anything else would sort all of history
    ordering = ("-id",)
    actions = BULK_ACTIONS
    actions_detail = ("retry", "cancel", *JOB_VERBS)

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, job: Job) -> str:
        """The state as a label."""
        return job.state

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Leave results where they are: one may have a megabyte, a list shows none."""
        found: QuerySet[Job] = super().get_queryset(request)
        return found.defer("result")

    @property
    def search_help_text(self) -> str:
        """What may be searched for."""
        declared = [name for name in finding.fields() if name != "correlation_id"]
        named = f", or {', '.join(declared)} (also as {declared[0]}=…)" if declared else ""
        return f"A job's id, words of its error, a correlation id, unique or lock key{named}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Find by what an operator has in hand, each by an index."""
        return finding.find(queryset, search_term), False

    def has_retry_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may retry."""
        return request.user.has_perm("celeriac_jobs.retry_job")

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may cancel."""
        return request.user.has_perm("celeriac_jobs.cancel_job")

    @action(
        description="Retry",
        permissions=["retry"],
        url_path="retry",
        dialog={"title": "Queue this job again", "form_class": ReasonForm},
    )
    def retry(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Queue it again, its failures forgotten."""
        return act(
            request,
            _page(object_id),
            "Queued again.",
            lambda: operate.retry(
                uuid_or_404(object_id), actor=request.user, reason=form.cleaned_data["reason"]
            ),
        )

    @action(
        description="Cancel",
        permissions=["cancel"],
        url_path="cancel",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Cancel this job",
            "description": "A queued job ends at once; a running one at its handler's next look.",
            "form_class": ReasonForm,
            "form_submit_text": "Cancel the job",  # beside a button that closes the dialog
        },
    )
    def cancel(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Cancel it, or ask it to stop."""
        return act(
            request,
            _page(object_id),
            "Cancelled, or asked to stop.",
            lambda: operate.cancel(
                uuid_or_404(object_id), actor=request.user, reason=form.cleaned_data["reason"]
            ),
        )


def _page(object_id: str) -> str:
    return reverse("admin:celeriac_jobs_job_change", args=[object_id])
