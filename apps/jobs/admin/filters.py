"""Filters whose choices come from declarations: asking the table would read all of it."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from apps.jobs import registry
from apps.jobs.states import State


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
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


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
