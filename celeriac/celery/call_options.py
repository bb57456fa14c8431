"""apply_async's options in the ledger's words."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from celeriac.core.hints import did_you_mean
from celeriac.jobs.errors import InvalidOption

NOW = timedelta(0)
#: The headers that beats put on whatever they send.
_BEATS = {"celery_beat_task", "periodic_task_name"}
#: Celery's, then those of the ledger's own enqueue.
_SAME = ("queue", "priority")
_OURS = ("idempotency_key", "unique_key", "lock_key", "tenant", "callback_url", "replace")
#: About the message to a broker, or about results: a job has a row in their stead.
_HARMLESS = (
    "ignore_result",
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
    "task_id": "pass idempotency_key= instead; the ledger makes the ids",
    "soft_time_limit": "declare the kind with timeout=",
    "time_limit": "declare the kind with hard_timeout=",
    "headers": "pass it as an argument",
    "chord": "count finished children from the handler",
    "group_id": "use enqueue_many(kind, list_of_args)",
    "routing_key": "pass queue=",
    "exchange": "pass queue=",
    "serializer": "arguments are JSON",
    "shadow": "declare a kind of that name",
}


def translate_options(
    kind: str,
    *,
    countdown: float | None,
    eta: str | datetime | None,
    expires: float | str | datetime | timedelta | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return enqueue()'s options; InvalidOption names what to do instead."""
    chosen: dict[str, Any] = {}
    if countdown is not None:
        chosen["delay"] = read_span(kind, "countdown", countdown)
    if eta is not None:
        chosen["run_at"] = read_moment(kind, "eta", eta)
    if expires is not None:
        chosen["expires_at"] = read_expiry(kind, expires)
        if chosen["expires_at"] == NOW:  # whenever it was to start, it never does
            chosen = {"expires_at": NOW}
    given = dict(options)
    if set(given.get("headers") or ()) <= _BEATS:  # of any beat
        named = (given.pop("headers", None) or {}).get("periodic_task_name")
        given.setdefault("periodic_task_name", named)
    if periodic := given.pop("periodic_task_name", None):
        chosen["enqueued_by"] = f"beat: {periodic}"
        given.pop("headers", None)  # beat's own, with that name
    for name, value in given.items():
        if name in _SAME or name in _OURS:
            chosen[name] = value
        elif not _says_nothing(name, value):
            raise InvalidOption(f"{kind}.apply_async({name}=…) {_remedy(name)}.")
    return {name: value for name, value in chosen.items() if value is not None}


def aware_moment(moment: datetime) -> datetime:
    """Celery reads a naive time as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _says_nothing(name: str, value: object) -> bool:
    if name == "serializer":
        return value in (None, "json")
    return name in _HARMLESS or value is None or (name in _INSTEAD and value in ((), [], {}))


def _remedy(name: str) -> str:
    if name in _INSTEAD:
        return f"means nothing to the ledger: {_INSTEAD[name]}"
    known = ["countdown", "eta", "expires", *_SAME, *_OURS]
    return f"is unknown{did_you_mean(name, known, ': leave it out', lead=': did')}"


def read_expiry(kind: str, expires: object) -> datetime | timedelta:
    """Return when, or in how long; what has passed is now, as Celery has it."""
    if isinstance(expires, str | datetime):
        moment = read_moment(kind, "expires", expires)
        return moment if moment > datetime.now(UTC) else NOW
    return read_span(kind, "expires", expires)


def never_starts(chosen: Mapping[str, Any]) -> bool:
    """Return whether enqueue()'s times leave no moment in which the job may start."""
    expires = chosen["expires_at"]
    now = datetime.now(UTC)
    ends = now + expires if isinstance(expires, timedelta) else expires
    starts = chosen.get("run_at") or now + timedelta(seconds=chosen.get("delay") or 0)
    never: bool = expires == NOW or (starts > now and ends <= starts)
    return never


def read_moment(kind: str, name: str, value: object) -> datetime:
    """Return a moment, which may be written in ISO 8601."""
    try:
        return aware_moment(
            value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        )
    except ValueError:
        raise InvalidOption(f"{kind}.apply_async({name}={value!r}) is no moment.") from None


def read_span(kind: str, name: str, value: object) -> timedelta:
    """Return how long; what has passed is now."""
    try:
        span = value if isinstance(value, timedelta) else timedelta(seconds=value)  # type: ignore[arg-type]  # or it is refused
    except (TypeError, ValueError, OverflowError):
        raise InvalidOption(
            f"{kind}.apply_async({name}={value!r}) is no number of seconds that can be waited for."
        ) from None
    return max(NOW, span)
