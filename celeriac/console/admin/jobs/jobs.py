"""Jobs: found, understood, retried and cancelled."""

from django.db.models import QuerySet
from django.http import HttpRequest

from celeriac.console import job_search
from celeriac.console.actions.buttons import offering
from celeriac.console.admin.jobs.filters import ByErrorClass, ByKind, ByQueue, ByState
from celeriac.console.admin.jobs.job_page import JobPageAdmin
from celeriac.console.sites import register
from celeriac.console.theme import display
from celeriac.jobs.models import Job
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.states import ENDINGS

STATES = {"waiting": "info", "queued": "info", "running": "primary"} | {
    ending.state.value: ending.label for ending in ENDINGS
}


@register(Job)
@offering(ACTIONS.values())
class JobAdmin(JobPageAdmin):
    """Every job; the ledger owns its fields, actions go through services."""

    list_display = (
        "id",
        "kind",
        "queue",
        "shown_state",
        "attempt",
        "failures",
        "run_at",
        "shown_error",
    )
    list_filter = (ByState, ByQueue, ByKind, ByErrorClass)
    looks_at_newest = False  # its filters know which of them an index serves
    search_fields = ("id",)  # what is searched, job_search.py says
    redacted_columns = ("args", "result", "error", "progress", "wait_reason")
    sortable_by = ("id",)  # anything else would sort all of history
    ordering = ("-id",)

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
        declared = [name for name in job_search.search_fields() if name != "correlation_id"]
        named = f", or {', '.join(declared)} (also as {declared[0]}=…)" if declared else ""
        return f"A job's id, words of its error, a correlation id, unique or lock key{named}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Find by what an operator has in hand, each by an index."""
        return job_search.search_jobs(queryset, search_term), False
