"""Jobs as plain facts, for commands and whoever prints them."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from apps.jobs.errors import JobNotFound
from apps.jobs.models import Attempt, Job
from apps.jobs.operating.waiting import view, waiting

_SUMMARY = (
    "id", "kind", "queue", "priority", "args", "state", "run_at", "attempt", "failures",
    "error",
)  # fmt: skip
_ATTEMPT = (
    "number", "outcome", "worker", "started_at", "finished_at", "error_class", "message",
)  # fmt: skip


def job(job_id: UUID) -> Job:
    """Return the job; JobNotFound where there is none."""
    found = Job.objects.filter(pk=job_id).first()
    if found is None:
        raise JobNotFound(f"There is no job {job_id}: it was pruned, or never committed.")
    return found


def facts(job: Job) -> dict[str, Any]:
    """Return every field of the row, by name."""
    return {field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields}


def summary(job: Job) -> dict[str, Any]:
    """Return what a list shows of a job, with what people call its state."""
    return {name: getattr(job, name) for name in _SUMMARY} | {"view": view(job)}


def reasons(job: Job) -> list[dict[str, Any]]:
    """Return why it waits."""
    return [asdict(wait) for wait in waiting(job)]


def attempts(job: Job) -> list[dict[str, Any]]:
    """Return its remembered runs, in order."""
    rows = Attempt.objects.filter(job_id=job.id).order_by("number", "id")
    return list(rows.values(*_ATTEMPT))


def plain(row: Any) -> dict[str, Any]:  # noqa: ANN401 any dataclass
    """Return a dataclass as a dictionary."""
    return asdict(row)
