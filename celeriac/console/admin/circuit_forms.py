"""What an operator fills in."""

from dataclasses import fields
from typing import Any

from django import forms
from django.contrib.admin.utils import unquote
from django.http import Http404

from celeriac.breakers import options as options_module
from celeriac.breakers.errors import BreakerError, UnknownBreaker
from celeriac.breakers.models import Breaker
from celeriac.console.dialogs import ReasonForm, UntilForm
from celeriac.console.theme import TextInputWidget


class ForceForm(UntilForm):
    """Why, and for how long."""

    ends = "clears"


class TuneForm(ReasonForm):
    """An option each; an empty one takes what settings say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
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

    def clean(self) -> dict[str, Any]:
        """Return the options that differ from settings; those that do not fit are refused.

        At the option that the message begins with.
        """
        given = {name: self.cleaned_data.get(name) for name in options_module.TUNABLE}
        changed = {name: value for name, value in given.items() if value is not None}
        try:
            options_module.breaker_options(self._name).using(changed)
        except BreakerError as error:
            named = str(error).split()[0]
            self.add_error(named if named in self.fields else "reason", str(error))
        return {"reason": self.cleaned_data.get("reason"), "options": changed}


def _field(is_whole: bool, declared: float, override: float | None) -> forms.Field:
    kind = forms.IntegerField if is_whole else forms.FloatField
    return kind(
        required=False,
        initial=override,
        widget=TextInputWidget(attrs={"placeholder": f"{declared:g}"}),
    )
