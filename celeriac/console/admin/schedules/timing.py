"""The part of a schedule's form that says when: typed in place, not picked from other pages.

django-celery-beat keeps crontabs, intervals and moments in tables of their own, which
schedules may share. Whoever edits one schedule here gives it another row and leaves
the others alone.
"""

from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)

from celeriac.console.theme import (
    IntegerFieldWidget,
    SelectWidget,
    SplitDateTimeWidget,
    TextInputWidget,
)
from celeriac.schedules.cronfields import FIELDS as CRON
from celeriac.schedules.declare import default_zone
from celeriac.schedules.definition import crontab_of
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.rows import shared_row

#: The fields of which one, with its other half, says when.
ONE_OF = ("cron", "every", "at", "solar")
FIELDS = ("cron", "zone", "every", "period", "at", "solar", "start_time", "expires", "one_off")
#: Columns of the row by the field in which they are typed.
TYPED = {"crontab": "cron", "interval": "every", "clocked": "at"}
_PERIODS = [(name, name) for name in ("seconds", "minutes", "hours", "days")]
_SECONDS = {"microseconds": 1e-6, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


class TimingForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """When a periodic task fires."""

    cron = forms.CharField(
        required=False,
        label="Crontab",
        widget=TextInputWidget(attrs={"placeholder": "30 2 * * mon-fri"}),
        help_text="Minute, hour, day of the month, month, day of the week: 30 2 * * mon-fri",
    )
    zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        widget=SelectWidget,
        help_text="The zone of the crontab's hours; changes of its clocks are taken care of.",
    )
    every = forms.IntegerField(
        required=False, min_value=1, widget=IntegerFieldWidget, label="Or every"
    )
    period = forms.ChoiceField(
        required=False, choices=_PERIODS, initial="minutes", widget=SelectWidget
    )
    at = forms.SplitDateTimeField(
        required=False, label="Or once, at", widget=SplitDateTimeWidget, help_text="UTC."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "zone" in self.fields:
            zones: Any = self.fields["zone"]
            known = available_timezones() - {"Factory"}
            status = {"zone": default_zone()} | present_timing(self.instance)
            zones.choices = [(name, name) for name in sorted(known | {status["zone"]})]
            self.initial = status | dict(self.initial)
            if self.initial.get("period") == "microseconds":
                periods: Any = self.fields["period"]
                periods.choices = [("microseconds", "microseconds"), *_PERIODS]

    def clean(self) -> dict[str, Any]:
        """Ask for exactly one way to say when."""
        data = dict(super().clean() or {})
        chosen = [name for name in ONE_OF if data.get(name)]
        if not chosen and not any(name in self.errors for name in ONE_OF):
            self.add_error(
                "cron" if "cron" in self.fields else None,
                "Say when: a crontab, an interval, a moment or an event of the sun.",
            )
        for name in chosen[1:]:
            self.add_error(name, "Give one way to say when, and leave the others empty.")
        if data.get("at"):
            data["one_off"] = True
        return data

    def keep_when(self) -> None:
        """Point the instance at saved rows, which other schedules may share."""
        task: PeriodicTask = self.instance
        for name in ("crontab", "interval", "clocked"):
            if (row := getattr(task, name)) is not None:
                setattr(task, name, shared_row(row))

    def _post_clean(self) -> None:
        if "cron" in self.fields:
            self._point(self.instance)
        super()._post_clean()  # type: ignore[misc]  # not in the stubs: Django builds the instance there

    def validate_unique(self) -> None:
        """Leave the number of ways to say when to `clean`, which knows this form's fields."""
        if any((self.instance.crontab, self.instance.interval, self.instance.clocked)) or (
            self.cleaned_data.get("solar")
        ):
            super().validate_unique()

    def _point(self, task: PeriodicTask) -> None:
        """Give the instance rows, not yet saved, that say what was typed, if it was changed."""
        if task.pk and not {*ONE_OF, "zone", "period"} & set(self.changed_data):
            return  # a row that says the same in other words would begin it anew
        data, task.crontab, task.interval, task.clocked = self.cleaned_data, None, None, None
        chosen = next((name for name in ONE_OF if data.get(name)), "")
        if chosen == "cron":
            task.crontab = self._crontab(data["cron"], data.get("zone") or default_zone())
        elif chosen == "every":
            task.interval = IntervalSchedule(
                every=data["every"], period=data.get("period") or "minutes"
            )
        elif chosen == "at":
            task.clocked = ClockedSchedule(clocked_time=data["at"])
            task.one_off = True

    def _crontab(self, text: str, zone: str) -> CrontabSchedule | None:
        parts = text.split()
        if len(parts) != len(CRON):
            self.add_error(
                "cron",
                f"A crontab has five fields with spaces between them, not {len(parts)}: "
                "minute, hour, day of the month, month, day of the week.",
            )
            return None
        row = CrontabSchedule(**dict(zip(CRON, parts, strict=True)), timezone=zone)
        try:
            crontab_of(row)
        except InvalidSchedule as error:
            self.add_error("cron", error.message)
            return None
        too_long = [name for name in CRON if len(getattr(row, name)) > _length(name)]
        if too_long:
            self.add_error("cron", f"{too_long[0]} is too long: use ranges or steps.")
            return None
        return row


def present_timing(task: PeriodicTask) -> dict[str, Any]:
    """Return what the row says, as the form's fields have it."""
    if task.crontab:
        text = " ".join(getattr(task.crontab, name).replace(" ", "") for name in CRON)
        return {"cron": text, "zone": str(task.crontab.timezone)}
    if task.interval:
        return _span(task.interval)
    if task.clocked:
        return {"at": task.clocked.clocked_time}
    return {}


def _span(interval: IntervalSchedule) -> dict[str, Any]:
    """Return an interval in the largest unit in which it is a whole number."""
    whole = timedelta(**{interval.period: interval.every}).total_seconds()
    for period in ("days", "hours", "minutes", "seconds"):
        if whole and whole % _SECONDS[period] == 0:
            return {"every": int(whole // _SECONDS[period]), "period": period}
    return {"every": interval.every, "period": interval.period}


def _length(name: str) -> int:
    field: Any = CrontabSchedule._meta.get_field(name)
    return int(field.max_length)
