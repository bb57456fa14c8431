"""`retry()` of an adopted task: Celery's own, whose new message is the job's next run.

Celery's `retry` merges the arguments, counts, and sends the task again under its own id. That call
is taken here (`take_retry`), and what it says is written by the settle that ends the run.
"""

from datetime import UTC, datetime
from typing import Any

from celery.utils.time import maybe_iso8601, maybe_make_aware

from celeriac.celery.adopted.policy import FOR_EVER
from celeriac.celery.adopted.runs import AdoptedRun, Again
from celeriac.celery.adopted.values import plain_error
from celeriac.jobs import registry
from celeriac.jobs.outcomes import Retry


def take_retry(
    task: Any, args: Any, kwargs: Any, task_id: str | None, options: dict[str, Any]
) -> Any:
    """Take a call that is the running job's own retry; return its AsyncResult, None for others.

    Raises:
        InvalidArgs: JSON can't carry its arguments, or they are too large.
    """
    run: AdoptedRun | None = getattr(task.request, "adopted_run", None)
    if run is None or task_id != run.task_id or options.get("retries", 0) <= task.request.retries:
        return None
    changes: dict[str, Any] = {}
    if list(args or ()) != list(run.args) or dict(kwargs or {}) != dict(run.kwargs):
        changes |= _stored(run, args, kwargs)
    changes |= _changed_options(run, options)
    run.again = Again(changes, _seconds(options))
    return task.AsyncResult(task_id)


def outcome_of(run: AdoptedRun, error: Any) -> Retry:
    """Return the outcome of a run that is to happen again; Celery has counted it already."""
    cause = getattr(error, "exc", None)
    again = run.again or Again({}, _seconds({"countdown": getattr(error, "when", None)}))
    outcome = Retry(again.seconds, cause if isinstance(cause, BaseException) else None)
    outcome.max_attempts = FOR_EVER
    told = {"result": plain_error(outcome.cause)} if outcome.cause is not None else {}
    outcome.changes = {**again.changes, **told} or None
    return outcome


def _stored(run: AdoptedRun, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return other arguments as the row has them, and the text that is to stand beside it.

    The settle writes both, if the run still owns its job.
    """
    call = {"args": list(args or ()), "kwargs": dict(kwargs or {})}
    dumped = registry.find_kind(run.task.name).schema.check(call)
    beside = {} if dumped.apart is None else {"apart": dumped.apart}
    return {"args": dumped.values, **beside}


def _changed_options(run: AdoptedRun, options: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that differ from those of the run: its queue, priority and limits."""
    from celeriac.celery.adopted.options import ledger_priority

    changes: dict[str, Any] = {}
    headers = run.job.headers
    queue = options.get("queue")
    queue = getattr(queue, "name", queue)
    if queue and queue != run.job.queue:
        changes["queue"] = queue
    priority = options.get("priority")
    if priority is not None and priority != (headers.get("delivery_info") or {}).get("priority"):
        changes["priority"] = ledger_priority(run.task._get_app(), priority)
        changes["headers"] = {**headers, "delivery_info": {"priority": priority}}
    limits = [options.get("time_limit"), options.get("soft_time_limit")]
    if any(limits) and limits != [run.task.time_limit, run.task.soft_time_limit]:
        changes["headers"] = {**headers, **changes.get("headers", {}), "timelimit": limits}
    return changes


def _seconds(options: dict[str, Any]) -> float:
    """Return the seconds until a retry, from its eta or its countdown; what has passed is now."""
    when: Any = options.get("eta") or options.get("countdown") or 0.0
    if isinstance(when, str):
        when = maybe_iso8601(when)
    if isinstance(when, datetime):
        when = (maybe_make_aware(when) - datetime.now(UTC)).total_seconds()
    return max(0.0, float(when))
