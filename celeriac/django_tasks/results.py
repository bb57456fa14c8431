"""A job as Django's TaskResult."""

import builtins
from collections.abc import Sequence
from copy import copy
from typing import Any

from celeriac.django_tasks.origin import TaskError, TaskResult, TaskResultStatus
from celeriac.django_tasks.policy import InvalidReturn
from celeriac.django_tasks.types import AnyResult, AnyTask
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.states import ENDINGS, State

_STATUS = {
    State.WAITING: TaskResultStatus.READY,
    State.QUEUED: TaskResultStatus.READY,
    State.RUNNING: TaskResultStatus.RUNNING,
} | {
    ending.state: TaskResultStatus.SUCCESSFUL if ending.has_result else TaskResultStatus.FAILED
    for ending in ENDINGS
}
_INVALID_RETURN = f"{InvalidReturn.__module__}.{InvalidReturn.__qualname__}"
#: Endings that no exception of the task's brought about.
_LOST, _CANCELLED, _DEAD = (
    f"celeriac.jobs.errors.{name}" for name in ("WorkerLost", "JobCancelled", "JobFailed")
)


def result_of_job(job: Job, task: AnyTask, alias: str) -> AnyResult:
    """Return the job as it stands, with the task as it was enqueued."""
    attempts = _attempts(job)
    result = TaskResult(
        task=_as_enqueued(task, job, alias),
        id=str(job.id),
        status=_STATUS[State(job.state)],
        enqueued_at=job.created_at,
        started_at=attempts[0].started_at if attempts else job.started_at,
        finished_at=job.finished_at,
        last_attempted_at=job.started_at,
        args=job.args.get("args", []),
        kwargs=job.args.get("kwargs", {}),
        backend=alias,
        errors=_errors(job, attempts),
        worker_ids=_workers(job, attempts),
    )
    if job.state == State.SUCCEEDED:
        object.__setattr__(result, "_return_value", job.result)
    return result


def _attempts(job: Job) -> list[Attempt]:
    """A first run that goes on or went well has left no row, and a new job has none."""
    simple = job.attempt == 1 and job.state in (State.RUNNING, State.SUCCEEDED)
    if job.attempt == 0 or simple:
        return []
    return list(Attempt.objects.filter(job_id=job.id).order_by("number"))


def _as_enqueued(task: AnyTask, job: Job, alias: str) -> AnyTask:
    """Return the task with the job's queue, priority and time.

    Not by using(), which validates: an operator may have moved the job since, and a result
    must be readable whatever the settings allow by now.
    """
    enqueued = copy(task)
    later = job.run_at > job.created_at
    changes: dict[str, Any] = {
        "backend": alias,
        "queue_name": job.queue,
        "priority": job.priority,
        "run_after": job.run_at if later else None,
    }
    for name, value in changes.items():
        object.__setattr__(enqueued, name, value)
    return enqueued


def _workers(job: Job, attempts: Sequence[Attempt]) -> list[str]:
    """Return who ran each attempt; a run that was snoozed left no name."""
    by_number = {each.number: str(each.worker or "") for each in attempts}
    if job.attempt:
        by_number.setdefault(job.attempt, str(job.worker or ""))
    return [by_number.get(number, "") for number in range(1, job.attempt + 1)]


def _errors(job: Job, attempts: Sequence[Attempt]) -> list[TaskError]:
    errors = [
        TaskError(
            exception_class_path=_class_path(each.error_class),
            traceback=each.traceback or each.message,
        )
        for each in attempts
        if each.error_class
    ]
    if job.state == State.CANCELLED:
        errors.append(
            TaskError(exception_class_path=_CANCELLED, traceback=job.error or "cancelled")
        )
    elif _STATUS[State(job.state)] is TaskResultStatus.FAILED and not errors:
        errors.append(TaskError(exception_class_path=_DEAD, traceback=job.error))
    return errors


def _class_path(name: str) -> str:
    """Return the import path of an error's class, as the ledger names it."""
    if name == _INVALID_RETURN:
        return "builtins.TypeError"  # as Django's own backends call it
    if "." in name:
        return name
    if name == "WorkerLost":
        return _LOST
    return f"builtins.{name}" if hasattr(builtins, name) else _DEAD
