"""Filters whose choices come from declarations: asking the table would read all of it.

No index knows every column of every job, since each would be paid for by each job. So
those filters that no index serves look at the newest jobs only.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from celeriac.console.large_tables import newest_rows
from celeriac.jobs import registry
from celeriac.jobs.states import State
from celeriac.settings import conf

#: What became of a run that is remembered.
OUTCOMES = ("failed", "dead", "lost", "cancelled", "stopped", "superseded", "succeeded")
#: States with an index of their own.
_INDEXED = (State.QUEUED, State.RUNNING, State.DEAD)


class Declared(admin.SimpleListFilter):
    """A filter on one column, by what is declared."""

    column = ""

    def names(self) -> list[str]:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices as the admin wants them."""
        return [(name, name) for name in self.names()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the rows of the choice, or all."""
        if not self.value():
            return queryset
        chosen = queryset.filter(**{self.column: self.value()})
        return chosen if self.is_indexed(request) else newest_rows(chosen)

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
        return [kind.name for kind in registry.declared_kinds()]


class ByQueue(Declared):
    """By queue."""

    title = parameter_name = column = "queue"

    def names(self) -> list[str]:
        """Return the declared queues."""
        return sorted(conf.QUEUES)


class ByOutcome(Declared):
    """By what became of the run."""

    title = parameter_name = column = "outcome"

    def names(self) -> list[str]:
        return list(OUTCOMES)

    def is_indexed(self, request: HttpRequest) -> bool:
        """Nothing finds attempts by outcome."""
        return False


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
