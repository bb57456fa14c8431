"""What Celery's AsyncResult reads of a job."""

from typing import Any

from celery import states
from celery.exceptions import SecurityError, TaskRevokedError, TimeLimitExceeded, WorkerLostError
from celery.result import result_from_tuple

from celeriac.celery.adopted.calls import decode_call
from celeriac.celery.adopted.canvas.causes import cause_of
from celeriac.celery.adopted.declaring import Handler
from celeriac.celery.adopted.lookup import successor_of
from celeriac.celery.adopted.reported import FORGOTTEN, told_of
from celeriac.celery.adopted.values import own_value
from celeriac.celery.results import state_of
from celeriac.jobs import registry
from celeriac.jobs.errors import JobFailed
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.outcomes import OVERRAN
from celeriac.jobs.states import State

#: How a row's error begins that a loss has left.
_LOST = "WorkerLost: "


def meta_of(job: Job, host: Any) -> dict[str, Any]:
    """Return a job's meta; `host` is the backend that makes exceptions of what is kept of them."""
    asked, job = job, successor_of(job)
    told = told_of(job)
    status, result = _state_of(job), None
    if (cause := cause_of(job)) is not None:
        status, result = states.FAILURE, meta_of(cause, host)["result"]
    elif told.get("state") == FORGOTTEN:
        status = states.PENDING
    elif _is_told(job, told):
        status, result = told["state"], own_value(told.get("meta"))
        if status in states.EXCEPTION_STATES:
            result = host.exception_to_python(result) if _is_error(result) else Exception(result)
    else:
        result = _result(job, status, host)
    children = [result_from_tuple(each, app=host.app) for each in told.get("children") or []]
    return {
        "task_id": asked.task_id or str(asked.id),
        "status": status,
        "result": result,
        "traceback": _traceback(job) if status in states.EXCEPTION_STATES else None,
        "children": children,
        "date_done": job.finished_at,
        "parent_id": (job.headers or {}).get("parent_id"),
        "name": job.kind,
        **_call(job),
        "retries": job.failures,
        "queue": job.queue,
        "worker": str(job.worker) if job.worker else None,
    }


def _state_of(job: Job) -> str:
    """Return the state of a job; that it runs a task tells only where it says `track_started`."""
    state = state_of(job)
    kind = registry.get_kind(job.kind) if state == states.STARTED else None
    if kind is None or not isinstance(kind.handler, Handler) or kind.handler.task.track_started:
        return state
    return states.RETRY if job.failures else states.PENDING


def _is_told(job: Job, told: Any) -> bool:
    """Return whether what was told stands: until a run ends, or where its task had it ignored."""
    ignored = job.state == State.CANCELLED and job.error.startswith("ignored by its task")
    return "state" in told and (not job.is_finished or ignored)


def _result(job: Job, status: str, host: Any) -> Any:
    if status == states.SUCCESS:
        return own_value(job.result)
    if status == states.REVOKED:
        return TaskRevokedError(job.error or "revoked")
    if status in states.EXCEPTION_STATES:
        return _error(job, host)
    return None


def _error(job: Job, host: Any) -> BaseException:
    """Return the error that the last run ended with, of its own class where that is known here."""
    if job.error.startswith(_LOST):
        return error_of_loss(job.error)
    kept: Any = job.result
    if _is_error(kept):
        kept = {**kept, "exc_message": own_value(kept.get("exc_message"))}
        error: BaseException = host.exception_to_python(kept)
        return error
    return _named_error(job, host)


def error_of_loss(said: str) -> BaseException:
    """Return what Celery raises of a loss that a job's row tells of."""
    text = said.removeprefix(_LOST)
    return TimeLimitExceeded(text) if text.startswith(OVERRAN) else WorkerLostError(text)


def _named_error(job: Job, host: Any) -> BaseException:
    """Return the error of a kind of the ledger's own, whose name and text its row keeps."""
    name, _, text = job.error.partition(": ")
    module, _, kind = name.rpartition(".")
    if not kind.isidentifier():
        return JobFailed(job.error)
    kept = {"exc_type": kind, "exc_module": module or "builtins", "exc_message": [text]}
    try:
        error: BaseException = host.exception_to_python(kept)
    except SecurityError:  # what bears that name is no error
        return JobFailed(job.error)
    return error


def _is_error(kept: Any) -> bool:
    return isinstance(kept, dict) and "exc_type" in kept


def _traceback(job: Job) -> str | None:
    failed = Attempt.objects.filter(job_id=job.id).exclude(traceback="")
    return failed.order_by("-number").values_list("traceback", flat=True).first()


def _call(job: Job) -> dict[str, Any]:
    if not {"args", "kwargs"} <= job.args.keys() and "apart" not in job.args:
        return {"args": [], "kwargs": dict(job.args)}  # a kind of the ledger's own
    try:
        args, kwargs = decode_call(job.args, job.id)
    except LookupError:
        return {"args": None, "kwargs": None}
    return {"args": args, "kwargs": kwargs}
