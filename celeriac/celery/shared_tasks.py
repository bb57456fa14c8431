"""Celery code on the ledger by its imports alone: `from celeriac.celery import shared_task`.

`shared_task` keeps Celery's meaning: a task that fails is run again only where it asks
(self.retry, autoretry_for), as often and as late as Celery would. What the ledger can't
do refuses when the module is loaded, or when it is called, and names the alternative.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

from celery.exceptions import MaxRetriesExceededError as MaxRetriesExceededError
from celery.utils.time import get_exponential_backoff_interval

from celeriac.celery.base import JobTask, declare_task
from celeriac.celery.bound_task import BoundTask, bind_first_parameter
from celeriac.celery.canvas import CanvasRefused as CanvasRefused, refused_function
from celeriac.celery.results import AsyncResult as AsyncResult, ResultTimeout
from celeriac.core.hints import did_you_mean
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.outcomes import Cancelled, GiveUp, Retry as Retry, TimeLimitExceeded
from celeriac.jobs.registry import Kind
from celeriac.settings import conf

chain, group, chord, chunks = (
    refused_function(name) for name in ("chain", "group", "chord", "chunks")
)
signature, subtask, maybe_signature = (
    refused_function(name) for name in ("signature", "subtask", "s")
)
xmap, xstarmap = refused_function("map"), refused_function("starmap")

#: Celery's names for the ledger's exceptions.
Ignore = Cancelled
SoftTimeLimitExceeded = TimeLimitExceeded
TimeoutError = ResultTimeout

#: Celery's own defaults.
MAX_RETRIES, RETRY_DELAY, BACKOFF_MAX = 3, 180, 600
#: "For ever", as large as the column.
FOR_EVER = 2**31 - 1

_OF_KIND = {field.name for field in fields(Kind)} - {"name", "handler", "schema", "on_settled"}
_RETRIES = {
    *("autoretry_for", "dont_autoretry_for", "retry_kwargs", "retry_backoff"),
    *("retry_backoff_max", "retry_jitter", "max_retries", "default_retry_delay"),
}
_LIMITS = {"soft_time_limit", "time_limit"}
#: What the ledger does anyway, or has no use for.
_HARMLESS = {
    *("acks_late", "acks_on_failure_or_timeout", "reject_on_worker_lost", "track_started"),
    *("ignore_result", "store_errors_even_if_ignored", "compression", "send_events"),
    *("throws", "pydantic", "retry_on_worker_lost"),
}
_INSTEAD = {
    "base": "declare a plain function; on_failure becomes on_dead=, the rest is code of its own",
    "rate_limit": "guard the provider with breaker=, or take turns with lock=",
    "resultrepr_maxsize": "leave it out",
    "routing_key": "say queue=",
    "exchange": "say queue=",
    "serializer": "arguments are JSON",
    "typing": "arguments are always checked",
    "shared": "leave it out",
    "on_failure": "declare the task with on_dead=",
    "on_success": "do it at the end of the function",
    "on_retry": "do it before raising",
    "after_return": "do it at the end of the function",
}


class Reject(GiveUp):
    """Celery's Reject: the job ends dead."""

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        if requeue:
            raise InvalidOption("Reject(requeue=True): raise Snooze(seconds) to come back later.")
        super().__init__(str(reason or "rejected by its handler"))


def shared_task(*functions: Callable[..., Any], **options: Any) -> Any:
    """Declare a job with the options of Celery's shared_task, or of `@job`.

    Raises:
        InvalidOption: the ledger can't keep an option; it names the alternative.
        TypeError: there is no such option, or one was not given by name.
        ValueError: an option's value does not fit, or the kind is declared already.
    """
    if len(functions) == 1 and callable(functions[0]):
        return _declare(functions[0], options)
    if functions:
        raise TypeError("@shared_task takes its options by name.")
    return lambda function: _declare(function, options)


def _declare(function: Callable[..., Any], given: dict[str, Any]) -> JobTask[..., Any, Any]:
    options = dict(given)
    name = str(options.pop("name", "") or "")
    shown = name or f"{function.__module__}.{function.__name__}"
    _check(shown, options)
    retries = {key: options.pop(key) for key in _RETRIES & options.keys()}
    limits = {key: options.pop(key) for key in _LIMITS & options.keys()}
    bound = BoundTask(default_retry_delay=retries.get("default_retry_delay", RETRY_DELAY))
    bind, expires = options.pop("bind", False), options.pop("expires", None)
    handler = bind_first_parameter(function, bound) if bind else function
    kept = {key: value for key, value in options.items() if key in _OF_KIND}
    policy = {"retry": _backoff(retries), **_limits(limits), **kept}
    task = declare_task(_retrying(handler, bound, retries), name, expires=expires, **policy)
    bound.task = task
    return task


def _check(name: str, options: dict[str, Any]) -> None:
    if unknown := set(options.get("retry_kwargs") or ()) - {"max_retries", "countdown"}:
        raise InvalidOption(
            f"@shared_task(retry_kwargs=…) on {name}: {', '.join(sorted(unknown))} means nothing "
            "to the ledger; max_retries and countdown do."
        )
    known = _OF_KIND | _RETRIES | _LIMITS | _HARMLESS | {"bind", "expires"}
    for option, value in options.items():
        if option in known or (option == "serializer" and value in (None, "json")):
            continue
        if option in _INSTEAD:
            raise InvalidOption(
                f"@shared_task({option}=…) on {name} means nothing to the ledger: "
                f"{_INSTEAD[option]}."
            )
        hint = did_you_mean(option, known, " Leave it out.")
        raise TypeError(f"@shared_task on {name} has no option {option!r}.{hint}")


def _limits(limits: dict[str, Any]) -> dict[str, Any]:
    """Without a soft limit there is none, as in Celery; there always is a hard one."""
    soft, hard = limits.get("soft_time_limit"), limits.get("time_limit")
    hard = hard or max(conf.SHARED_TASK_TIME_LIMIT_SECONDS, 2.0 * (soft or 0))
    return {"timeout": soft, "hard_timeout": hard}


def _backoff(retries: dict[str, Any]) -> Backoff:
    """Only what asks for it is run again; the waits are given with each Retry."""
    limit = retries.get("max_retries", MAX_RETRIES)
    limit = (retries.get("retry_kwargs") or {}).get("max_retries", limit)
    return Backoff(max_attempts=FOR_EVER if limit is None else limit + 1, retry_on=(Retry,))


def _retrying(
    handler: Callable[..., Any], bound: BoundTask, retries: dict[str, Any]
) -> Callable[..., Any]:
    """Return the handler with Celery's autoretry around it."""
    retried = tuple(retries.get("autoretry_for") or ())
    if not retried:
        return handler
    spared = (Cancelled, GiveUp, Retry, *(retries.get("dont_autoretry_for") or ()))

    @wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except spared:
            raise
        except retried as error:
            bound.retry(exc=error, countdown=_countdown(bound, retries))

    return call


def _countdown(bound: BoundTask, retries: dict[str, Any]) -> float | None:
    factor = float(retries.get("retry_backoff") or 0)
    if not factor:
        return (retries.get("retry_kwargs") or {}).get("countdown")
    return get_exponential_backoff_interval(
        factor=int(max(1.0, factor)),
        retries=bound.request.retries,
        maximum=int(retries.get("retry_backoff_max", BACKOFF_MAX)),
        full_jitter=bool(retries.get("retry_jitter", True)),
    )
