"""Between the ledger and Django's Tasks API: writing a job, reading its result."""

from typing import Any

from celeriac.core.ids import find_row
from celeriac.django_tasks import kinds, results
from celeriac.django_tasks.origin import (
    BaseTaskBackend,
    InvalidTask,
    TaskResultDoesNotExist,
    normalize_json,
    task_backends,
    task_enqueued,
    task_finished,
)
from celeriac.django_tasks.types import AnyResult, AnyTask
from celeriac.jobs.enqueueing.enqueue import enqueue_job
from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.jsonable import TOO_DEEP
from celeriac.jobs.models import Job
from celeriac.jobs.running.run import Run
from celeriac.jobs.states import TERMINAL


def write_job(
    task: AnyTask,
    args: list[Any],
    kwargs: dict[str, Any],
    options: dict[str, Any],
    *,
    backend: BaseTaskBackend,
) -> AnyResult:
    """Enqueue a call of the task with `options`; return its result as it stands."""
    try:
        plain: Any = normalize_json({"args": args, "kwargs": kwargs})
    except RecursionError:
        raise InvalidArgs(f"args: {TOO_DEEP}", errors={"args": TOO_DEEP}) from None
    kind, values = kinds.call_of(task, plain)
    job = enqueue_job(
        kind,
        values,
        queue=task.queue_name,
        priority=int(task.priority),  # Django takes 5.0 for a whole number
        run_at=task.run_after,
        **options,
    )
    result = results.result_of_job(job, task, backend.alias)
    if not job.replayed and not job.absorbed:
        task_enqueued.send(type(backend), task_result=result)
    return result


def find_result(result_id: str, *, backend: BaseTaskBackend) -> AnyResult:
    """Return the result of a task's job; TaskResultDoesNotExist says why there is none."""
    job = find_row(Job.objects.all(), result_id)
    if job is None:
        raise TaskResultDoesNotExist(f"There is no job {result_id!r}.")
    try:
        task = kinds.task_of(job.kind, job.args)
    except InvalidTask as error:
        raise TaskResultDoesNotExist(f"Job {job.id}: {error}") from error
    if task is None:
        raise TaskResultDoesNotExist(f"Job {job.id} is of kind {job.kind!r}, which is no task.")
    return results.result_of_job(job, task, backend.alias)


def tell_end(run: Run) -> None:
    """Send task_finished once the end of a run is written; a run that is retried is no end."""
    if run.settled is None or run.settled.state not in TERMINAL:
        return
    job = Job.objects.get(pk=run.job.id)
    task = kinds.task_of(job.kind, job.args)
    if task is not None:
        alias = kinds.backend_of(job.kind, task)
        _send_end(type(task_backends[alias]), results.result_of_job(job, task, alias), run.error)


def _send_end(sender: type, result: AnyResult, error: BaseException | None) -> None:
    """Send the signal where the error is being handled: Django's own log of it looks there."""
    try:
        if error is not None:
            raise error
        task_finished.send_robust(sender, task_result=result)
    except BaseException as raised:
        if raised is not error:
            raise
        task_finished.send_robust(sender, task_result=result)
