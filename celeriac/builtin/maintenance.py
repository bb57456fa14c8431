"""Jobs that keep the house."""

from celery.schedules import crontab

from celeriac.builtin import cleanup
from celeriac.celery.base import job
from celeriac.jobs.operating import prune
from celeriac.monitoring.rollups import roll
from celeriac.schedules.api import Schedule


@job(
    "maintenance.roll_up",
    queue="maintenance",
    unique="maintenance.roll_up",
    lock="maintenance.roll_up",
    timeout=300,
    retention=0,
    schedule=Schedule(crontab(), overlap="skip"),
)
def roll_up() -> str:
    """Count what ended in the minutes that are over; return up to when all is counted."""
    return roll.roll().isoformat()


@job(
    "maintenance.prune",
    queue="maintenance",
    unique="maintenance.prune",
    timeout=300,
    schedule=crontab(minute="11"),
)
def prune_jobs() -> int:
    """Delete finished jobs that are older than their kinds keep them; return how many."""
    return prune.prune(before=roll.safe_to_prune()).jobs


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
    return cleanup.clean()
