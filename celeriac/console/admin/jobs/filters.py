"""Filters whose choices come from declarations: asking the table would read all of it.

No index knows every column of every job, since each would be paid for by each job. So
those filters that no index serves look at the newest jobs only.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from celeriac.console.large_tables import newest_rows
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.states import State

#: What became of a run that is remembered.
OUTCOMES = ("failed", "dead", "lost", "cancelled", "stopped", "superseded", "succeeded")
#: States with an index of their own.
_INDEXED = (State.QUEUED, State.RUNNING, State.DEAD)


class Declared(admin.SimpleListFilter):
    """A filter on one column, by what is declared."""

    column = ""
    names: Callable[[], Iterable[str]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices as the admin wants them."""
        return [(name, name) for name in self.names()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the rows of the choice, or all."""
        if not self.value():
            return queryset
        chosen = queryset.filter(**{self.column: self.value()})
        # Only jobs have a state, and nothing finds attempts by outcome.
        return chosen if request.GET.get("state") in _INDEXED else newest_rows(chosen)


def declared_filter(column: str, names: Callable[[], Iterable[str]]) -> type[Declared]:
    """Return the filter on a column whose choices are what `names` returns."""
    facts = dict.fromkeys(("title", "parameter_name", "column"), column)
    return type(f"By{column.title()}", (Declared,), {**facts, "names": staticmethod(names)})


ByState = declared_filter("state", lambda: [state.value for state in State])
ByKind = declared_filter("kind", lambda: [kind.name for kind in registry.declared_kinds()])
ByQueue = declared_filter("queue", queue_names)
ByOutcome = declared_filter("outcome", lambda: OUTCOMES)


class ByErrorClass(admin.SimpleListFilter):
    """Dead jobs by the class of their error; given in the address, such as by the dead letters."""

    title = "class of error"
    parameter_name = "error_class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one that is looked at: asking for all would read every dead job."""
        given = request.GET.get(self.parameter_name)
        return [(given, given)] if given else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the dead jobs whose one-line error begins with it, or all."""
        name = self.value()
        if not name:
            return queryset
        return queryset.filter(Q(error=name) | Q(error__startswith=f"{name}:"), state=State.DEAD)
