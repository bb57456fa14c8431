"""What schedules need besides beat: sending plain tasks."""

from typing import Any

from celery import current_app

from celeriac.celery.base import JobTask, job
from celeriac.celery.importing import import_tasks
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.running.current import current_job

#: The one task of Celery's own that is worth a schedule.
_CLEANUP = "celery.backend_cleanup"


@job("schedules.send", timeout=30, retry=Backoff(max_attempts=20, base=1, cap=300))
def send_plain_task(
    task: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> dict[str, str]:
    """Send a plain Celery task; sent again, it bears the same id."""
    name = str(current_job().id)
    current_app.send_task(task, args, kwargs, task_id=name, **options)
    return {"task_id": name}


def plain_tasks() -> frozenset[str]:
    """Return the names of the registered plain Celery tasks."""
    import_tasks(current_app)
    return frozenset(
        name
        for name, task in current_app.tasks.items()
        if not isinstance(task, JobTask) and (name == _CLEANUP or not name.startswith("celery."))
    )
