"""The audit trail in the admin: searched, never edited."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from celeriac.console.large_tables import FOUND
from celeriac.console.readonly import ReadOnlyAdmin, display
from celeriac.console.sites import register
from celeriac.core.models import Audit, AuditBatch
from celeriac.core.plugins import plugins

#: What the trail speaks of; asking the table for them would read all of it.
TARGETS = (
    "breaker",
    "bulk",
    "clockedschedule",
    "crontabschedule",
    "dead letters",
    "flow",
    "group",
    "intervalschedule",
    "job",
    "queue",
    "route",
    "schedule",
    "solarschedule",
    "user",
)


def audited_targets() -> list[str]:
    """Return what the trail speaks of, with what apps add."""
    return sorted({*TARGETS, *(name for plugin in plugins() for name in plugin.audited)})


class ByTarget(admin.SimpleListFilter):
    """By what was done something to."""

    title = "what it was done to"
    parameter_name = "target_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in audited_targets()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the entries of the choice, or all."""
        return queryset.filter(target_type=self.value()) if self.value() else queryset


@register(Audit)
class AuditAdmin(ReadOnlyAdmin):
    """Who did what to what, and why."""

    list_display = ("at", "actor_name", "verb", "target_type", "target_id", "count", "reason")
    list_filter = (ByTarget, "at")
    finds = ("pk", "target_id")
    words = ("actor_name", "verb", "target_id", "reason")
    age = "at"
    search_help_text = (
        "An id or a name of what something was done to; or, among the newest entries, who, "
        "a verb such as job.retry, words of the reason"
    )
    ordering = ("-at",)
    list_select_related = ("actor",)
    fields = (
        "at",
        "actor_name",
        "verb",
        "target_type",
        "target_id",
        "count",
        "reason",
        "shown_filter",
        "shown_details",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find by an id also what was done to it among many."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        try:
            batches = AuditBatch.objects.filter(targets__contains=[UUID(search_term.strip())])
        except ValueError:
            return found, duplicates
        many = list(batches.values_list("audit", flat=True)[:FOUND])
        return (found | queryset.filter(pk__in=many) if many else found), duplicates

    @display(description="filter")
    def shown_filter(self, entry: Audit) -> Any:
        return _readable(entry.filter)

    @display(description="details")
    def shown_details(self, entry: Audit) -> Any:
        return _readable(entry.details)


def _readable(value: Any) -> Any:
    if not value:
        return "-"
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text)
