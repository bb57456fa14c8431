"""What an operator fills in before a verb goes over a filter."""

from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from celeriac.console.verbs.catalogue import BulkAction
from celeriac.core.ids import uuid7
from celeriac.jobs.models.job import MAX_PRIORITY, MIN_PRIORITY
from celeriac.settings import conf

#: A set larger than this, or one that nobody counted, is confirmed by typing.
TYPED_ABOVE = 100
#: What a set may have grown by since it was looked at.
GROWTH = 1.1


class ConfirmForm(forms.Form):
    """The parameter, the reason, and for a large set the number that the page shows."""

    confirm = forms.UUIDField(widget=forms.HiddenInput)
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(max_length=1000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))

    def __init__(self, action: BulkAction, counted: int | None, data: Any = None) -> None:  # noqa: ANN401 Django's
        super().__init__(data, initial={"confirm": uuid7(), "seen": counted})
        self._counted = counted
        self._word = action.name.replace("_", " ")
        if action.parameter:
            self.fields[action.parameter] = _PARAMETERS[action.parameter]()
        if counted is None or counted > TYPED_ABOVE:
            self.fields["typed"] = forms.CharField(
                label=f"Type {self.expected} to confirm",
                widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            )
        self.order_fields([action.parameter, "reason", "typed"])

    @property
    def expected(self) -> str:
        """What must be typed: the number on the page, or the verb where there is none."""
        shown = self.data.get("seen", self._counted) if self.is_bound else self._counted
        return str(shown) if shown not in (None, "") else self._word

    @property
    def token(self) -> UUID:
        """The id of the verb to be, the same however often this page is sent."""
        token: UUID = self.cleaned_data["confirm"]
        return token

    def clean_typed(self) -> str:
        """Refuse anything but what the page asks for."""
        typed: str = self.cleaned_data["typed"].strip().replace(",", "").lower()
        if typed != self.expected:
            raise forms.ValidationError(f"Type {self.expected}, as the page says.")
        return typed

    def clean(self) -> dict[str, Any]:
        """Refuse a set that is much larger than the one that was looked at."""
        values: dict[str, Any] = super().clean() or {}
        seen = values.get("seen")
        if seen is not None and (self._counted is None or self._counted > seen * GROWTH + 10):
            now = "too many to count" if self._counted is None else f"{self._counted}"
            raise forms.ValidationError(
                f"The set has grown from {seen} to {now} since this page was opened: open it anew."
            )
        return values


def _priority() -> forms.Field:
    return forms.IntegerField(
        min_value=MIN_PRIORITY,
        max_value=MAX_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=f"{MIN_PRIORITY} to {MAX_PRIORITY}; higher runs first.",
    )


def _queue() -> forms.Field:
    names = sorted(conf.QUEUES)
    return forms.ChoiceField(
        choices=[(name, name) for name in names], widget=UnfoldAdminSelectWidget
    )


_PARAMETERS = {"priority": _priority, "queue": _queue}
