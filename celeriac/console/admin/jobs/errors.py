"""The filter by what dead jobs died of."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from celeriac.jobs.states import State


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
