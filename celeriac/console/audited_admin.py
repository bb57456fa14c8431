"""Admin pages that write: each change asks why, and leaves what was and what is in the audit."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import flatten_fieldsets
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict

from celeriac.console.safe_lists import SafeListAdmin
from celeriac.console.theme import TextareaWidget
from celeriac.core import audit

LONGEST = 1000
_FIELD = "reason"


class ReasonRequired(forms.Form):
    """Put before a form whose saving changes something: it asks why."""

    reason = forms.CharField(
        max_length=LONGEST,
        # a verb's dialog on the same page asks for its reason, too
        widget=TextareaWidget(attrs={"rows": 2, "id": "id_why"}),
        help_text="For the audit trail.",
    )

    @property
    def changed_data(self) -> list[str]:
        """Return what was changed: the reason is nothing that is changed."""
        return [name for name in super().changed_data if name != _FIELD]


class AuditedAdmin(SafeListAdmin):
    """Put before ModelAdmin: what its pages add, change or delete is written down, and why."""

    delete_confirmation_template = "admin/celeriac/delete.html"
    delete_selected_confirmation_template = "admin/celeriac/delete.html"

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form, with the question why for those who may write."""
        if "fields" not in kwargs:
            kwargs["fields"] = flatten_fieldsets(self.get_fieldsets(request, obj))
        if kwargs["fields"] is not None:
            kwargs["fields"] = [name for name in kwargs["fields"] if name != _FIELD]
        form = super().get_form(request, obj, change=change, **kwargs)  # type: ignore[misc]  # ModelAdmin's
        if not self._may_write(request, obj):
            return form
        return type(form)(form.__name__, (ReasonRequired, form), {"actor": request.user})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)  # type: ignore[misc]  # ModelAdmin's
        return [name for name in fields if name != _FIELD]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields, and for those who may write the question why."""
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]  # ModelAdmin's
        why = ("Why", {"fields": (_FIELD,)})
        return [*fieldsets, why] if self._may_write(request, obj) else fieldsets

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the row; one that is about to be written is locked and remembered as it was."""
        find: Callable[..., Any] = super().get_object  # type: ignore[misc]  # ModelAdmin's
        obj = find(request, *args, **kwargs)
        if obj is None or request.method != "POST":
            return obj
        if transaction.get_connection().in_atomic_block:
            rows = type(obj)._base_manager.select_for_update(no_key=True)
            rows.filter(pk=obj.pk).values_list("pk").first()
            obj = find(request, *args, **kwargs)
        if obj is not None:
            self._before(request).setdefault(obj.pk, self.audited_facts(obj))
        return obj

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Let the deletion of many ask why, too."""
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]  # ModelAdmin's
        if "delete_selected" in actions:
            _, name, text = actions["delete_selected"]
            actions["delete_selected"] = (_delete_chosen, name, text)
        return actions

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask why before anything is deleted."""
        form = _why(request, is_sent=request.method == "POST")
        if request.method == "POST" and not form.is_valid():
            request.POST = QueryDict()  # to Django nothing was confirmed
        context = {**(extra_context or {}), "why": form}
        answer: HttpResponse = super().delete_view(request, object_id, context)  # type: ignore[misc]  # ModelAdmin's
        return answer

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Write down what was added, by whom, and why."""
        self._record("create", request, obj, message, new=self.audited_facts(obj))
        return super().log_addition(request, obj, message)  # type: ignore[misc]  # ModelAdmin's

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Write down what was changed from what to what, by whom, and why."""
        old, new = self._before(request).get(obj.pk, {}), self.audited_facts(obj)
        names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        was, becomes = ({name: facts.get(name) for name in names} for facts in (old, new))
        self._record("change", request, obj, message, old=was, new=becomes)
        return super().log_change(request, obj, message)  # type: ignore[misc]  # ModelAdmin's

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Write down each that will be deleted, by whom, and why."""
        for obj in queryset:
            self._record("delete", request, obj, "", old=self.audited_facts(obj))
        return super().log_deletions(request, queryset)  # type: ignore[misc]  # ModelAdmin's

    def audited_facts(self, obj: Any) -> dict[str, Any]:
        """Return what to write down of a row as it is now: JSON values, and no secret."""
        fields = (each for each in obj._meta.concrete_fields if each.name != "updated_at")
        return {field.name: audited_value(field.value_from_object(obj)) for field in fields}

    def audited_besides(self, obj: Any) -> dict[str, Any]:
        """Return what else belongs into every entry about the row, changed or not."""
        return {}

    def audited_name(self) -> str:
        """Return what the audit trail calls such a row."""
        return str(self.model._meta.model_name)  # type: ignore[attr-defined]  # ModelAdmin's

    def audited_id(self, obj: Any) -> str:
        """Return by what the audit trail knows the row."""
        return str(obj.pk)

    def _may_write(self, request: HttpRequest, obj: Any) -> bool:
        may: Callable[..., bool] = self.has_change_permission  # type: ignore[attr-defined]  # ModelAdmin's
        if obj is None:
            return bool(self.has_add_permission(request))  # type: ignore[attr-defined]  # ModelAdmin's
        return may(request, obj)

    def _before(self, request: HttpRequest) -> dict[Any, dict[str, Any]]:
        before: dict[Any, dict[str, Any]] = vars(request).setdefault("_audited", {})
        return before

    def _record(
        self, verb: str, request: HttpRequest, obj: Model, message: Any, **facts: dict[str, Any]
    ) -> None:
        name, target = self.audited_name(), self.audited_id(obj)
        reason = request.POST.get(_FIELD, "").strip()[:LONGEST]
        details = {"name": str(obj)[:500], "changes": message} | facts | self.audited_besides(obj)
        audit.record(
            f"{name}.{verb}", name, target, actor=request.user, reason=reason, details=details
        )


def _delete_chosen(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
    """Delete the chosen rows once it has been said why."""
    form = _why(request, is_sent="post" in request.POST)
    if "post" in request.POST and not form.is_valid():
        data = request.POST.copy()
        del data["post"]
        request.POST = data  # type: ignore[assignment]  # to Django nothing was confirmed
    with transaction.atomic():
        answer = delete_selected(page, request, queryset)
    if answer is not None:
        answer.context_data = (answer.context_data or {}) | {"why": form}
    return answer


def _why(request: HttpRequest, *, is_sent: bool) -> ReasonRequired:
    """Return the question, and the fault of an answer that was sent."""
    form = ReasonRequired(request.POST if is_sent else None)
    if is_sent and not form.is_valid():
        messages.error(request, "Nothing was deleted: say why.")
    return form


def audited_value(value: object) -> Any:
    """Return a column's value as the trail keeps it."""
    return value if isinstance(value, bool | int | float | None) else str(value)
