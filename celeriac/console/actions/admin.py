"""Pages: what an action would do, and how far one is; dead_letters.py has the dead letters."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from celeriac.console.actions import dead_letters, selection, selectors, services
from celeriac.console.actions.errors import BadFilter, UnknownAction
from celeriac.console.actions.forms import BulkConfirmForm
from celeriac.console.actions.models import BulkAction
from celeriac.console.actions.permissions import bulk_action, may_apply
from celeriac.console.dashboard.views import dashboard, data
from celeriac.console.dialogs import Button, with_buttons
from celeriac.console.readonly import ReadOnlyAdmin, row_link, uuid_or_404
from celeriac.console.sites import address, register, site_context
from celeriac.console.theme import ActionVariant, action, display
from celeriac.core.errors import CeleriacError
from celeriac.core.ids import find_row
from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from celeriac.jobs.operating.actions import ACTIONS, Action

#: Rows of a preview.
FIRST = 10
STATES = {
    "waiting": "info",
    "running": "primary",
    "finished": "success",
    "stopped": "warning",
    "refused": "danger",
    "failed": "danger",
}


class ByAction(admin.SimpleListFilter):
    """By what was done."""

    title, parameter_name = "action", "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, action.label) for name, action in ACTIONS.items() if action.in_bulk]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@register(BulkAction)
@with_buttons(
    Button(
        name="stop",
        title="Stop this action",
        description="What it did stays done; the rest is left alone.",
        service=services.bulk_stop,
        done="Stopped.",
        variant=ActionVariant.DANGER,
    ),
    key=uuid_or_404,
)
class BulkActionAdmin(ReadOnlyAdmin):
    """Every bulk action: begun from the list of jobs, watched and stopped here."""

    list_display = (
        "created_at",
        "shown_action",
        "shown_state",
        "shown_filter",
        "total",
        "changed",
        "actor_name",
        "reason",
    )
    list_filter = (ByAction, "state")
    finds = ("pk",)
    words = ("actor_name", "reason")
    ordering = ("-id",)
    list_select_related = ("actor",)
    actions_list = ("dead_letters",)
    change_form_outer_before_template = "admin/celeriac_console/bulkaction/progress.html"
    fields = (
        "shown_action",
        "shown_values",
        "shown_filter",
        "reason",
        "actor_name",
        "cutoff",
        "shown_job",
        "shown_audit",
        "created_at",
        "finished_at",
    )

    class Media:
        js = ("celeriac/bulk.js",)
        css = {"all": ("celeriac/bulk.css",)}

    def get_urls(self) -> list[URLPattern]:
        """Add the preview, the facts for the progress bar, the dead letters and the dashboard."""
        view = self.admin_site.admin_view
        own = [
            path("apply/<str:verb>/", view(self.apply), name="celeriac_console_bulkaction_apply"),
            path(
                "<uuid:bulk_id>/facts/", view(self.facts), name="celeriac_console_bulkaction_facts"
            ),
            path("dead-letters/", view(dead_letters.dead_letter_groups), name="ops_dead_letters"),
            path(
                "dead-letters/done/",
                view(dead_letters.acknowledge_group),
                name="ops_dead_letters_done",
            ),
            path("dashboard/", view(dashboard), name="celeriac_dashboard"),
            path("dashboard/data/", data, name="celeriac_dashboard_data"),
        ]
        return [*own, *super().get_urls()]

    @display(description="action", ordering="verb")
    def shown_action(self, bulk: BulkAction) -> str:
        return bulk.verb

    @display(description="new values")
    def shown_values(self, bulk: BulkAction) -> str:
        """What the action gives the jobs, such as another priority."""
        return ", ".join(f"{name} {value}" for name, value in bulk.parameters.items()) or "none"

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, bulk: BulkAction) -> str:
        """The state as a label."""
        return bulk.state

    @display(description="filter")
    def shown_filter(self, bulk: BulkAction) -> str:
        return "; ".join(selection.describe_filter(bulk.filter))

    @display(description="job")
    def shown_job(self, bulk: BulkAction) -> Any:
        """The job that applies it, linked."""
        if bulk.job is None:
            return "none: it was done at once"
        return row_link(Job, bulk.job)

    @display(description="audit entry")
    def shown_audit(self, bulk: BulkAction) -> Any:
        """Its row in the audit trail, linked."""
        return row_link(Audit, bulk.audit_id)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        bulk = _found(object_id)
        context = {"facts": selectors.bulk_facts(bulk), "bulk": bulk} if bulk else {}
        page: HttpResponse = super().changeform_view(
            request, object_id, form_url, (extra_context or {}) | context
        )
        return page

    def facts(self, request: HttpRequest, bulk_id: UUID) -> HttpResponse:
        """Answer how far an action is."""
        bulk = _found(bulk_id)
        if not self.has_view_permission(request, bulk):
            raise PermissionDenied
        if bulk is None:
            raise Http404
        return JsonResponse(selectors.bulk_facts(bulk), headers={"Cache-Control": "no-store"})

    def apply(self, request: HttpRequest, verb: str) -> HttpResponse:
        """Show what an action would do to a filter, and begin it once it is confirmed."""
        try:
            wanted = bulk_action(verb)
        except UnknownAction as error:
            raise Http404(error.message) from error
        if not may_apply(wanted, request.user):
            raise PermissionDenied
        try:
            return self._apply(request, wanted, _filter(request))
        except BadFilter as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(address("admin:celeriac_jobs_job_changelist"))

    def _apply(
        self, request: HttpRequest, wanted: Action, filter: dict[str, list[str]]
    ) -> HttpResponse:
        chosen = selection.selected_jobs(filter, wanted, actor=request.user)
        counted = selection.count_jobs(chosen)
        form = BulkConfirmForm(wanted, counted, request.POST if "confirm" in request.POST else None)
        if form.is_valid() and (bulk := _begun(request, wanted, filter, form)):
            return HttpResponseRedirect(
                address("admin:celeriac_console_bulkaction_change", bulk.pk)
            )
        context = {
            **site_context(request),
            "title": f"{wanted.label}: {_many(counted)}",
            "opts": self.model._meta,
            "action": wanted,
            "form": form,
            "counted": counted,
            "many": _many(counted),
            "described": selection.describe_filter(filter),
            "ids": filter.get(selection.IDS, []),
            "at_once": counted is not None and counted <= services.AT_ONCE,
            "first": selection.newest_jobs(chosen, FIRST) if counted != 0 else [],
            "back": _list_url(filter),
        }
        return TemplateResponse(request, "admin/celeriac_console/bulkaction/apply.html", context)

    @action(description="Dead letters by error", url_path="dead")
    def dead_letters(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(address("admin:ops_dead_letters"))

    def has_stop_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the user may stop this action: who may begin it may."""
        bulk = _found(object_id)
        wanted = ACTIONS.get(bulk.verb) if bulk else None
        return bool(wanted and bulk and bulk.is_open and may_apply(wanted, request.user))


def _begun(
    request: HttpRequest, wanted: Action, filter: dict[str, list[str]], form: BulkConfirmForm
) -> BulkAction | None:
    """Begin what was confirmed; a refusal is said on the page."""
    values = form.cleaned_data
    try:
        return services.bulk_start(
            verb=wanted.name,
            filter=filter,
            actor=request.user,
            reason=values["reason"],
            parameters=values,
            bulk_id=form.token,
        )
    except CeleriacError as error:
        messages.error(request, error.message)
        return None


def _filter(request: HttpRequest) -> dict[str, list[str]]:
    """Return what was chosen: rows by hand, or the whole of the list's filter."""
    post = request.POST
    by_hand = post.getlist(selection.IDS)
    if not by_hand and post.get("select_across") != "1":
        by_hand = post.getlist(ACTION_CHECKBOX_NAME)
    return {selection.IDS: by_hand} if by_hand else selection.filter_of_query(request.GET)


def _found(bulk_id: object) -> BulkAction | None:
    return find_row(BulkAction.objects.all(), bulk_id)


def _many(counted: int | None) -> str:
    if counted is None:
        return f"more than {selection.COUNT_UP_TO:,} jobs"
    return "1 job" if counted == 1 else f"{counted:,} jobs"


def _list_url(filter: dict[str, list[str]]) -> str:
    query = "" if selection.IDS in filter else selection.query_of_filter(filter)
    return f"{address('admin:celeriac_jobs_job_changelist')}?{query}".rstrip("?")
