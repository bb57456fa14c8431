"""Django's own admin with what the console asks of a theme: buttons of a row, and their dialogs."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse


class ActionVariant(StrEnum):
    """How a button looks."""

    DEFAULT = "default"
    WARNING = "warning"
    DANGER = "danger"


class BaseDialogForm(forms.Form):
    """A form on the page of a button."""

    def __init__(self, request: HttpRequest, object_id: Any = None, *args: Any, **kw: Any) -> None:
        self.request, self.object_id = request, object_id
        super().__init__(*args, **kw)


class PlainButton:
    """A button: the method behind it, its text, and its name in addresses."""

    def __init__(self, name: str, method: Any) -> None:
        self.name, self.method = name, method
        self.description: str = method.short_description
        self.url_path: str = method.url_path or name


def display(*, label: Any = None, **said: Any) -> Any:
    """Declare a column; `label` would map its values to colours."""
    return admin.display(**said)


def action(
    *,
    description: str,
    permissions: Iterable[str] = (),
    url_path: str | None = None,
    variant: Any = None,
    dialog: dict[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], Any]:
    """Declare an action of a list, or a button, which may first ask by a form."""

    def declare(function: Callable[..., Any]) -> Any:
        @wraps(function)
        def checked(page: Any, request: HttpRequest, *args: Any, **named: Any) -> Any:
            if not _may(page, request, permissions, named):
                raise PermissionDenied
            if dialog is None:
                return function(page, request, *args, **named)
            form_class = dialog.get("form_class", BaseDialogForm)
            form = form_class(request, named.get("object_id"), data=request.POST or None)
            if form.is_valid():
                return function(page, request, form, *args, **named)
            return page.ask(request, dialog, form)

        given: Any = checked
        given.allowed_permissions, given.short_description = list(permissions), description
        given.url_path, given.variant = url_path, variant or ActionVariant.DEFAULT
        return given

    return declare


class ModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Django's page of a model, with buttons above its list and above each row."""

    change_form_template = "celeriac/plain/change_form.html"
    change_list_template = "celeriac/plain/change_list.html"
    change_form_outer_before_template = ""
    actions_list: tuple[str, ...] = ()
    actions_detail: tuple[str, ...] = ()

    class Media:
        css = {"all": ("celeriac/plain.css",)}

    def get_urls(self) -> list[URLPattern]:
        """Add an address for each button."""
        buttons = [("", each) for each in self._declared(self.actions_list)]
        buttons += [("<path:object_id>/", each) for each in self._declared(self.actions_detail)]
        own = [
            path(
                f"{row}{each.url_path}/",
                self.admin_site.admin_view(each.method),
                name=self._name(each.name),
            )
            for row, each in buttons
        ]
        urls: list[URLPattern] = own + super().get_urls()
        return urls

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[PlainButton]:
        """Return the buttons of a row that the user may press."""
        return [
            each
            for each in self._declared(self.actions_detail)
            if _may(self, request, each.method.allowed_permissions, {"object_id": object_id})
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below its buttons."""
        buttons = [
            (each.description, self._place(each.name)) for each in self._list_buttons(request)
        ]
        return super().changelist_view(request, {**(extra_context or {}), "buttons": buttons})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row below its buttons."""
        found = self.get_actions_detail(request, object_id) if object_id else []
        context = {
            **(extra_context or {}),
            "buttons": [(each.description, self._place(each.name, object_id)) for each in found],
            "above": self.change_form_outer_before_template,
        }
        return super().changeform_view(request, object_id, form_url, context)

    def ask(self, request: HttpRequest, dialog: dict[str, Any], form: Any) -> HttpResponse:
        """Answer with the page of a button's form, whose path leads back to the row."""
        row = self.get_object(request, unquote(form.object_id)) if form.object_id else None
        page = ("change", form.object_id) if row else ("changelist",)
        context = {
            **self.admin_site.each_context(request),
            "title": dialog.get("title", ""),
            "opts": self.model._meta,
            "dialog": dialog,
            "form": form,
            "row": row,
            "back": self._place(*page),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "celeriac/plain/dialog.html", context)

    def _list_buttons(self, request: HttpRequest) -> list[PlainButton]:
        found = self._declared(self.actions_list)
        return [b for b in found if _may(self, request, b.method.allowed_permissions, {})]

    def _declared(self, names: Iterable[str]) -> list[PlainButton]:
        return [PlainButton(name, getattr(self, name)) for name in names]

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _place(self, page: str, *args: Any) -> str:
        name = f"admin:{self._name(page)}"
        return reverse(name, args=args, current_app=self.admin_site.name)


def _may(page: Any, request: HttpRequest, names: Iterable[str], named: dict[str, Any]) -> bool:
    asked = (named["object_id"],) if "object_id" in named else ()
    return all(getattr(page, f"has_{name}_permission")(request, *asked) for name in names)
