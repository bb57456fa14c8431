"""What pages share: a dialog that asks why, and an answer that says what happened."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget

from celeriac.core import clock
from celeriac.core.errors import CeleriacError

MOST_MINUTES = 10 * 366 * 24 * 60


class ReasonForm(BaseDialogForm):  # type: ignore[misc]  # unfold ships no types
    """Why."""

    reason = forms.CharField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))


class PauseForm(ReasonForm):
    """Why, and for how long."""

    minutes = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=MOST_MINUTES,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Empty: until somebody resumes it.",
    )

    @property
    def until(self) -> datetime | None:
        """When the pause shall end, by the database's clock."""
        minutes = self.cleaned_data["minutes"]
        return None if minutes is None else clock.read() + timedelta(minutes=minutes)


def act(request: HttpRequest, url: str, done: str, verb: Callable[[], object]) -> HttpResponse:
    """Call the service, tell the operator what came of it, and return to `url`."""
    try:
        verb()
    except CeleriacError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done)
    if request.headers.get("HX-Request"):  # the dialog posts by htmx
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
