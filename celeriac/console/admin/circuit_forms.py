"""What an operator fills in."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.admin.utils import unquote
from django.http import Http404
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from celeriac.breakers import options as options_module
from celeriac.breakers.errors import BreakerError, UnknownBreaker
from celeriac.breakers.models import Breaker
from celeriac.core import clock
from celeriac.core.arguments import LONGEST


class ReasonForm(BaseDialogForm):  # type: ignore[misc]  # untyped package
    """Why."""

    reason = forms.CharField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))


class ForceForm(ReasonForm):
    """Why, and for how long."""

    minutes = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=LONGEST / 60,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Empty: until somebody clears it.",
    )

    @property
    def until(self) -> datetime | None:
        """When the force shall end, by the database's clock."""
        minutes = self.cleaned_data["minutes"]
        return None if minutes is None else clock.read() + timedelta(minutes=minutes)


class TuneForm(ReasonForm):
    """An option each; an empty one takes what settings say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 Django's
        super().__init__(*args, **kwargs)
        self._name = unquote(str(self.object_id))
        row = Breaker.objects.filter(name=self._name).first()
        overrides = row.overrides if row else {}
        try:
            declared = options_module.breaker_options(self._name)
        except UnknownBreaker as error:
            raise Http404(str(error)) from error
        for option in fields(options_module.Options):
            if option.name in options_module.TUNABLE:
                self.fields[option.name] = _field(
                    option.type is int, getattr(declared, option.name), overrides.get(option.name)
                )

    @property
    def changed_options(self) -> dict[str, Any]:
        """The options that differ from settings."""
        given = {name: self.cleaned_data.get(name) for name in options_module.TUNABLE}
        return {name: value for name, value in given.items() if value is not None}

    def clean(self) -> dict[str, Any]:
        """Refuse options that do not fit, at the option that the message begins with."""
        try:
            options_module.breaker_options(self._name).using(self.changed_options)
        except BreakerError as error:
            named = str(error).split()[0]
            self.add_error(named if named in self.fields else "reason", str(error))
        return dict(self.cleaned_data)


def _field(is_whole: bool, declared: float, override: float | None) -> forms.Field:
    kind = forms.IntegerField if is_whole else forms.FloatField
    return kind(
        required=False,
        initial=override,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": f"{declared:g}"}),
    )
