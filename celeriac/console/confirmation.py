"""Actions over chosen rows of a list: shown again, given a reason, and only then done."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from celeriac.console.readonly import action, apply_to_each
from celeriac.console.sites import site_context
from celeriac.console.theme import TextareaWidget, TextInputWidget

Service = Callable[..., object]

#: Rows that one such action may go over: each is a service call while somebody waits.
MOST = 500
#: More rows than this are confirmed by typing their number.
TYPED_ABOVE = 20
#: Rows that the page names.
FIRST = 20


class ReasonConfirmForm(forms.Form):
    """Why; and, where that is asked for, what must be typed."""

    reason = forms.CharField(max_length=1000, widget=TextareaWidget(attrs={"rows": 2}))

    def __init__(self, data: Any = None, *, expected: str = "", **options: Any) -> None:
        super().__init__(data, **options)
        self._expected = expected
        if expected:
            self.fields["typed"] = forms.CharField(
                label=f"Type {expected} to confirm",
                widget=TextInputWidget(attrs={"autocomplete": "off"}),
            )

    def clean_typed(self) -> str:
        """Refuse anything but what the page asks for."""
        typed: str = self.cleaned_data["typed"].strip().replace(",", "").lower()
        if typed != self._expected:
            raise forms.ValidationError(f"Type {self._expected}, as the page says.")
        return typed


def confirmed_action(
    *, description: str, permissions: list[str], title: str, done: str, service: Service
) -> Callable[..., HttpResponse | None]:
    """Return an action of a list that asks for a reason, then calls `service` for each row.

    The service takes the row, and by name its `actor` and the `reason`. The action answers
    with the page that asks; with None, which leads back to the list, once it is done or where
    too many rows are chosen.
    """

    @action(description=description, permissions=permissions)
    def act(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        rows = list(queryset.order_by("pk")[: MOST + 1])
        if len(rows) > MOST:
            messages.error(request, f"Choose {MOST} at most at a time.")
            return None
        sent = request.POST if "confirmed" in request.POST else None
        expected = f"{len(rows)}" if len(rows) > TYPED_ABOVE else ""
        form = ReasonConfirmForm(sent, expected=expected)
        if form.is_valid():
            said = {"actor": request.user, "reason": form.cleaned_data["reason"]}
            apply_to_each(request, rows, done, lambda row: service(row, **said))
            return None
        return _asking(request, rows, form, title)

    return act


def _asking(
    request: HttpRequest, rows: list[Any], form: ReasonConfirmForm, title: str
) -> HttpResponse:
    context = {
        **site_context(request),
        "title": f"{title}: {len(rows)}",
        "opts": rows[0]._meta,
        "action": request.POST["action"],
        "form": form,
        "rows": rows,
        "first": rows[:FIRST],
        "more": len(rows) - FIRST,
        "button": title,
    }
    return TemplateResponse(request, "admin/celeriac/confirm.html", context)
