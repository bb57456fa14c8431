"""Plain Celery messages that bear a kind's name, sent by whoever knows no ledger: they become rows.

A doorbell bears our header, see publisher.py. Whatever else comes for a kind was sent by
another app's `send_task`, and is a job to be: the worker that receives it writes its row, keyed by
the message's task id, so that a message that comes twice is one job. Where the transport has
acknowledgements, the row is written before the message is acknowledged.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from celery.exceptions import Ignore
from celery.utils.time import maybe_iso8601
from django.db import connection

from celeriac.celery import call_options
from celeriac.celery.headers import DOORBELL, HEADER
from celeriac.core.database_errors import is_away
from celeriac.jobs import invalid_messages
from celeriac.jobs.enqueueing.queues import is_declared
from celeriac.jobs.errors import EnqueueBusy, JobError
from celeriac.jobs.models import Job

logger = logging.getLogger(__name__)

#: Times of a plain message, which wait in its row and not in a worker's memory.
_TIMES = ("eta", "expires")
#: What would have followed the message's own task.
CANVAS = ("callbacks", "errbacks", "chain", "chord")
#: Seconds between two tries while the database is away.
_FIRST, _LONGEST = 0.1, 2.0


def without_times(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plain message's headers with its times put aside: Celery is not to wait for them."""
    times = {name: headers[name] for name in _TIMES if headers.get(name)}
    return {**headers, **dict.fromkeys(_TIMES), HEADER: times}


def is_doorbell(said: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Say whether a message is a doorbell; one without our header is where its ids are jobs'."""
    if said == DOORBELL:
        return True
    if kwargs or len(args) != 1 or not isinstance(args[0], list):
        return False
    try:
        ids = [UUID(each) for each in args[0]]
    except (TypeError, ValueError, AttributeError):
        return False
    try:
        return Job.objects.filter(id__in=ids[:1]).exists()
    except Exception as error:
        if not is_away(error):
            raise
        connection.close()
        return True  # what claims it waits for the database with care


def enqueue_message(
    task: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    write: Callable[[], Any] | None = None,
) -> str:
    """Write the row of a plain message, or find the one it has; return the job's id.

    Goes on trying while the database is away. What can't be a job is logged, counted and dropped.
    """
    pause = _FIRST
    while True:
        try:
            return str(write() if write is not None else _enqueue(task, args, kwargs))
        except JobError as error:
            if not isinstance(error, EnqueueBusy):
                _refuse(task, error)
        except Exception as error:
            if isinstance(error, TypeError | ValueError | AttributeError):
                _refuse(task, error)  # its headers are not what Celery writes
            if not is_away(error):
                raise
            connection.close()
            logger.warning("message %s waits for the database: %s", task.request.id, error)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST)


def _enqueue(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UUID:
    request = task.request
    for name in CANVAS:
        if request.get(name):
            _refuse(task, ValueError(f"{name} would be lost: a job's follow-ups are its handler's"))
    said = request.get(HEADER)
    times = said if isinstance(said, dict) else {}
    options = call_options.translate_options(
        task.name,
        countdown=None,
        eta=maybe_iso8601(times.get("eta")),
        expires=maybe_iso8601(times.get("expires")),
        options={},
    )
    queue = (request.delivery_info or {}).get("routing_key")
    if queue and is_declared(queue):
        options["queue"] = queue
    options |= {"idempotency_key": str(request.id), "enqueued_by": "celery"}
    written: UUID = task.write(args, kwargs, options).id
    return written


def _refuse(task: Any, error: Exception) -> None:
    invalid_messages.drop_message("queue", task.request.args, error)
    logger.info("message %s for %s is no job: %s", task.request.id, task.name, error)
    raise Ignore
