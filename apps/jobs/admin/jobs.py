"""Jobs: found, understood, retried and cancelled."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from apps.core.readonly import ReadOnlyAdmin, ReadOnlyInline
from apps.jobs.admin.filters import ByKind, ByQueue, ByState
from apps.jobs.admin.verbs import ReasonForm, act
from apps.jobs.models import Attempt, Job
from apps.jobs.operating import operate, operate_many
from apps.jobs.operating.waiting import view, waiting

STATES = {
    "queued": "info",
    "running": "primary",
    "succeeded": "success",
    "dead": "danger",
    "cancelled": "warning",
}


class AttemptInline(ReadOnlyInline):
    """The runs worth remembering."""

    model = Attempt
    fields = ("number", "outcome", "started_at", "finished_at", "worker", "error_class", "message")
    readonly_fields = fields
    ordering = ("number", "id")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Every job; the ledger owns its fields, verbs go through services."""

    list_display = ("id", "kind", "queue", "shown_state", "attempt", "failures", "run_at", "error")
    list_filter = (ByState, ByQueue, ByKind)
    search_fields = ("id",)
    search_help_text = "A job's id, its correlation id, or its unique or lock key"
    ordering = ("-id",)
    sortable_by = ("id",)  # anything else would sort all of history
    actions = ("retry_chosen", "cancel_chosen")
    actions_detail = ("retry", "cancel")
    inlines = (AttemptInline,)
    fieldsets = (
        (None, {"fields": ("why", "kind", "queue", "priority", "shown_state", "error")}),
        ("When", {"fields": ("created_at", "run_at", "started_at", "finished_at", "expires_at")}),
        ("Runs", {"fields": ("attempt", "failures", "max_attempts", "losses", "worker")}),
        ("What", {"fields": ("args", "result", "progress")}),
        ("Keys", {"fields": ("unique_key", "lock_key", "tenant", "superseded_by")}),
        ("Whence", {"fields": ("enqueued_by", "correlation_id", "tick", "cancel_requested_at")}),
    )

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, job: Job) -> str:
        """The state as a label."""
        return job.state

    @display(description="in a sentence")
    def why(self, job: Job) -> str:
        """Why it is not running, or how it stands."""
        reasons = [wait.sentence for wait in waiting(job)]
        return f"{view(job)}: {'; '.join(reasons)}" if reasons else view(job)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Find by id, or by what is exactly the term."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=UUID(term)), False
        except ValueError:
            exact = Q(correlation_id=term) | Q(unique_key=term) | Q(lock_key=term) | Q(kind=term)
            return queryset.filter(exact), False

    def has_retry_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may retry."""
        return request.user.has_perm("jobs.retry_job")

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may cancel."""
        return request.user.has_perm("jobs.cancel_job")

    @action(description="Retry the chosen", permissions=["retry"])
    def retry_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Queue the dead and cancelled among the chosen again."""
        count = operate_many.retry_many(queryset, actor=request.user, reason="in the admin")
        messages.success(request, f"Queued again: {count}.")

    @action(description="Cancel the chosen", permissions=["cancel"])
    def cancel_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Cancel the queued and running among the chosen."""
        count = operate_many.cancel_many(queryset, actor=request.user, reason="in the admin")
        messages.success(request, f"Cancelled, or asked to stop: {count}.")

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
                UUID(object_id), actor=request.user, reason=form.cleaned_data["reason"]
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
        },
    )
    def cancel(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Cancel it, or ask it to stop."""
        return act(
            request,
            _page(object_id),
            "Cancelled, or asked to stop.",
            lambda: operate.cancel(
                UUID(object_id), actor=request.user, reason=form.cleaned_data["reason"]
            ),
        )


def _page(object_id: str) -> str:
    return reverse("admin:jobs_job_change", args=[object_id])
