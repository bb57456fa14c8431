"""Routes of the project's own tasks: to the ledger, to plain Celery, or a share to each."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from celeriac.console.audited_admin import ReasonRequired
from celeriac.console.dialogs import Button, ReasonForm, permission_method, with_buttons
from celeriac.console.readonly import ReadOnlyAdmin
from celeriac.console.sites import register
from celeriac.console.theme import ActionVariant, TextInputWidget, display
from celeriac.core.errors import CeleriacError
from celeriac.jobs.models import Route
from celeriac.jobs.routing.order_route import order_route
from celeriac.jobs.routing.orders import Order, read_target, target_of

_PERMISSION = "celeriac_jobs.route_tasks"
_HELP = "plain, ledger, or the share of the calls that become jobs, such as 5%."


class TargetField(forms.CharField):
    """`plain`, `ledger` or a percentage, cleaned to the share."""

    widget = TextInputWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(help_text=_HELP, label="Target", **options)

    def clean(self, value: Any) -> Any:
        """Return the share, in percent."""
        try:
            return read_target(super().clean(value))
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from error


class TargetForm(ReasonForm):
    """Why, and where to."""

    share = TargetField()


class RouteForm(ReasonRequired, forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker only
    """A pattern, where its tasks go, and why."""

    share = TargetField()

    class Meta:
        model = Route
        fields = ("pattern",)
        widgets = {"pattern": TextInputWidget(attrs={"placeholder": "acme.mail.*"})}


def _done(order: Order) -> str:
    said = f"{order.pattern} goes to {order.target}: in every process within five seconds."
    return said if order.recorded else f"{said} Its row and its audit entry follow."


@register(Route)
@with_buttons(
    Button(
        name="route",
        title="Say where these tasks go from now on",
        description="Jobs that are queued stay jobs: manage.py celeriac handback moves them.",
        permission=_PERMISSION,
        service=order_route,
        done=_done,
        form=TargetForm,
        variant=ActionVariant.WARNING,
    )
)
class RouteAdmin(ReadOnlyAdmin):
    """The orders, the newest first: of those that fit a task's name the first one counts."""

    form = RouteForm
    list_display = ("pattern", "target", "reason", "set_by", "updated_at")
    search_fields = ("pattern",)
    ordering = ("-edit",)
    fields = ("pattern", "target", "reason", "set_by", "updated_at")
    readonly_fields = ("target", "updated_at")
    has_add_permission = permission_method(_PERMISSION)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what a new order says, or what there is to see of one."""
        return ("pattern", "share", "reason") if obj is None else self.fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Order the route in the place of writing the row."""
        said = form.cleaned_data
        try:
            order = order_route(
                said["pattern"], share=said["share"], reason=said["reason"], actor=request.user
            )
        except CeleriacError as error:
            messages.error(request, error.message)
        else:
            messages.info(request, _done(order))

    @display(description="goes to")
    def target(self, route: Route) -> str:
        """Where calls that fit go."""
        return target_of(route.share)
