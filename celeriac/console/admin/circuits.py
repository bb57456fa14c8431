"""Circuits in the admin: read-only, and an action for each thing that may be done."""

from datetime import datetime

from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime

from celeriac.breakers import selectors, services
from celeriac.breakers.models import Breaker, Transition
from celeriac.console.admin.circuit_forms import ForceForm, TuneForm
from celeriac.console.dialogs import Button, with_buttons
from celeriac.console.readonly import NoManualEdits, ReadOnlyAdmin, ReadOnlyInline
from celeriac.console.safe_lists import SafeListAdmin
from celeriac.console.sites import register
from celeriac.console.theme import ActionVariant, ModelAdmin, display

#: Rows of history on a breaker's page; all of it is in the list of transitions.
HISTORY = 25

_COLOURS = {
    "closed": "success",
    "half-open": "warning",
    "open": "danger",
    "forced open": "danger",
    "forced closed": "warning",
}


class TransitionInline(ReadOnlyInline):
    """The latest moves of a circuit."""

    model = Transition
    fields = ["at", "from_state", "to_state", "by", "reason", "counts", "open_until", "last_error"]
    readonly_fields = fields
    verbose_name_plural = f"history (latest {HISTORY})"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transition]:
        """Return the latest rows of the breaker on this page."""
        found: QuerySet[Transition] = super().get_queryset(request)
        name = request.resolver_match.kwargs.get("object_id") if request.resolver_match else None
        latest = Transition.objects.filter(breaker_id=unquote(name or ""))
        return found.filter(pk__in=list(latest.values_list("pk", flat=True)[:HISTORY]))

    @display(description="calls / failed / slow")
    def counts(self, row: Transition) -> str:
        """What was seen."""
        return f"{row.calls} / {row.failures} / {row.slow}"


@register(Breaker)
@with_buttons(
    Button(
        name="force_open",
        title="Let no call through",
        permission="celeriac_breakers.force_breaker",
        service=services.force_open,
        form=ForceForm,
        variant=ActionVariant.DANGER,
    ),
    Button(
        name="force_closed",
        title="Let every call through",
        permission="celeriac_breakers.force_breaker",
        service=services.force_closed,
        form=ForceForm,
        variant=ActionVariant.WARNING,
    ),
    Button(
        name="clear",
        title="End a force and a cooldown",
        description="The next call to an open circuit is its probe.",
        permission="celeriac_breakers.clear_breaker",
        service=services.clear,
    ),
    Button(
        name="tune",
        title="Change options",
        permission="celeriac_breakers.tune_breaker",
        service=services.tune,
        form=TuneForm,
    ),
)
class BreakerAdmin(NoManualEdits, SafeListAdmin, ModelAdmin):  # type: ignore[misc]  # untyped package
    """Where each circuit stands, by whom it is held, and its history."""

    list_display = ["name", "status", "until", "opened_count", "window", "held_by", "last_error"]
    search_fields = ["name"]
    list_filter = ["state", "forced"]
    list_per_page = 50
    fields = [
        "name",
        "status",
        "until",
        "window",
        "opened_count",
        "since",
        "changed_at",
        "closed_at",
        "last_error",
        "held_by",
        "forced_at",
        "in_force",
    ]
    readonly_fields = fields
    inlines = [TransitionInline]

    @display(description="state", label=_COLOURS)
    def status(self, row: Breaker) -> str:
        """The state that holds now."""
        return _status(row).state.replace("half_open", "half-open")

    @display(description="until")
    def until(self, row: Breaker) -> str:
        """When a call may go again."""
        return _moment(_status(row).until)

    @display(description="since")
    def since(self, row: Breaker) -> str:
        """Since when it stands so; failing probes do not move it."""
        return _moment(_status(row).since)

    @display(description="window: failed / calls, slow, in a row")
    def window(self, row: Breaker) -> str:
        """What the window holds now, and the failures since the last success."""
        seen = _status(row)
        counts = f"{seen.failures} / {seen.calls}, {seen.slow} slow"
        return f"{counts}, {seen.failures_in_a_row} failed in a row"

    @display(description="held by")
    def held_by(self, row: Breaker) -> str:
        """Who forces it, and why."""
        seen = _status(row)
        return f"{seen.forced_by or 'somebody'}: {seen.forced_reason}" if seen.forced else ""

    @display(description="options in force")
    def in_force(self, row: Breaker) -> str:
        """Each option; those changed at run time are marked."""
        shown = _status(row).options
        return ", ".join(
            f"{name}={value:g}{' (tuned)' if name in row.overrides else ''}"
            for name, value in shown.items()
        )


@register(Transition)
class TransitionAdmin(ReadOnlyAdmin):
    """Every move of every circuit."""

    list_display = ["at", "breaker_id", "from_state", "to_state", "by", "reason", "last_error"]
    list_filter = ["to_state", "at"]
    finds = ("pk",)
    parent = ("breaker", "name")
    words = ("reason", "by")
    age = "at"
    list_per_page = 100
    search_help_text = "A breaker's name; or, among the newest, words of the reason, or by whom"


def _moment(moment: datetime | None) -> str:
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else "-"


def _status(row: Breaker) -> selectors.BreakerStatus:
    """Return the status of a row, asked for once a page."""
    found: selectors.BreakerStatus | None = getattr(row, "_status", None)
    if found is None:
        found = selectors.status_of(row)
        row._status = found  # type: ignore[attr-defined]  # lives as long as the page
    return found
