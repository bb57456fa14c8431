"""Entries of CELERY_BEAT_SCHEDULE as fields of a periodic task: each key is honoured or refused.

The keys are those that django-celery-beat takes, and in `options` those of apply_async.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from celeriac.core.hints import did_you_mean
from celeriac.jobs import registry
from celeriac.schedules.errors import InvalidSchedule

#: What every declared periodic task says, and what it says where it says nothing.
DEFAULTS: dict[str, Any] = {
    "args": [],
    "kwargs": {},
    "queue": None,
    "priority": None,
    "exchange": None,
    "routing_key": None,
    "headers": {},
    "expire_seconds": None,
    "start_time": None,
    "expires": None,
    "enabled": True,
    "one_off": False,
    "description": "Declared in code.",
}
_OPTIONS = {"queue", "priority", "exchange", "routing_key", "headers", "expire_seconds", "expires"}
#: The keys of an entry itself.
_KEYS = {"task", "schedule", "options", "relative", "expires"} | (DEFAULTS.keys() - _OPTIONS)
#: What tells a broker where a message goes; a job of the ledger is none.
_OF_MESSAGES = ("exchange", "routing_key", "headers")
#: About the message, or about results: nothing is lost without them.
_HARMLESS = ("ignore_result", "compression", "retry", "retry_policy")
_INSTEAD = {
    "relative": "intervals count from start_time: set that",
    "last_run_at": "beat keeps it; leave it out",
    "total_run_count": "beat keeps it; leave it out",
    "date_changed": "beat keeps it; leave it out",
    "crontab": "say schedule=crontab(…)",
    "interval": "say schedule=, in seconds or as a timedelta",
    "solar": "say schedule=solar(…)",
    "clocked": "say schedule=clocked(…)",
    "name": "the entry's own key is its name",
    "countdown": "shift the schedule instead",
    "eta": "set start_time, or say schedule=clocked(…)",
    "link": "enqueue the next job from the handler",
    "link_error": "declare the kind with on_dead=",
    "task_id": "each tick has its own job",
    "time_limit": "declare the task with it",
    "soft_time_limit": "declare the task with it",
}


def fields_of(name: str, entry: object) -> dict[str, Any]:
    """Return the entry's fields; `when` is still Celery's object, moments are text in UTC.

    Raises InvalidSchedule that names each key which can't be honoured.
    """
    if not isinstance(entry, Mapping):
        raise InvalidSchedule(f"{name}: an entry is a mapping with task and schedule.")
    errors: dict[str, str] = {}
    for key in ("task", "schedule"):
        if entry.get(key) in (None, ""):
            errors[key] = "is missing"
    if getattr(entry.get("schedule"), "relative", False):
        errors["schedule"] = f"can't be relative: {_INSTEAD['relative']}"
    _refuse_unknown(entry, _KEYS, errors)
    options = entry.get("options") or {}
    if isinstance(options, Mapping):
        _refuse_unknown(options, _OPTIONS, errors, prefix="options.")
    else:
        errors["options"], options = "must be a mapping", {}
    fields = {**DEFAULTS, **_of_options(str(entry.get("task")), options, errors)}
    for key in ("enabled", "one_off", "description"):
        fields[key] = fields[key] if entry.get(key) is None else entry[key]
    for key in ("start_time", "expires"):
        fields[key] = _moment(key, entry.get(key), errors)
    for key, shape in (("args", list | tuple), ("kwargs", Mapping)):
        given = entry.get(key) or fields[key]
        if not isinstance(given, shape):
            errors[key] = "must be a list" if key == "args" else "must be a mapping"
        else:
            fields[key] = type(DEFAULTS[key])(given)
    if errors:
        text = "; ".join(f"{key} {why}" for key, why in errors.items())
        raise InvalidSchedule(f"{name}: {text}.", errors=errors)
    return {**fields, "task": str(entry["task"]), "when": entry["schedule"]}


def _refuse_unknown(
    given: Mapping[str, Any], known: set[str], errors: dict[str, str], prefix: str = ""
) -> None:
    for key, value in given.items():
        if key in known - {"relative"} or (prefix and key in _HARMLESS):
            continue
        if (key in _INSTEAD and not value) or (key == "serializer" and value in (None, "json")):
            continue
        hint = did_you_mean(key, known, "leave it out", lead="did")
        errors[f"{prefix}{key}"] = f"can't be honoured: {_INSTEAD.get(key, hint)}"


def _of_options(task: str, options: Mapping[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    found = {key: options[key] for key in _OPTIONS if options.get(key) not in (None, "")}
    if {"expires", "expire_seconds"} <= found.keys():
        errors["options.expire_seconds"] = "says the same as expires: leave one out"
    span = found.pop("expires", found.pop("expire_seconds", None))
    if span is not None:
        found["expire_seconds"] = _span(span, errors)
    if not (isinstance(found.get("priority", 0), int) and found.get("priority", 0) >= 0):
        errors["options.priority"] = f"is a whole number of 0 or more, not {found['priority']!r}"
    if registry.get_kind(task) is not None:
        for key in _OF_MESSAGES:
            if found.get(key):
                errors[f"options.{key}"] = f"means nothing to {task!r}, a job: say queue="
    return found


def _span(value: object, errors: dict[str, str]) -> int | None:
    """Return whole seconds, one at least; a wait of half a second is not cut to none."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, int | float) and 0 < seconds < float("inf"):
        return math.ceil(seconds)
    errors["options.expires"] = (
        f"is a span above 0, in seconds or as a timedelta, not {value!r}; "
        "the moment after which nothing fires is the entry's own expires"
    )
    return None


def _moment(key: str, value: object, errors: dict[str, str]) -> str | None:
    """Return a moment as text, in UTC; Celery reads a naive one so, too."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        hint = "; seconds belong into options" if key == "expires" else ""
        errors[key] = f"is a datetime, not {value!r}{hint}"
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat()
    except OverflowError:
        errors[key] = f"is beyond the years 1 to 9999 in UTC: {value!r}"
        return None
