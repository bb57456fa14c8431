"""What an operator fills in: for one job in a dialog, for a selection before it is begun."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.forms.fields import InvalidJSONInput

from celeriac.console.confirmation import ReasonConfirmForm
from celeriac.console.dialogs import ReasonForm
from celeriac.console.theme import IntegerFieldWidget, SelectWidget, TextareaWidget
from celeriac.core.ids import find_row, uuid7
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.draft import checked_args
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.models import Job
from celeriac.jobs.models.job import MAX_PRIORITY, MIN_PRIORITY
from celeriac.jobs.operating import redacted_args
from celeriac.jobs.operating.actions import Action
from celeriac.jobs.redaction import MASK

#: A set larger than this, or one that nobody counted, is confirmed by typing.
TYPED_ABOVE = 100
#: What a set may have grown by since it was looked at.
GROWTH = 1.1


class ArgumentsField(forms.JSONField):
    """JSON that a job's row can hold, and that its kind takes."""

    def __init__(self, job: Job | None) -> None:
        self._job = job
        self._kind = kind = registry.get_kind(job.kind) if job else None
        takes = (
            f"{kind.name} takes {', '.join(kind.schema.fields) or 'no arguments'}." if kind else ""
        )
        super().__init__(
            label="Arguments",
            widget=TextareaWidget(attrs={"rows": 10, "spellcheck": "false"}),
            encoder=_Readable,
            initial=redacted_args.redact_args(kind, job.args) if kind and job else None,
            disabled=kind is None,
            help_text=f"{takes} JSON. Secrets are shown as {MASK}: left so, they stay as they are."
            if kind
            else "This kind is not declared here, so nobody can check its arguments.",
        )

    def to_python(self, value: Any) -> Any:
        """Return the value; one that is nested beyond reading is no JSON."""
        try:
            return super().to_python(value)
        except RecursionError as error:
            raise forms.ValidationError("It is nested too deeply.") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what the form shows again: what could not be read, as it was typed."""
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)

    def clean(self, value: Any) -> Any:
        """Refuse what the kind refuses, here, where it can be put right."""
        value = super().clean(value)
        if not isinstance(value, dict):
            raise forms.ValidationError("Write an object: the handler's arguments by name.")
        if self._job is not None and self._kind is not None:
            try:
                checked_args(
                    self._kind, redacted_args.restore_args(self._kind, value, self._job.args)
                )
            except InvalidArgs as error:
                lines = [f"{field}: {text}" for field, text in error.errors.items()]
                raise forms.ValidationError(lines or [error.message]) from error
        return value


class _Readable(json.JSONEncoder):
    """Indents, and leaves letters as they are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"indent": 2, "ensure_ascii": False}))


def _priority(job: Job | None) -> forms.Field:
    return forms.IntegerField(
        min_value=MIN_PRIORITY,
        max_value=MAX_PRIORITY,
        initial=job.priority if job else None,
        widget=IntegerFieldWidget,
        help_text=f"{MIN_PRIORITY} to {MAX_PRIORITY}; higher runs first.",
    )


def _queue(job: Job | None) -> forms.Field:
    return forms.ChoiceField(
        choices=[(name, name) for name in queue_names()],
        initial=job.queue if job else None,
        widget=SelectWidget,
    )


#: How each field of an action is asked for; the job is the one whose dialog it is.
FIELDS: dict[str, Callable[[Job | None], forms.Field]] = {
    "priority": _priority,
    "queue": _queue,
    "args": ArgumentsField,
}


class ActionForm(ReasonForm):
    """What an action on one job asks for, and why."""

    action: Action

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        job = found_job(self.object_id)
        for name in self.action.fields:
            self.fields[name] = FIELDS[name](job)
        self.order_fields([*self.action.fields, "reason"])


class BulkConfirmForm(ReasonConfirmForm):
    """The parameter, the reason, and for a large set the number that the page shows."""

    confirm = forms.UUIDField(widget=forms.HiddenInput)
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, action: Action, counted: int | None, data: Any = None) -> None:
        expected = ""
        if counted is None or counted > TYPED_ABOVE:
            shown = counted if data is None else data.get("seen", counted)
            expected = action.name.replace("_", " ") if shown in (None, "") else str(shown)
        initial = {"confirm": uuid7(), "seen": counted}
        super().__init__(data, expected=expected, initial=initial)
        self._counted = counted
        for name in action.fields:
            self.fields[name] = FIELDS[name](None)
        self.order_fields([*action.fields, "reason", "typed"])

    @property
    def token(self) -> UUID:
        """The id of the action to be, the same however often this page is sent."""
        token: UUID = self.cleaned_data["confirm"]
        return token

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


def found_job(object_id: object) -> Job | None:
    """Return the job of a dialog, or None for an id that is none."""
    return find_row(Job.objects.all(), object_id)
