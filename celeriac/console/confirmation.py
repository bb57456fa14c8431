"""Actions over chosen rows of a list: shown again, given a reason, and only then done."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from celeriac.console.readonly import apply_to_each

#: Rows that one such action may go over: each is a service call while somebody waits.
MOST = 500
#: More rows than this are confirmed by typing their number.
TYPED_ABOVE = 20
#: Rows that the page names.
FIRST = 20


class ReasonConfirmForm(forms.Form):
    """Why; and for many rows, how many."""

    reason = forms.CharField(max_length=1000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))

    def __init__(self, count: int, data: Any = None) -> None:
        super().__init__(data)
        self._count = count
        if count > TYPED_ABOVE:
            self.fields["typed"] = forms.CharField(
                label=f"Type {count} to confirm",
                widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            )

    def clean_typed(self) -> str:
        """Refuse anything but what the page asks for."""
        typed: str = self.cleaned_data["typed"].strip().replace(",", "")
        if typed != str(self._count):
            raise forms.ValidationError(f"Type {self._count}, as the page says.")
        return typed


def confirmed_rows(
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    title: str,
    done: str,
    service: Callable[[Any, str], object],
) -> HttpResponse | None:
    """Ask for a reason, then call `service(row, reason)` for each row.

    Returns the page that asks; None, which leads back to the list, once it is done or
    where too many rows are chosen.
    """
    rows = list(queryset.order_by("pk")[: MOST + 1])
    if len(rows) > MOST:
        messages.error(request, f"Choose {MOST} at most at a time.")
        return None
    form = ReasonConfirmForm(len(rows), request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        apply_to_each(request, rows, done, lambda row: service(row, reason))
        return None
    context = {
        **admin.site.each_context(request),
        "title": f"{title}: {len(rows)}",
        "opts": queryset.model._meta,
        "action": request.POST["action"],
        "form": form,
        "rows": rows,
        "first": rows[:FIRST],
        "more": len(rows) - FIRST,
        "button": title,
    }
    return TemplateResponse(request, "admin/celeriac/confirm.html", context)
