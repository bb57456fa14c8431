"""What a periodic task calls: a kind of the ledger, or a plain Celery task through one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string
from django_celery_beat.models import PeriodicTask

from celeriac.core.hints import did_you_mean
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.draft import EnqueueOptions
from celeriac.jobs.enqueueing.queues import check_queue
from celeriac.jobs.errors import InvalidArgs, UnknownQueue
from celeriac.jobs.models.job import MAX_PRIORITY
from celeriac.schedules.errors import InvalidSchedule
from celeriac.settings import conf

#: The kind that sends a plain Celery task, so that its ticks are as safe as any other.
SEND = "schedules.send"


@dataclass(frozen=True, slots=True)
class Call:
    """The job that a tick becomes."""

    kind: str
    args: Mapping[str, Any]
    options: EnqueueOptions


def call_of(task: PeriodicTask) -> Call:
    """Return what the periodic task calls.

    Raises InvalidSchedule, naming each field of the row that is wrong: an unknown
    kind, arguments that do not fit it, an undeclared queue, a priority out of range.
    """
    errors: dict[str, str] = {}
    args = _json("args", task.args or "[]", list, errors)
    kwargs = _json("kwargs", task.kwargs or "{}", dict, errors)
    if task.priority is not None and task.priority > MAX_PRIORITY:
        errors["priority"] = f"{task.priority} is above {MAX_PRIORITY}; higher runs first"
    kind = registry.get_kind(task.task)
    if kind is None and task.task not in plain_tasks():
        errors["task"] = _unknown(task.task)
    if errors:
        raise _refusal(task.name, errors)
    if kind is None:
        return _plain(task, args, kwargs)
    values = _named(kind, args, kwargs, errors)
    if task.queue:
        _check_queue(task.queue, errors)
    if errors:
        raise _refusal(task.name, errors)
    return Call(kind.name, values, _options(task))


def plain_tasks() -> frozenset[str]:
    """Return the names of the plain Celery tasks that may be scheduled."""
    if not conf.SCHEDULES_PLAIN_TASKS:
        return frozenset()
    known: Callable[[], frozenset[str]] = import_string(conf.SCHEDULES_PLAIN_TASKS)
    return known()


def callable_names() -> list[str]:
    """Return every name that a periodic task may call: kinds, then plain tasks."""
    return [
        *(kind.name for kind in registry.declared_kinds() if kind.name != SEND),
        *sorted(plain_tasks()),
    ]


def _options(task: PeriodicTask) -> EnqueueOptions:
    options: EnqueueOptions = {"enqueued_by": f"schedule: {task.name}"[:254]}
    if task.queue:
        options["queue"] = task.queue
    if task.priority is not None:
        options["priority"] = task.priority
    return options


def _plain(task: PeriodicTask, args: list[Any], kwargs: dict[str, Any]) -> Call:
    names = ("queue", "exchange", "routing_key", "priority")
    options = {name: getattr(task, name) for name in names if getattr(task, name) is not None}
    errors: dict[str, str] = {}
    headers = _json("headers", task.headers or "{}", dict, errors)
    if errors:
        raise _refusal(task.name, errors)
    options["headers"] = headers | {"periodic_task_name": task.name}
    values = {"task": task.task, "args": args, "kwargs": kwargs, "options": options}
    return Call(SEND, values, {"enqueued_by": f"schedule: {task.name}"[:254]})


def _named(
    kind: registry.Kind, args: list[Any], kwargs: dict[str, Any], errors: dict[str, str]
) -> dict[str, Any]:
    """Return all arguments by name, validated; what is wrong goes into `errors`."""
    fields = kind.schema.fields
    if len(args) > len(fields):
        errors["args"] = f"{kind.name} takes {len(fields)} arguments, not {len(args)}"
        return {}
    positional = dict(zip(fields, args, strict=False))
    if twice := sorted(positional.keys() & kwargs.keys()):
        errors["kwargs"] = f"{', '.join(twice)}: given by position, too"
        return {}
    try:
        # As JSON, for that is what the row holds: "2026-01-01" is a date here.
        return kind.schema.dump(kind.schema.load(positional | kwargs))
    except InvalidArgs as error:
        errors["args" if args and not kwargs else "kwargs"] = error.message
        return {}


def _json(
    field: str, text: str, shape: type[list[Any]] | type[dict[str, Any]], errors: dict[str, str]
) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        errors[field] = f"is no JSON: {error}"
        return shape()
    if not isinstance(value, shape):
        errors[field] = f"must be a JSON {'list' if shape is list else 'object'}"
        return shape()
    return value


def _check_queue(name: str, errors: dict[str, str]) -> None:
    try:
        check_queue(name)
    except UnknownQueue as error:
        errors["queue"] = error.message


def _unknown(name: str) -> str:
    otherwise = "; is its module in CELERIAC['MODULES']?"
    hint = did_you_mean(name, callable_names(), otherwise, lead="; did")
    return f"nothing of the name {name!r} is declared{hint}"


def _refusal(name: str, errors: dict[str, str]) -> InvalidSchedule:
    text = "; ".join(f"{field}: {why}" for field, why in errors.items())
    return InvalidSchedule(f"{name}: {text}.", errors=errors)
