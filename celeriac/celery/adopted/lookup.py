"""Jobs by the ids that callers of Celery know."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q

from celeriac.jobs.models import Job


def find_job(task_id: Any) -> Job | None:
    """Return the job of that id: its row's, or the one that its caller chose."""
    return Job.objects.filter(_known_by([str(task_id)])).first()


def successor_of(job: Job) -> Job:
    """Return the job that has taken the place of one, as `self.replace(…)` asks."""
    while job.superseded_by is not None:
        successor = Job.objects.filter(pk=job.superseded_by).first()
        if successor is None:
            break
        job = successor
    return job


def find_jobs(task_ids: Iterable[Any]) -> dict[str, Job]:
    """Return the jobs among those ids, by them."""
    ids = [str(each) for each in task_ids]
    return {job.task_id or str(job.id): job for job in Job.objects.filter(_known_by(ids))}


def _known_by(ids: list[str]) -> Q:
    rows = [row for row in map(_row_id, ids) if row is not None]
    texts = [each for each in ids if _row_id(each) is None]
    if not texts:
        return Q(pk__in=rows)
    return Q(pk__in=rows) | Q(task_id__in=texts) if rows else Q(task_id__in=texts)


def _row_id(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
