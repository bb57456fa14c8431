"""One call of a canvas, and what Celery would have made of its end."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from celery.canvas import Signature, signature
from celery.utils.functional import arity_greater, maybe_list
from kombu.utils.uuid import uuid

from celeriac.celery.adopted.canvas.recording import (
    FOLLOWS,
    Ahead,
    CanvasCall,
    Given,
    Position,
    Recording,
    What,
    is_gathering,
    recording,
)
from celeriac.celery.adopted.canvas.writing import write_recording
from celeriac.celery.adopted.options import name_of_job
from celeriac.celery.adopted.routes import default_queue
from celeriac.celery.adopted.writing import name_parents
from celeriac.core.ids import uuid7
from celeriac.jobs.nodes.states import EdgeCondition

_FAILURE = (What.REQUEST, What.ERROR, What.TRACEBACK)


def ask_own_call(
    task: Any, args: Any, kwargs: Any, task_id: str | None, options: dict[str, Any]
) -> Any:
    """Record a call that is made here, a child of the task that runs here if one does."""
    with recording(task.name, write_recording) as record:
        parent = None if record.continues else name_parents(task._get_app(), options)
        result = ask_call(record, task, args, kwargs, task_id, options)
    if parent is not None and options.get("add_to_parent", True):
        parent.add_trail(result)
    return result


def ask_call(
    record: Recording,
    task: Any,
    args: Any,
    kwargs: Any,
    task_id: str | None,
    options: dict[str, Any],
) -> Any:
    """Record a call and whatever follows it; return its AsyncResult."""
    position = record.position
    call = CanvasCall(
        task,
        tuple(args or ()),
        dict(kwargs or {}),
        task_id or uuid(),
        dict(options),
        position.scope,
        position.after,
        is_aside=position.is_aside,
    )
    call.is_successor = call.task_id == record.successor_of
    call.id = uuid7() if call.is_successor else name_of_job(call.task_id).get("job_id")
    call.options["root_id"] = call.options.get("root_id") or call.task_id
    if is_gathering(task.name) and not call.options.get("queue") and record.calls:
        call.options["queue"] = _queue_of(record.calls[-1])
    follows = {name: call.options.pop(name, None) for name in FOLLOWS}
    if follows["chord"] is not None:
        position.scope.counted.append(call)
    position.scope.calls.append(call)
    record.calls.append(call)
    _ask_links(record, call, maybe_list(follows["link"]) or [])
    _ask_chain(record, call, list(follows["chain"] or []))
    _ask_errbacks(record, call, maybe_list(follows["link_error"]) or [])
    result = task.AsyncResult(call.task_id)
    result.ignored = options.get("ignore_result")
    return result


def _queue_of(call: CanvasCall) -> str:
    """Return the queue of a call: what gathers results waits where one of them is made."""
    return str(call.options.get("queue") or default_queue(call.task))


def _after(call: CanvasCall, *, is_aside: bool = False) -> Position:
    call.is_followed = True
    after = (Ahead(call),)
    return Position(call.scope, after, after, is_aside or call.is_aside)


def _ask(
    record: Recording,
    position: Position,
    follower: Any,
    call: CanvasCall,
    args: Sequence[Any],
    **more: Any,
) -> None:
    """Ask for a follower of a call, as the worker that ran it would."""
    options = {"parent_id": call.task_id, "root_id": call.options["root_id"], **more}
    if call.options.get("priority") is not None:
        options["priority"] = call.options["priority"]
    follower = signature(follower, app=call.task.app)
    record.ask_later(position, partial(follower.apply_async, tuple(args), **options))


def _ask_links(record: Recording, call: CanvasCall, links: Sequence[Any]) -> None:
    for link in links:
        _ask(record, _after(call, is_aside=True), link, call, [Given(call)])


def _ask_chain(record: Recording, call: CanvasCall, rest: list[Any]) -> None:
    if rest:
        following = rest.pop()
        _ask(record, _after(call), following, call, [Given(call)], chain=rest)


def _ask_errbacks(record: Recording, call: CanvasCall, errbacks: Sequence[Any]) -> None:
    """Ask for error callbacks: they run where the call itself failed, not where it never ran."""
    for errback in errbacks:
        call.is_followed = True
        after = (Ahead(call, EdgeCondition.DIED), *record.position.cause)
        position = Position(call.scope, after, after, is_aside=True)
        errback = signature(errback, app=call.task.app)
        if _takes_failure(errback):
            _ask(record, position, errback, call, [Given(call, what) for what in _FAILURE])
        else:
            _ask(record, position, errback, call, [call.task_id])


def _takes_failure(errback: Signature) -> bool:
    """Return whether it is called with request, error and traceback: as Celery's backends ask."""
    header = getattr(errback.type, "__header__", None)
    return header is not None and not isinstance(header, partial) and arity_greater(header, 1)
