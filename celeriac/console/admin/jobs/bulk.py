"""The verbs over a choice or a whole filter, as actions of the list of jobs.

They only lead on: the control room (celeriac.console.verbs) counts, previews, asks for a
confirmation and applies. The address is known by its name, as kinds are.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action

from celeriac.jobs.models import Job

_Action = Callable[[Any, HttpRequest, QuerySet[Job]], HttpResponseRedirect]


def _leads_to(verb: str, description: str, permission: str) -> _Action:
    def lead(
        admin: Any,  # noqa: ANN401 the ModelAdmin
        request: HttpRequest,
        queryset: QuerySet[Job],
    ) -> HttpResponseRedirect:
        url = reverse("admin:celeriac_console_bulkverb_apply", args=[verb])
        query = request.GET.urlencode()
        # Posted again there, with what was chosen.
        return HttpResponseRedirect(f"{url}?{query}" if query else url, preserve_request=True)

    lead.__name__ = f"{verb}_chosen"
    declared: _Action = action(description=description, permissions=[permission])(lead)
    return declared


class BulkActions:
    """For the admin of jobs: list BULK_ACTIONS in its `actions`."""

    retry_chosen = _leads_to("retry", "Retry…", "retry")
    cancel_chosen = _leads_to("cancel", "Cancel…", "cancel")
    run_now_chosen = _leads_to("run_now", "Run now…", "run_now")
    priority_chosen = _leads_to("priority", "Change priority…", "priority")
    queue_chosen = _leads_to("queue", "Change queue…", "queue")


BULK_ACTIONS = (
    *("retry_chosen", "cancel_chosen", "run_now_chosen", "priority_chosen", "queue_chosen"),
)
