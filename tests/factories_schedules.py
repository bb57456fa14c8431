"""Schedules for tests."""

import json
from datetime import timedelta

import factory
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from celeriac.schedules.models import Policy


class PeriodicTaskFactory(factory.django.DjangoModelFactory):
    """A periodic task that notes its name, every minute unless told otherwise.

    Give it one of `every` (a timedelta), `cron` (five fields in a string), `at` (a
    moment) or `sun` (event, latitude, longitude), and `policy` (a dictionary).
    """

    class Meta:
        model = PeriodicTask
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"schedule-{n}")
    task = "test.note"
    kwargs = factory.LazyAttribute(lambda task: json.dumps({"name": task.name}))

    @classmethod
    def _create(cls, model, *args, **kwargs):
        given = {key: kwargs.pop(key, None) for key in ("every", "cron", "at", "sun")}
        times = schedule_of(**given, zone=kwargs.pop("zone", "UTC"))
        policy = kwargs.pop("policy", {})
        if "clocked" in times:
            kwargs.setdefault("one_off", True)
        task = super()._create(model, *args, **kwargs, **times)
        if policy:
            Policy.objects.filter(pk=task.pk).update(**policy)
        return task


def schedule_of(*, every=None, cron=None, at=None, sun=None, zone="UTC"):
    """Return the column and the row of a schedule, made if need be; every minute by default."""
    if cron:
        names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        fields = dict(zip(names, cron.split(), strict=True))
        return {"crontab": CrontabSchedule.objects.get_or_create(timezone=zone, **fields)[0]}
    if at:
        return {"clocked": ClockedSchedule.objects.get_or_create(clocked_time=at)[0]}
    if sun:
        event, latitude, longitude = sun
        return {
            "solar": SolarSchedule.objects.get_or_create(
                event=event, latitude=latitude, longitude=longitude
            )[0]
        }
    micros = round((every or timedelta(minutes=1)) / timedelta(microseconds=1))
    whole, rest = divmod(micros, 1_000_000)
    row = (whole, "seconds") if not rest else (micros, "microseconds")
    return {"interval": IntervalSchedule.objects.get_or_create(every=row[0], period=row[1])[0]}
