"""The human queue: operations whose outcome nobody knows."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.payments import services
from apps.payments.admin.labels import STATES
from apps.payments.models import Operation
from apps.payments.money import display_amount as money
from apps.payments.selectors import payment_evidence
from apps.payments.states import FINAL, State
from celeriac import CeleriacError, ReadOnlyAdmin, action, confirmed_action, display, uuid_or_404


class ForReview(admin.SimpleListFilter):
    """Those that wait for a human."""

    title = "for review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "waits for a human")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return those that wait, or all."""
        return queryset.for_review() if self.value() == "yes" else queryset


class DecisionForm(forms.Form):
    """What was found at the provider."""

    state = forms.ChoiceField(
        choices=[("", "---------"), *((state.value, state.value) for state in sorted(FINAL))],
        widget=UnfoldAdminSelectWidget,
    )
    provider_id = forms.CharField(
        required=False, max_length=255, label="Provider's id", widget=UnfoldAdminTextInputWidget
    )
    reason = forms.CharField(widget=UnfoldAdminTextareaWidget)

    def clean(self) -> dict[str, Any]:
        """Refuse a success without the provider's id: nobody could check it later."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("state") == State.SUCCEEDED and not values.get("provider_id"):
            self.add_error("provider_id", "A success needs the provider's id.")
        return values


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    """Operations; the evidence, and a decision with its reason."""

    list_display = ("id", "kind", "payment", "shown_state", "attempts", "lookups", "review_at")
    fields = (
        "payment",
        "kind",
        "shown_amount",
        "state",
        "idempotency_key",
        "params",
        "params_hash",
        "provider_id",
        "attempts",
        "lookups",
        "key_spent",
        "error_code",
        "error_message",
        "review_at",
        "review_reason",
        "created_at",
        "submitted_at",
        "called_at",
        "finished_at",
    )
    list_filter = (ForReview, "kind", "state", "created_at")
    list_select_related = ("payment",)
    finds = (
        "pk",
        "payment_id",
        "idempotency_key__startswith",
        "provider_id",
        "payment__reference__startswith",
    )
    indexed_filters = ("review",)
    search_help_text = (
        "An id of the operation or its payment, its key or our reference or their beginning, "
        "or the provider's id"
    )
    actions = ("ask_again",)
    actions_detail = ("decide",)

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, operation: Operation) -> str:
        """The state as a label."""
        return operation.state

    @display(description="amount")
    def shown_amount(self, operation: Operation) -> str:
        """The amount as people read it."""
        return money(operation.amount, operation.payment.currency)

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the user may decide."""
        return request.user.has_perm("payments.decide_operation")

    ask_again = confirmed_action(
        description="Ask the provider again about the chosen",
        permissions=["decide"],
        title="Ask the provider again",
        done="Asked again",
        service=lambda operation, **said: services.operation_retry(
            operation_id=operation.id, **said
        ),
    )

    @action(description="Decide", url_path="decide", permissions=["decide"])
    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the evidence and take a decision."""
        found = Operation.objects.select_related("payment")
        operation = get_object_or_404(found, id=uuid_or_404(object_id))
        form = DecisionForm(request.POST or None)
        if form.is_valid() and self._decided(request, operation, form.cleaned_data):
            return HttpResponseRedirect(
                reverse("admin:payments_operation_change", args=[operation.id])
            )
        context = {
            **self.admin_site.each_context(request),
            "title": f"Decide {operation}",
            "opts": self.model._meta,
            "operation": operation,
            "amount": self.shown_amount(operation),
            "form": form,
            **payment_evidence(operation.payment),
        }
        return TemplateResponse(request, "admin/payments/operation/decide.html", context)

    def _decided(self, request: HttpRequest, operation: Operation, values: dict[str, Any]) -> bool:
        try:
            services.operation_decide(
                operation_id=operation.id,
                state=State(values["state"]),
                provider_id=values["provider_id"],
                actor=request.user,
                reason=values["reason"],
            )
        except CeleriacError as error:
            messages.error(request, error.message)
            return False
        messages.success(request, f"{operation} is {values['state']} now.")
        return True
