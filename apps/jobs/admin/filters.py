"""Filters whose choices come from declarations: asking the table would read all of it.

No index knows every column of every job, since each would be paid for by each job. So
those filters that no index serves look at the newest jobs only.
"""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.jobs import registry
from apps.jobs.states import State

#: How many of the newest rows a filter without an index looks at.
NEWEST = 100_000
#: What became of a run that is remembered.
OUTCOMES = ("failed", "dead", "lost", "cancelled", "stopped", "superseded", "succeeded")
#: States with an index of their own.
_INDEXED = (State.QUEUED, State.RUNNING, State.DEAD)


class Declared(admin.SimpleListFilter):
    """A filter on one column, by what is declared."""

    column = ""

    def names(self) -> list[str]:
        """Return the choices."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ANN401 admin's
        """Return the choices as the admin wants them."""
        return [(name, name) for name in self.names()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ANN401 admin's
        """Return the rows of the choice, or all."""
        if not self.value():
            return queryset
        chosen = queryset.filter(**{self.column: self.value()})
        return chosen if self.is_indexed(request) else newest(chosen)

    def is_indexed(self, request: HttpRequest) -> bool:
        """Whether an index finds the rows of the choice."""
        return request.GET.get("state") in _INDEXED


class ByState(Declared):
    """By state."""

    title = parameter_name = column = "state"

    def names(self) -> list[str]:
        """Return the five states."""
        return [state.value for state in State]


class ByKind(Declared):
    """By kind."""

    title = parameter_name = column = "kind"

    def names(self) -> list[str]:
        """Return the declared kinds."""
        return [kind.name for kind in registry.kinds()]


class ByQueue(Declared):
    """By queue."""

    title = parameter_name = column = "queue"

    def names(self) -> list[str]:
        """Return the declared queues."""
        return sorted(settings.JOBS_QUEUES)


class ByOutcome(Declared):
    """By what became of the run."""

    title = parameter_name = column = "outcome"

    def names(self) -> list[str]:
        """Return the outcomes."""
        return list(OUTCOMES)

    def is_indexed(self, request: HttpRequest) -> bool:
        """Nothing finds attempts by outcome."""
        return False


def newest(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Return those among the newest rows; their ids grow with time.

    The edge is asked for first: as a subquery it would be unknown to the planner, which
    would then rather read the whole table.
    """
    ids = queryset.model._default_manager.order_by("-pk").values_list("pk", flat=True)
    edge = next(iter(ids[NEWEST : NEWEST + 1]), None)
    return queryset if edge is None else queryset.filter(pk__gt=edge)
