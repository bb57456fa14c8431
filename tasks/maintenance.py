"""Jobs that keep the house."""

from celery.schedules import crontab

from apps.jobs.operating import prune
from tasks.base import job


@job(
    "maintenance.prune",
    queue="maintenance",
    unique="maintenance.prune",
    timeout=300,
    schedule=crontab(minute="11"),
)
def prune_jobs() -> int:
    """Delete finished jobs that are older than their kinds keep them; return how many."""
    return prune.prune().jobs
