"""The job that counts the past."""

from celery.schedules import crontab
from django.apps import apps

from celeriac.celery.base import job
from celeriac.monitoring.rollups import rolling

EVERY_MINUTE: object = crontab()
if apps.is_installed("celeriac.schedules"):
    from celeriac.schedules.api import Schedule

    EVERY_MINUTE = Schedule(crontab(), overlap="skip")


@job(
    "maintenance.roll_up",
    queue="maintenance",
    unique="maintenance.roll_up",
    lock="maintenance.roll_up",
    timeout=300,
    retention=0,
    schedule=EVERY_MINUTE,
)
def roll_up() -> str:
    """Count what ended in the minutes that are over; return up to when all is counted."""
    return rolling.roll_up_minutes().isoformat()
