"""Celery's publish signals, sent where a call writes its row: of the job, as of a message."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals
from kombu.exceptions import EncodeError

from celeriac.celery.adopted.options import CallOptions
from celeriac.celery.adopted.values import plain_value
from celeriac.core.ids import uuid7

logger = logging.getLogger(__name__)

_EMBEDDED = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))


@contextmanager
def publishing(
    task: Any, call: dict[str, Any], read: CallOptions, named: dict[str, Any]
) -> Iterator[None]:
    """Send the signals before and after the row is written, where somebody listens.

    The job gets its id before, and what receivers put into the headers goes with it.
    """
    before, after = signals.before_task_publish, signals.after_task_publish
    if not (before.receivers or after.receivers):
        yield
        return
    if not named:
        named["job_id"] = uuid7()
    task_id = named.get("task_id") or str(named["job_id"])
    message = {
        "sender": task.name,
        "body": (call["args"], call["kwargs"], dict(_EMBEDDED)),
        "exchange": "",
        "routing_key": read.enqueue["queue"],
        "headers": _headers(task, task_id, read),
    }
    told = dict(message["headers"])
    properties = {"correlation_id": task_id, "delivery_mode": 2}
    before.send(declare=[], properties=properties, retry_policy={}, **message)
    _take_over(read, told, message["headers"])
    yield
    after.send(**message)


def _headers(task: Any, task_id: str, read: CallOptions) -> dict[str, Any]:
    """Return what a message's headers would say of the call."""
    run_at: Any = read.enqueue.get("run_at")
    expires_at: Any = read.enqueue.get("expires_at")
    return {
        "lang": "py",
        "task": task.name,
        "id": task_id,
        "shadow": None,
        "eta": run_at.isoformat() if run_at else None,
        "expires": expires_at.isoformat() if hasattr(expires_at, "isoformat") else None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [task.time_limit, task.soft_time_limit],
        "root_id": task_id,
        "parent_id": None,
        "origin": None,
        "ignore_result": bool(task.ignore_result),
        **read.headers,
    }


def _take_over(read: CallOptions, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Keep what receivers have put into the headers."""
    for name, value in after.items():
        if name in before and before[name] == value:
            continue
        try:
            read.headers[name] = plain_value(value)
        except EncodeError:
            logger.warning("the header %r of a job is no JSON, and is left out", name)
