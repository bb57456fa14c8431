"""The options of `apply_async` for an adopted task: all of Celery's, in the ledger's words."""

import contextlib
import logging
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from kombu.exceptions import EncodeError

from celeriac.celery import call_options
from celeriac.celery.adopted.routes import route_call
from celeriac.celery.adopted.values import plain_value
from celeriac.core.arguments import LONGEST
from celeriac.jobs.errors import InvalidOption

logger = logging.getLogger(__name__)

#: What would have followed the task, in its message.
CANVAS = ("link", "link_error", "chain", "chord", "group_id")
#: About how a message travels. A job does not, and nothing of the call's meaning is lost.
_OF_TRAVEL = {
    *("producer", "publisher", "connection", "router", "route_name", "result_cls", "task_type"),
    *("retry", "retry_policy", "compression", "delivery_mode", "serializer", "declare"),
    *("exchange", "exchange_type", "routing_key", "queue", "reply_to", "event_dispatcher"),
    *("timeout", "confirm_timeout", "add_to_parent", "group_index", "replaced_task_nesting"),
}
#: What says something of a message, and asks a broker for nothing.
_OF_MESSAGE = frozenset({"app_id", "user_id", "cluster_id", "message_id", "type", "timestamp"})
_warned: set[tuple[str, str]] = set()


@dataclass(slots=True)
class CallOptions:
    """What one call says of its job."""

    #: Of the ledger's own enqueue.
    enqueue: dict[str, Any]
    #: What the message would bear: the caller's own headers among them.
    headers: dict[str, Any] = field(default_factory=dict)
    ignore_result: bool | None = None


def read_options(task: Any, args: Any, kwargs: Any, given: dict[str, Any]) -> CallOptions:
    """Return what a call of a task says; CanvasRefused and InvalidOption name what can't be had."""
    _refuse(task, given)
    queue, options = route_call(task, dict(given), args, kwargs)
    chosen = _times(task.name, options)
    chosen["queue"] = queue
    headers = dict(options.pop("headers", None) or {})
    if (priority := options.pop("priority", None)) is not None:
        chosen["priority"] = ledger_priority(task._get_app(), priority)
        headers["delivery_info"] = {"priority": priority}
    read = CallOptions(chosen, headers, options.pop("ignore_result", None))
    _read_headers(task, options, read)
    if kept := _properties(task.name, options):
        headers["properties"] = kept
    return read


def _refuse(task: Any, given: dict[str, Any]) -> None:
    if "pickle" in str(given.get("serializer") or ""):
        raise InvalidOption(
            f"{task.name}: pickled arguments can't be kept; pass plain data and serializer='json', "
            "or leave this task out of CELERIAC['TASKS']."
        )


def _times(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Take when the job may start, and until when: what can start no more expires at once."""
    countdown, eta, expires = (options.pop(each, None) for each in ("countdown", "eta", "expires"))
    chosen: dict[str, Any] = {}
    if countdown and eta is None:
        chosen["delay"] = min(
            call_options.read_span(name, "countdown", countdown).total_seconds(), LONGEST
        )
    if eta:
        chosen["run_at"] = call_options.read_moment(name, "eta", eta)
    if expires is not None:
        chosen["expires_at"] = call_options.read_expiry(name, expires)
        if call_options.never_starts(chosen):
            chosen = {"expires_at": call_options.NOW}
    return chosen


def ledger_priority(app: Any, priority: int) -> int:
    """Return a priority in the ledger's words, where higher runs first.

    To Redis and its like 0 is the most urgent, to RabbitMQ the least.
    """
    value = max(0, min(int(priority), 100))
    return -value if is_inverted(app) else value


def is_inverted(app: Any) -> bool:
    """Return whether the broker in use runs lower priorities first."""
    known = vars(app).get("_celeriac_inverted")
    if known is None:
        with app.connection_for_write() as connection:  # it connects to nothing
            known = connection.transport.driver_type == "redis"
        app._celeriac_inverted = known
    return bool(known)


def _read_headers(task: Any, options: dict[str, Any], read: CallOptions) -> None:
    """Take what the message would bear in its headers."""
    headers = read.headers
    limits = [options.pop(name, None) for name in ("time_limit", "soft_time_limit")]
    if limits not in ([None, None], [task.time_limit, task.soft_time_limit]):
        headers["timelimit"] = limits
    if read.ignore_result is not None and read.ignore_result != task.ignore_result:
        headers["ignore_result"] = bool(read.ignore_result)
    for name in ("shadow", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", "retries"):
        if value := options.pop(name, None):
            headers[name] = value
    if group := options.pop("group_id", None):
        headers["group"], headers["group_index"] = group, options.pop("group_index", None)
    if stamped := options.pop("stamped_headers", None):
        headers["stamped_headers"] = list(stamped)
        headers["stamps"] = {name: options.pop(name, None) for name in stamped}
    if periodic := options.pop("periodic_task_name", None):
        headers.setdefault("periodic_task_name", periodic)
    if entry := headers.get("periodic_task_name"):
        read.enqueue["enqueued_by"] = f"beat: {entry}"[:254]
    elif headers.get("celery_beat_task"):
        read.enqueue["enqueued_by"] = "beat"


def _properties(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return what a message would have as its properties, for `request.properties`.

    Says once that such an option is the broker's, and a job has none; JSON's alone are kept.
    """
    kept = {}
    for option, value in options.items():
        if option in _OF_TRAVEL or value is None or option in CANVAS:
            continue
        if option in ("immediate", "mandatory") and not value:
            continue
        with contextlib.suppress(EncodeError):
            kept[option] = plain_value(value)
        if option in _OF_MESSAGE or (name, option) in _warned:
            continue
        _warned.add((name, option))
        logger.warning(
            "%s.apply_async(%s=…) is for a broker: the job that it is now has no use for it",
            name,
            option,
        )
    return kept


def name_of_job(task_id: str | None) -> dict[str, Any]:
    """Return how the ledger keeps the id that a caller chose: a UUID is the row's own."""
    if task_id is None:
        return {}
    text = str(task_id)
    try:
        job_id = UUID(text)
    except ValueError:
        return {"task_id": text}
    return {"job_id": job_id} if str(job_id) == text else {"task_id": text}
