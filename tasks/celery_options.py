"""apply_async's options in the ledger's words."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.core import clock
from apps.jobs.errors import InvalidOption

_SAME = ("queue", "priority")
_HARMLESS = (
    "ignore_result",
    "serializer",
    "compression",
    "retry",
    "retry_policy",
    "add_to_parent",
    "producer",
    "connection",
)
_INSTEAD = {
    "link": "enqueue the next job from the handler with current_job().enqueue(…)",
    "link_error": "declare the kind with on_dead=",
    "task_id": "pass idempotency_key= to enqueue(); the ledger makes the ids",
    "soft_time_limit": "declare the kind with timeout=",
    "time_limit": "declare the kind with hard_timeout=",
    "headers": "pass it as an argument",
    "chord": "count finished children from the handler",
    "group_id": "use enqueue_many(kind, list_of_args)",
}


def translate(
    kind: str,
    *,
    countdown: float | None,
    eta: datetime | None,
    expires: float | datetime | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return enqueue()'s options; InvalidOption names what to do instead."""
    chosen: dict[str, Any] = {}
    if countdown is not None:
        chosen["delay"] = timedelta(seconds=countdown)
    if eta is not None:
        chosen["run_at"] = _aware(eta)
    if expires is not None:
        chosen["expires_at"] = _moment(expires)
    given = dict(options)
    if periodic := given.pop("periodic_task_name", None):
        chosen["enqueued_by"] = f"beat: {periodic}"
        given.pop("headers", None)  # beat's own, with that name
    for name, value in given.items():
        if name in _SAME:
            chosen[name] = value
        elif name not in _HARMLESS and value is not None:
            instead = _INSTEAD.get(name, "leave it out")
            raise InvalidOption(
                f"{kind}.apply_async({name}=…) means nothing to the ledger: {instead}."
            )
    return {name: value for name, value in chosen.items() if value is not None}


def _moment(expires: float | datetime) -> datetime:
    if isinstance(expires, datetime):
        return _aware(expires)
    return clock.read() + timedelta(seconds=expires)


def _aware(moment: datetime) -> datetime:
    """Celery reads a naive eta as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
