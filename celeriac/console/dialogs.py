"""Buttons of a row's page: each a permission, a dialog that asks why, and one call of a service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from celeriac.console.sites import address
from celeriac.console.theme import (
    ActionVariant,
    BaseDialogForm,
    DecimalFieldWidget,
    TextareaWidget,
    action,
)
from celeriac.core import clock
from celeriac.core.arguments import LONGEST
from celeriac.core.errors import CeleriacError


class ReasonForm(BaseDialogForm):  # type: ignore[misc]  # unfold ships no types
    """Why. What a form has cleaned are the keywords of the service."""

    reason = forms.CharField(widget=TextareaWidget(attrs={"rows": 2}))


class UntilForm(ReasonForm):
    """Why, and for how long: `until`, by the database's clock, or None."""

    #: What somebody does who ends it.
    ends = "resumes"
    minutes = forms.FloatField(
        required=False, min_value=0.01, max_value=LONGEST / 60, widget=DecimalFieldWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["minutes"].help_text = f"Empty: until somebody {self.ends} it."

    def clean(self) -> dict[str, Any]:
        """Return the end in the minutes' place."""
        minutes = self.cleaned_data.pop("minutes", None)
        span = None if minutes is None else minutes * 60
        return {**self.cleaned_data, "until": clock.moment_ahead(span)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """What may be done to one row from its page."""

    name: str
    title: str
    #: The text on the page, where it is not the name's.
    label: str = ""
    description: str = ""
    #: The text of the button in the dialog, where the label would mislead.
    submit: str = ""
    #: A permission; without one the page has a method has_<name>_permission.
    permission: str = ""
    #: Called with the row's key, the form's values and the actor.
    service: Callable[..., Any]
    #: What is said then: a text over `key` and the values, or a function of the service's answer.
    done: str | Callable[[Any], str] = "Done: {key}."
    form: type[ReasonForm] = ReasonForm
    variant: ActionVariant = ActionVariant.DEFAULT


def with_buttons[Page](
    *buttons: Button, key: Callable[[str], Any] = unquote
) -> Callable[[type[Page]], type[Page]]:
    """Return a decorator that puts buttons on the pages of an admin; `key` reads their address."""

    def offer(page: type[Page]) -> type[Page]:
        for button in buttons:
            setattr(page, button.name, _method(button, key))
            if button.permission:
                # unfold's system check looks names of permissions up in tables that migrate makes
                setattr(page, f"has_{button.name}_permission", permission_method(button.permission))
        page.actions_detail = tuple(button.name for button in buttons)  # type: ignore[attr-defined]  # unfold's
        return page

    return offer


def permission_method(permission: str) -> Callable[..., bool]:
    """Return the method of an admin that says whether the user has a permission."""
    return lambda page, request, object_id=None: request.user.has_perm(permission)


def _method(button: Button, key: Callable[[str], Any]) -> Any:
    def press(page: Any, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        values = {k: value for k, value in form.cleaned_data.items() if not k.startswith("_")}
        row = key(object_id)
        try:
            answer = button.service(row, actor=request.user, **values)
        except CeleriacError as error:
            messages.error(request, error.message)
        else:
            done = button.done
            said = done.format(key=row, **values) if isinstance(done, str) else done(answer)
            messages.success(request, said)
        meta = page.model._meta
        url = address(f"admin:{meta.app_label}_{meta.model_name}_change", object_id)
        if request.headers.get("HX-Request"):  # the dialog posts by htmx
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)

    press.__name__ = button.name
    label = button.label or button.name.replace("_", " ").capitalize()
    dialog = {
        "title": button.title,
        "description": button.description,
        "form_class": button.form,
        "form_submit_text": button.submit or label,
    }
    return action(
        description=label,
        permissions=[button.name],
        url_path=button.name.replace("_", "-"),
        variant=button.variant,
        dialog={name: value for name, value in dialog.items() if value},
    )(press)
