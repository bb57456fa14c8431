"""Inside a project whose schedules stand in the database: have each task fire every second."""

import json
import sys

import django

django.setup()

from django_celery_beat.models import IntervalSchedule, PeriodicTask  # noqa: E402

every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
for name in json.load(sys.stdin):
    PeriodicTask.objects.get_or_create(name=name, defaults={"task": name, "interval": every})
