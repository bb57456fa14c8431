"""What a worker does with a message that bears an adopted task's name.

A doorbell is answered. A message that we sent as plain runs as plain, and so does one that brings
a canvas along, or whose task is routed to plain Celery. Any other was sent by somebody who knows no
ledger: it becomes a row, before it is acknowledged, with its own id, times, headers and queue.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery, Task
from celery.utils.time import maybe_iso8601
from celery.worker.strategy import default

from celeriac.celery import doorbells, messages
from celeriac.celery.adopted.choosing import is_routed_to_ledger
from celeriac.celery.adopted.patterns import is_adopted
from celeriac.celery.adopted.writing import write_call
from celeriac.celery.answering import AnswersDoorbells
from celeriac.celery.headers import DOORBELL, HEADER, PLAIN
from celeriac.jobs.errors import JobFailed
from celeriac.jobs.models import HandedBack

logger = logging.getLogger(__name__)

#: The task that answers in the name of adopted ones, and the header that keeps theirs.
NAME, FOR = "celeriac.doorbell", "celeriac_task"


class AdoptedRequest(doorbells.DoorbellRequest):
    """A message to an adopted task, which another task of ours answers."""

    def __init__(self, message: Any, **options: Any) -> None:
        headers = dict(options.pop("headers", None) or message.headers)
        headers[FOR] = headers["task"]
        super().__init__(message, headers={**headers, "task": NAME}, **options)


class DoorbellTask(AnswersDoorbells, Task):  # type: ignore[type-arg]  # not generic at run time
    """Answers doorbells of adopted tasks' jobs, and writes the rows of messages to them."""

    name = NAME
    throws = (JobFailed,)
    Request = "celeriac.celery.adopted.receiving:AdoptedRequest"
    # A doorbell is acknowledged at once; a message not before its row is written.
    acks_late = reject_on_worker_lost = True

    def run(self, *args: Any, **kwargs: Any) -> str | None:
        """Answer a doorbell, or write the row of a message."""
        if self.request.get(HEADER) == DOORBELL:
            return doorbells.answer_doorbell(*args)
        task = self.app.tasks[self.request.get(FOR)]
        return messages.enqueue_message(
            self, args, kwargs, lambda: _write(task, self, args, kwargs)
        )


def install_receiving(app: Celery) -> None:
    """Let workers of `app` answer in the name of its adopted tasks."""
    app.register_task(DoorbellTask())


def start_strategy(task: Any, app: Any, consumer: Any, plain: Any) -> Callable[..., Any]:
    """Return what takes a message: `plain`, which is Celery's own, or ours."""
    if NAME not in app.tasks:  # a worker of plain tasks alone
        return plain  # type: ignore[no-any-return]  # Celery has no types for it
    ours = default(app.tasks[NAME], app, consumer)

    def take(message: Any, body: Any, *rest: Any, **options: Any) -> Any:
        said = (message.headers or {}).get(HEADER)
        if said == DOORBELL or (is_adopted(task.name) and _becomes_row(task.name, said, message)):
            return ours(message, body, *rest, **options)
        return plain(message, body, *rest, **options)

    return take


def _becomes_row(name: str, said: object, message: Any) -> bool:
    if said == PLAIN:
        return False
    payload = message.payload
    said_of = message.headers if "id" in message.headers else payload
    if not is_routed_to_ledger(name, said_of["id"], message.delivery_info):
        return False
    embedded = payload if isinstance(payload, Mapping) else payload[2] if len(payload) > 2 else {}
    if follows := [name for name in messages.CANVAS if embedded.get(name)]:
        logger.warning(
            "a message for %s brings %s along: it runs as a plain task, not as a job",
            message.headers.get("task") or embedded.get("task"),
            follows[0],
        )
    return not follows


def _write(task: Any, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Write the job of a message, with what its headers say; return its id."""
    request = receiver.request
    info = request.delivery_info or {}
    if info.get("redelivered") and HandedBack.objects.filter(task_id=request.id).exists():
        return request.id  # it had its row before, and is a plain message now
    given = {**_told(request), "priority": info.get("priority")}
    if not info.get("exchange") and info.get("routing_key"):
        given["queue"] = info["routing_key"]
    return write_call(task, args, kwargs, request.id, given).id


def _told(request: Any) -> dict[str, Any]:
    """Return what a message says of its call, as options of apply_async."""
    said = request.get(HEADER)
    times = said if isinstance(said, dict) else {}
    hard, soft = request.get("timelimit") or (None, None)
    own = {
        name: value for name, value in (request.headers or {}).items() if name not in (HEADER, FOR)
    }
    return {
        "eta": maybe_iso8601(times.get("eta")),
        "expires": maybe_iso8601(times.get("expires")),
        "headers": own,
        "time_limit": hard,
        "soft_time_limit": soft,
        "ignore_result": request.get("ignore_result"),
        "shadow": request.get("shadow"),
        "retries": request.get("retries"),
        "parent_id": request.get("parent_id"),
        "root_id": request.root_id if request.root_id != request.id else None,
        "stamped_headers": request.get("stamped_headers"),
        **(request.get("stamps") or {}),
    }
