"""The pages of dead letters: by kind and error, and where somebody says what was done."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from celeriac.console.actions import selection, selectors
from celeriac.console.actions.models import BulkAction
from celeriac.console.actions.permissions import may_apply
from celeriac.console.sites import address, site_context
from celeriac.console.theme import TextareaWidget
from celeriac.core import clock
from celeriac.core.errors import CeleriacError
from celeriac.jobs.operating import dead
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.phrases import count


class DoneForm(forms.Form):
    """What was done about them, and up to when: what the page showed."""

    kind = forms.CharField(required=False, widget=forms.HiddenInput)
    upto = forms.DateTimeField(widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=1000, label="What was done", widget=TextareaWidget(attrs={"rows": 2})
    )


def dead_letter_groups(request: HttpRequest) -> HttpResponse:
    """Show the dead letters by kind and error."""
    if not request.user.has_perm("celeriac_jobs.view_job"):
        raise PermissionDenied
    context = _context(
        request,
        title="Dead letters by error",
        groups=[_group(row) for row in selectors.dead_letters()],
        may_retry=may_apply(ACTIONS["retry"], request.user),
        done_url=address("admin:ops_dead_letters_done"),
    )
    return TemplateResponse(request, "admin/celeriac_console/bulkaction/dead_letters.html", context)


def acknowledge_group(request: HttpRequest) -> HttpResponse:
    """Ask what was done about the dead letters of a kind, or of all, and write it down."""
    if not may_apply(ACTIONS["retry"], request.user):
        raise PermissionDenied
    first = {"kind": request.GET.get("kind", ""), "upto": clock.db_now().isoformat()}
    form = DoneForm(request.POST or None, initial=first)
    if form.is_valid() and _acknowledged(request, form.cleaned_data):
        return HttpResponseRedirect(address("admin:ops_dead_letters"))
    kind = form["kind"].value()
    context = _context(
        request,
        title=f"Dead letters of {kind}: dealt with" if kind else "All dead letters: dealt with",
        form=form,
        back=address("admin:ops_dead_letters"),
    )
    return TemplateResponse(
        request, "admin/celeriac_console/bulkaction/dead_letters_done.html", context
    )


def _acknowledged(request: HttpRequest, values: dict[str, Any]) -> bool:
    kind, upto, reason = values["kind"], values["upto"], values["reason"]
    try:
        number = dead.acknowledge_dead(kind=kind, upto=upto, actor=request.user, reason=reason)
    except CeleriacError as error:
        messages.error(request, error.message)
        return False
    messages.success(request, f"{count(number, 'dead job')} dealt with.")
    return True


def _context(request: HttpRequest, **values: Any) -> dict[str, Any]:
    return {**site_context(request), "opts": BulkAction._meta, **values}


def _group(row: dict[str, Any]) -> dict[str, Any]:
    filter = {"state": ["dead"], "kind": [row["kind"]], "error_class": [row["error_class"]]}
    query, retry = (
        selection.query_of_filter(filter),
        address("admin:celeriac_console_bulkaction_apply", "retry"),
    )
    listed = f"{address('admin:celeriac_jobs_job_changelist')}?{query}"
    latest: datetime = row["latest"]
    return row | {
        "list_url": listed,
        "retry_url": f"{retry}?{query}",
        "open": latest > row["dealt_with"] if row["dealt_with"] else True,
    }
