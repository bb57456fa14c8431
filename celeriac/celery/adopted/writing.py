"""Writing the job of a call: with its options, in the caller's transaction."""

from typing import Any

from celeriac.celery.adopted import declaring, options as call_words
from celeriac.celery.adopted.calls import encode_call
from celeriac.celery.adopted.publishing import publishing


def write_call(
    task: Any, args: Any, kwargs: Any, task_id: str | None, given: dict[str, Any]
) -> Any:
    """Write the job of a call with Celery's options; return its AsyncResult."""
    from celeriac.jobs.enqueueing.enqueue import enqueue_job  # with the models, once one is called

    app = task._get_app()
    declaring.kind_of(task)
    parent = _name_parents(app, given)
    read = call_words.read_options(task, args, kwargs, given)
    call = encode_call(args, kwargs)
    named = call_words.name_of_job(task_id)
    with publishing(task, call, read, named):
        job = enqueue_job(task.name, call, **read.enqueue, **named, headers=read.headers or None)
    result = task.AsyncResult(job.task_id or str(job.id))
    result.ignored = read.ignore_result
    if read.add_to_parent and parent is not None:
        parent.add_trail(result)
    return result


def _name_parents(app: Any, given: dict[str, Any]) -> Any:
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
