"""Writing the job of a call: with its options, in the caller's transaction."""

from contextlib import nullcontext
from typing import Any

from celeriac.celery.adopted import declaring, options as call_words
from celeriac.celery.adopted.calls import encode_call
from celeriac.celery.adopted.publishing import publishing


def write_own_call(
    task: Any, args: Any, kwargs: Any, task_id: str | None, given: dict[str, Any]
) -> Any:
    """Write the job of a call made here, a child of the task that runs here if one does."""
    parent = name_parents(task._get_app(), given)
    result = write_call(task, args, kwargs, task_id, given, is_told=True)
    if parent is not None and given.get("add_to_parent", True):
        parent.add_trail(result)
    return result


def write_call(
    task: Any,
    args: Any,
    kwargs: Any,
    task_id: str | None,
    given: dict[str, Any],
    *,
    is_told: bool = False,
) -> Any:
    """Write the job of a call with Celery's options; return its AsyncResult.

    Inside another database's transaction it is written once that one commits. Celery's signals of
    what is published are sent where `is_told` says so.
    """
    from celeriac.jobs.enqueueing.enqueue import enqueue_after_others  # imports models

    declaring.kind_of(task)
    read = call_words.read_options(task, args, kwargs, given)
    call = encode_call(args, kwargs)
    named = call_words.name_of_job(task_id)
    with publishing(task, call, read, named) if is_told else nullcontext():
        options = {**read.enqueue, **named, "headers": read.headers or None}
        job = enqueue_after_others(task.name, call, **options)
    result = task.AsyncResult(job.task_id or str(job.id))
    result.ignored = read.ignore_result
    return result


def name_parents(app: Any, given: dict[str, Any]) -> Any:
    """Name the task that calls, and the first of them all, as Celery does; return the caller."""
    parent = app.current_worker_task
    if parent is None:
        return None
    request = parent.request
    given["root_id"] = given.get("root_id") or request.root_id or request.id
    given["parent_id"] = given.get("parent_id") or request.id
    if app.conf.task_inherit_parent_priority and given.get("priority") is None:
        given["priority"] = (request.delivery_info or {}).get("priority")
    return parent
