"""What Celery tells of a task that its process did not survive: `task_failure`, and its hooks."""

from typing import Any
from uuid import UUID

from billiard.einfo import ExceptionInfo
from celery import signals, states
from celery.app.trace import task_has_custom
from celery.exceptions import TimeLimitExceeded

from celeriac.celery.adopted.calls import decode_call
from celeriac.celery.adopted.declaring import Handler
from celeriac.celery.adopted.job_meta import error_of_loss
from celeriac.jobs import registry
from celeriac.jobs.models import Job


def tell_loss(job_id: UUID, error: str) -> bool:
    """Tell of the job that this loss has ended, as Celery does; False where nobody knows its task.

    The signal is for any loss; `on_failure` and `after_return` are called of one that overran its
    hard limit, as in Celery.
    """
    job = Job.objects.filter(pk=job_id).first()
    kind = registry.get_kind(job.kind) if job is not None else None
    if job is None or kind is None or not isinstance(kind.handler, Handler):
        return False
    args, kwargs = decode_call(job.args, job.id)
    called = job.task_id or str(job.id), args, kwargs
    lost = error_of_loss(error)
    told = _told_of(lost)
    task = kind.handler.task
    if isinstance(lost, TimeLimitExceeded):
        task.on_failure(lost, *called, told)
        if task_has_custom(task, "after_return"):
            task.after_return(states.FAILURE, lost, *called, None)
    signals.task_failure.send(
        sender=task,
        task_id=called[0],
        exception=lost,
        args=args,
        kwargs=kwargs,
        traceback=lost.__traceback__,
        einfo=told,
    )
    return True


def _told_of(error: BaseException) -> Any:
    """Return what Celery says of an error that was raised."""
    try:
        raise error
    except type(error):
        return ExceptionInfo()
