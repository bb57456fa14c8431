"""Circuits in the control room: read-only, and a verb for each thing that may be done."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from celeriac.breakers import selectors, services
from celeriac.breakers.errors import BreakerError
from celeriac.breakers.models import Breaker, Transition
from celeriac.console.admin.circuit_forms import ForceForm, ReasonForm, TuneForm
from celeriac.console.listing import Listed
from celeriac.console.readonly import ReadOnlyAdmin

#: Rows of history on a breaker's page; all of it is in the list of transitions.
HISTORY = 25

_COLOURS = {
    "closed": "success",
    "half-open": "warning",
    "open": "danger",
    "forced open": "danger",
    "forced closed": "warning",
}


class ReadOnly:
    """Nothing is added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody changes; verbs are actions of their own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody deletes."""
        return False


class TransitionInline(ReadOnly, TabularInline):  # type: ignore[misc]  # untyped package
    """The latest moves of a circuit."""

    model = Transition
    fields = ["at", "from_state", "to_state", "by", "reason", "counts", "open_until", "last_error"]
    readonly_fields = fields
    extra = 0
    tab = True
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


@admin.register(Breaker)
class BreakerAdmin(ReadOnly, Listed, ModelAdmin):  # type: ignore[misc]  # untyped package
    """Where each circuit stands, by whom it is held, and its history."""

    list_display = ["name", "standing", "until", "opened_count", "window", "held_by", "last_error"]
    search_fields = ["name"]
    list_filter = ["state", "forced"]
    list_per_page = 50
    fields = [
        *(
            "name",
            "standing",
            "until",
            "window",
            "opened_count",
            "since",
            "changed_at",
            "closed_at",
        ),
        *("last_error", "held_by", "forced_at", "in_force"),
    ]
    readonly_fields = fields
    inlines = [TransitionInline]
    actions_detail = ["force_open", "force_closed", "clear", "tune"]

    @display(description="state", label=_COLOURS)
    def standing(self, row: Breaker) -> str:
        """The state that holds now."""
        return _status(row).state.replace("half_open", "half-open")

    @display(description="until")
    def until(self, row: Breaker) -> str:
        """When a call may go again."""
        moment = _status(row).until
        return date_format(localtime(moment), "DATETIME_FORMAT") if moment else "-"

    @display(description="since")
    def since(self, row: Breaker) -> str:
        """Since when it stands so; failing probes do not move it."""
        moment = _status(row).since
        return date_format(localtime(moment), "DATETIME_FORMAT") if moment else "-"

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
        return f"{seen.forced_by}: {seen.forced_reason}" if seen.forced else ""

    @display(description="options in force")
    def in_force(self, row: Breaker) -> str:
        """Each option; those changed at run time are marked."""
        shown = _status(row).options
        return ", ".join(
            f"{name}={value:g}{' (tuned)' if name in row.overrides else ''}"
            for name, value in shown.items()
        )

    # Methods, not names of permissions: unfold's system check looks names up in the database,
    # which has no tables yet when `migrate` runs its checks.
    def has_force_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Whether the user may force circuits open or closed."""
        return request.user.has_perm("celeriac_breakers.force_breaker")

    def has_clear_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Whether the user may clear circuits."""
        return request.user.has_perm("celeriac_breakers.clear_breaker")

    def has_tune_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Whether the user may change breakers' options."""
        return request.user.has_perm("celeriac_breakers.tune_breaker")

    @action(
        description="Force open",
        permissions=["force"],
        variant=ActionVariant.DANGER,
        url_path="force-open",
        dialog={"title": "Let no call through", "form_class": ForceForm},
    )
    def force_open(self, request: HttpRequest, form: ForceForm, object_id: str) -> HttpResponse:
        """Hold the circuit open."""
        return self._force(request, form, object_id, services.force_open)

    @action(
        description="Force closed",
        permissions=["force"],
        variant=ActionVariant.WARNING,
        url_path="force-closed",
        dialog={"title": "Let every call through", "form_class": ForceForm},
    )
    def force_closed(self, request: HttpRequest, form: ForceForm, object_id: str) -> HttpResponse:
        """Hold the circuit closed."""
        return self._force(request, form, object_id, services.force_closed)

    @action(
        description="Clear",
        permissions=["clear"],
        url_path="clear",
        dialog={
            "title": "End a force and a cooldown",
            "description": "The next call to an open circuit is its probe.",
            "form_class": ReasonForm,
        },
    )
    def clear(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """End a force, and a cooldown."""
        reason = form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda name: services.clear(name, actor=request.user, reason=reason),
        )

    @action(
        description="Tune",
        permissions=["tune"],
        url_path="tune",
        dialog={"title": "Change options", "form_class": TuneForm},
    )
    def tune(self, request: HttpRequest, form: TuneForm, object_id: str) -> HttpResponse:
        """Change options at run time."""
        options, reason = form.changed_options, form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda name: services.tune(name, options=options, actor=request.user, reason=reason),
        )

    def _force(
        self,
        request: HttpRequest,
        form: ForceForm,
        object_id: str,
        verb: Callable[..., Breaker],
    ) -> HttpResponse:
        reason, until = form.cleaned_data["reason"], form.until
        return self._do(
            request,
            object_id,
            lambda name: verb(name, actor=request.user, reason=reason, until=until),
        )

    def _do(
        self, request: HttpRequest, object_id: str, verb: Callable[[str], Breaker]
    ) -> HttpResponse:
        name = unquote(object_id)
        try:
            verb(name)
        except BreakerError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"Done: {name}.")
        url = reverse("admin:celeriac_breakers_breaker_change", args=[quote(name)])
        if request.headers.get("HX-Request"):  # the dialog posts by htmx
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


@admin.register(Transition)
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


def _status(row: Breaker) -> selectors.BreakerStatus:
    """Return the status of a row, asked for once a page."""
    found: selectors.BreakerStatus | None = getattr(row, "_status", None)
    if found is None:
        found = selectors.status_of(row)
        row._status = found  # type: ignore[attr-defined]  # lives as long as the page
    return found
