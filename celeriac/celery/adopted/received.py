"""That a job has come to its worker, as Celery tells it of a message: in its log, and by a signal.

The parent of a worker sees doorbells and no jobs. So it is told where the job is claimed: in the
child, right before its run.
"""

import logging
from types import SimpleNamespace
from typing import Any

from celery import signals
from celery.app import trace
from celery.worker.request import Request

logger = logging.getLogger("celery.worker.strategy")


def tell_received(task: Any, request: dict[str, Any], args: Any, kwargs: Any) -> None:
    """Log it as Celery does, and send `task_received` where somebody listens."""
    told = logger.isEnabledFor(logging.INFO)
    if not (told or signals.task_received.receivers):
        return
    received = _request(task, request, args, kwargs)
    if told:
        context = {
            "id": received.id,
            "name": received.name,
            "args": received.argsrepr,
            "kwargs": received.kwargsrepr,
            "eta": None,  # its time has come
        }
        logger.info(trace.LOG_RECEIVED, context, extra={"data": context})
    signals.task_received.send(sender=None, request=received)


def _request(task: Any, request: dict[str, Any], args: Any, kwargs: Any) -> Any:
    """Return the job as the request that Celery makes of a message."""
    message = SimpleNamespace(
        delivery_info=request["delivery_info"], properties=request["properties"], payload=None
    )
    reprs = {"argsrepr": repr(tuple(args)), "kwargsrepr": repr(dict(kwargs))}
    return Request(
        message,
        app=task.app,
        task=task,
        hostname=request["hostname"],
        headers={**reprs, **request},
        body=(args, kwargs, {}),
        decoded=True,
    )
