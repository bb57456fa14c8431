"""Maintenance jobs."""

from datetime import datetime

from celery.schedules import crontab
from django.apps import apps

from celeriac.builtin import cleanup
from celeriac.celery.base import job
from celeriac.jobs.operating import prune


@job(
    "maintenance.prune",
    queue="maintenance",
    unique="maintenance.prune",
    timeout=300,
    schedule=crontab(minute="11"),
)
def prune_jobs() -> int:
    """Delete finished jobs that are older than their kinds keep them; return how many."""
    return prune.prune_jobs(before=uncounted_since()).jobs


def uncounted_since() -> datetime:
    """Return the moment from which nobody has counted what ended, where somebody counts."""
    if not apps.is_installed("celeriac.monitoring"):
        return datetime.max
    from celeriac.monitoring.rollups import rolling  # models of an app that may be left out

    return rolling.safe_to_prune()


# It took the place of schedules.prune, whose schedule and jobs it inherits.
@job(
    "maintenance.cleanup",
    queue="maintenance",
    unique="maintenance.cleanup",
    lock="maintenance.cleanup",
    aliases=("schedules.prune",),
    timeout=300,
    schedule=crontab(minute="41"),
)
def clean_up() -> dict[str, int]:
    """Delete rows that were kept long enough, but for jobs; return how many by model."""
    return cleanup.clean_up_rows()
