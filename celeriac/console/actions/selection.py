"""Which jobs a filter holds: exactly those that the list of jobs would show for it."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any
from uuid import UUID

from django.contrib.admin import ModelAdmin, site
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict

from celeriac.console.actions.errors import BadFilter
from celeriac.console.actions.models import BulkAction
from celeriac.core.sqlstates import QUERY_CANCELED, sqlstate_of
from celeriac.jobs import redaction
from celeriac.jobs.models import Job
from celeriac.jobs.operating.actions import Action

#: The kind that does bulk actions: never itself the object of one, or it would cancel itself.
KIND = "ops.apply_verb"
#: A set larger than this is not counted out while somebody waits.
COUNT_UP_TO = 10_000
#: Milliseconds that a count may take.
COUNT_FOR = 2_000
#: The key of an explicit selection, which stands in a filter's place.
IDS = "ids"
#: Parameters that choose no jobs; the flag is what an address that could not be read becomes.
_LOOKS = (ALL_VAR, ERROR_FLAG, "_facets", ORDER_VAR, PAGE_VAR, "_changelist_filters", "_popup")

#: What the list says of a filter that it can't read; a suspicious one is of a disallowed lookup.
_UNREADABLE = (IncorrectLookupParameters, SuspiciousOperation, ValueError)

#: A filter as data: the list's parameters, or {"ids": [...]}.
Filter = Mapping[str, Any]


def filter_of_query(query: QueryDict) -> dict[str, list[str]]:
    """Return the filter in a list's address, without what concerns looks only."""
    return {name: values for name, values in query.lists() if name not in _LOOKS and any(values)}


def query_of_filter(filter: Filter) -> str:
    """Return the filter as an address bears it."""
    query = QueryDict(mutable=True)
    for name, values in filter.items():
        query.setlist(name, values)
    return query.urlencode()


def selected_jobs(filter: Filter, action: Action, *, actor: Any) -> QuerySet[Job]:
    """Return the jobs of the filter that the action can move, in no order; raises BadFilter.

    A user's filter is the list's. That of a name at the command line is columns and their values.
    """
    if IDS in filter:
        chosen = _selected(filter[IDS])
    elif isinstance(actor, str):
        chosen = Job.objects.filter(**{f"{name}__in": values for name, values in filter.items()})
    else:
        chosen = _listed(filter, actor)
    movable: QuerySet[Job] = chosen.filter(state__in=action.states).exclude(kind=KIND)
    return movable.order_by()


def jobs_of_bulk(bulk: BulkAction, action: Action) -> QuerySet[Job]:
    """Return the jobs that a bulk action was begun for; raises BadFilter."""
    filter = bulk.filter if bulk.chosen is None else {IDS: bulk.chosen}
    return selected_jobs(filter, action, actor=bulk.principal)


def frozen_ids(filter: Filter, chosen: QuerySet[Job], total: int | None) -> list[str] | None:
    """Return the ids that a search found, or None where the filter itself will do.

    A search tries one way after another until one finds something (job_search.py), so that
    it would find others once the first of them have moved on.
    """
    if SEARCH_VAR not in filter or total is None:
        return None
    return [str(job_id) for job_id in chosen.values_list("pk", flat=True)]


def before_cutoff(chosen: QuerySet[Job], cutoff: Any) -> QuerySet[Job]:
    """Return those of `chosen` that were there, and had ended if they have, at `cutoff`."""
    ended = Q(finished_at=None) | Q(finished_at__lte=cutoff)
    return chosen.filter(ended, created_at__lte=cutoff)


def count_jobs(chosen: QuerySet[Job]) -> int | None:
    """Return how many, or None for more than COUNT_UP_TO or more than can be counted quickly."""
    found = bounded_count(chosen.values("pk")[: COUNT_UP_TO + 1], milliseconds=COUNT_FOR)
    return found if found is not None and found <= COUNT_UP_TO else None


def bounded_count(rows: QuerySet[Any], *, milliseconds: int) -> int | None:
    """Return how many, or None where the database would need longer."""
    return _within(milliseconds, rows.count)


def newest_jobs(chosen: QuerySet[Job], number: int) -> list[Job]:
    """Return the latest of them, their errors as they may be shown.

    None where the database would need too long to find them.
    """
    latest = chosen.defer("result").order_by("-pk")[:number]
    found = _within(COUNT_FOR, lambda: list(latest)) or []
    for job in found:
        job.error = redaction.redactor_for(job.kind, job.args).text(job.error)
    return found


def _within[T](milliseconds: int, ask: Callable[[], T]) -> T | None:
    """Return the answer of one question, or None where it would take longer."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'),"
                " set_config('statement_timeout', %s, true)",
                [f"{milliseconds}ms"],
            )
            before = cursor.fetchone()[0]
            found = ask()
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
            return found
    except OperationalError as error:
        if sqlstate_of(error) != QUERY_CANCELED:
            raise
        return None


def describe_filter(filter: Filter) -> list[str]:
    """Return the filter in words, a line each."""
    if IDS in filter:
        return [f"{len(filter[IDS])} chosen by hand"]
    names = {"q": "search", "error_class": "class of error"}
    lines = [
        f"{names.get(name, name.replace('__', ' '))}: {', '.join(values)}"
        for name, values in filter.items()
    ]
    return lines or ["every job"]


def _selected(ids: list[str]) -> QuerySet[Job]:
    try:
        return Job.objects.filter(pk__in=[UUID(str(name)) for name in ids])
    except ValueError as error:
        raise BadFilter(f"{error}: choose jobs by their ids.") from error


def _listed(filter: Filter, actor: Any) -> QuerySet[Job]:
    """Ask the list itself, so that whatever it can filter by, an action can."""
    request = HttpRequest()
    request.method, request.user = "GET", actor
    request.GET = QueryDict(query_of_filter(filter))
    try:
        found: QuerySet[Job] = _changelist(request).queryset
    except _UNREADABLE as error:
        said = "; ".join(describe_filter(filter))
        raise BadFilter(f"The list of jobs can't be filtered by {said}.") from error
    return found


def _changelist(request: HttpRequest) -> Any:
    """Return the list's filters and search at work, without reading a page of it."""
    page: Any = copy(site.get_model_admin(Job))
    unread = type("Unread", (page.get_changelist(request),), {"get_results": lambda *_: None})
    page.get_changelist = lambda request: unread
    return ModelAdmin.get_changelist_instance(page, request)
