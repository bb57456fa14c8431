"""The forms of a schedule: refuse at the field what beat could not fire."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.db import transaction
from django.http import Http404
from django_celery_beat.models import PeriodicTask

from celeriac.console.admin.schedules.timing import TYPED, TimingForm
from celeriac.console.dialogs import ReasonForm
from celeriac.console.theme import (
    DecimalFieldWidget,
    IntegerFieldWidget,
    SelectWidget,
    SplitDateTimeWidget,
)
from celeriac.core import clock
from celeriac.core.arguments import LONGEST
from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.models.job import MAX_PRIORITY
from celeriac.jobs.redaction import MASK
from celeriac.schedules import calls
from celeriac.schedules.declare import POLICY
from celeriac.schedules.definition import clock_of, times_of
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.fire import MOST_LATE
from celeriac.schedules.models import Misfire, Overlap, Policy
from celeriac.schedules.redacted_arguments import TaskArguments


def _seconds(text: str, *, initial: float | None = None, least: float = 0.0) -> forms.FloatField:
    return forms.FloatField(
        required=False,
        initial=initial,
        min_value=least,
        max_value=LONGEST,
        widget=DecimalFieldWidget,
        help_text=text,
    )


class PeriodicTaskForm(TimingForm):
    """A periodic task with its policy."""

    #: When the row was last saved as this page was made.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    task = forms.ChoiceField(widget=SelectWidget, label="Kind")
    misfire = forms.ChoiceField(
        choices=Misfire.choices,
        initial=Misfire.ONCE,
        widget=SelectWidget,
        label="Late ticks",
        help_text="What to do with ticks that nobody fired in time.",
    )
    misfire_grace = _seconds("Seconds after which a tick counts as late.", initial=60.0)
    misfire_limit = forms.IntegerField(
        required=False,
        initial=100,
        min_value=1,
        max_value=MOST_LATE,
        widget=IntegerFieldWidget,
        help_text="Of late ticks, run at most the newest so many.",
    )
    overlap = forms.ChoiceField(
        choices=Overlap.choices,
        initial=Overlap.ALLOW,
        widget=SelectWidget,
        help_text="What to do with a tick while the job of an earlier one has not finished.",
    )
    deadline = _seconds("Seconds after the tick within which its job must start.", least=0.001)
    jitter = _seconds("Seconds over which starts are spread.", initial=0.0)

    class Meta:
        model = PeriodicTask
        exclude = ()
        labels = {
            "kwargs": "Arguments",
            "args": "Arguments by position",
            "solar": "Or with the sun",
            "start_time": "Not before",
            "expires": "Not from then on",
            "one_off": "Only once",
            "queue": "Queue",
            "expire_seconds": "Expire seconds",
        }
        help_texts = {
            "name": "Unique; jobs and the audit trail bear it.",
            "kwargs": 'JSON by name, such as {"days": 30}.',
            "args": "JSON list; better give them by name.",
            "enabled": "Off, it has no ticks, and makes up for none when it is on again.",
            "description": "For whoever finds it.",
            "solar": "Events are made on the page of solar events.",
            "start_time": "UTC; of an interval the first tick, from which the others count.",
            "expires": "UTC; no tick at or after it.",
            "one_off": "After the first job it is disabled.",
            "queue": "Empty: the queue that the kind declares.",
            "priority": f"0 to {MAX_PRIORITY}, higher runs first. Empty: the kind's own.",
            "expire_seconds": "The deadline where the policy has none.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["seen"] = self.instance.date_changed.isoformat()
        for name in {"kwargs", "args", "description"} & self.fields.keys():
            self.fields[name].widget.attrs["rows"] = 3
        self._kept = TaskArguments.of(self.instance)
        self._mask()
        if "task" in self.fields:
            names = calls.callable_names()
            if self.instance.task and self.instance.task not in names:
                names.append(self.instance.task)
            field: Any = self.fields["task"]
            field.choices = [("", "---------"), *((name, name) for name in names)]
        policy = Policy.objects.filter(pk=self.instance.pk).first() if self.instance.pk else None
        if policy is not None:
            self.initial.update({name: getattr(policy, name) for name in POLICY})

    def _mask(self) -> None:
        """Show no secret; a redacted value that is left as it is keeps the secret."""
        for name, text in self._kept.shown().items():
            if self.instance.pk and name in self.fields:
                self.initial[name] = text
                if MASK in text:
                    field = self.fields[name]
                    field.help_text = f"{field.help_text} {MASK} hides a secret: left so, it stays."

    def clean_kwargs(self) -> str:
        """Put secrets back where they were left redacted."""
        return self._restored(self._kept.restored_kwargs, "kwargs")

    def clean_args(self) -> str:
        """Put secrets back where they were left redacted."""
        return self._restored(self._kept.restored_args, "args")

    def _restored(self, restore: Callable[[str], str], name: str) -> str:
        try:
            return restore(self.cleaned_data[name] or "")
        except InvalidArgs as error:
            raise forms.ValidationError(list(error.errors.values())) from error

    def clean(self) -> dict[str, Any]:
        """Fill in what is not said, and refuse a page that is older than the row."""
        data = dict(super().clean() or {})
        self._check_seen(data.get("seen") or "")
        defaults = {"misfire_grace": 60.0, "misfire_limit": 100, "jitter": 0.0}
        data |= {name: value for name, value in defaults.items() if data.get(name) is None}
        if data.get("deadline") and data["jitter"] >= data["deadline"]:
            self.add_error("jitter", "must be shorter than the deadline, or jobs could never start")
        return data

    def _check_seen(self, seen: str) -> None:
        """Lock the row where it is about to be saved, so that of two saves one comes second."""
        rows = PeriodicTask.objects.filter(pk=self.instance.pk)
        if transaction.get_connection().in_atomic_block:
            rows = rows.select_for_update(no_key=True)
        saved = rows.values_list("date_changed", flat=True).first() if self.instance.pk else None
        if seen and saved is not None and saved.isoformat() != seen:
            self.add_error(
                None,
                "Somebody saved this schedule while you edited it: open it again to see how it is.",
            )

    def policy_values(self) -> dict[str, Any]:
        """Return the policy's columns."""
        return {name: self.cleaned_data[name] for name in POLICY}

    def _post_clean(self) -> None:
        super()._post_clean()
        task = self.instance
        problems: dict[str, str] = {}
        when = _problems(lambda: times_of(task, anchor=clock.db_now()))
        if "schedule" not in when:  # Django says itself that one of the four must be set
            problems |= when
        if "task" not in self.errors:
            problems |= _problems(lambda: calls.call_of(task))
        for name, why in problems.items():
            field = TYPED.get(name, name)
            self.add_error(field if field in self.fields else None, why)


def _problems(read: Callable[[], object]) -> dict[str, str]:
    try:
        read()
    except InvalidSchedule as error:
        return error.errors
    return {}


class MayGiveReasonForm(ReasonForm):
    """Why, by whoever likes to say it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = False


class BackfillForm(MayGiveReasonForm):
    """From when, until when: yesterday, unless told otherwise."""

    start = forms.SplitDateTimeField(widget=SplitDateTimeWidget)
    end = forms.SplitDateTimeField(widget=SplitDateTimeWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        key = self.object_id if str(self.object_id).isdecimal() else None
        task = PeriodicTask.objects.filter(pk=key).select_related("crontab").first()
        if task is None:
            raise Http404(f"{self.object_id!r} is no schedule's key.")
        self._zone = zone = clock_of(task)
        today = clock.db_now().astimezone(zone).replace(tzinfo=None)
        midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
        self.fields["start"].initial = midnight - timedelta(days=1)
        self.fields["end"].initial = midnight
        self.fields["start"].help_text = f"On the clocks of {zone}."
        self.fields["end"].help_text = f"Not included; on the clocks of {zone}."

    def clean(self) -> dict[str, Any]:
        """Return the moments on the schedule's clocks."""
        moments = {k: self.cleaned_data[k] for k in ("start", "end") if k in self.cleaned_data}
        on_its_clocks = {k: moment.replace(tzinfo=self._zone) for k, moment in moments.items()}
        return {**self.cleaned_data, **on_its_clocks}
