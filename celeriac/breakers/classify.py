"""What an error says about the provider: its fault, its answer, or nothing.

An answer that declines is a success of the provider: it was there and it decided.
"""

import email.utils
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.module_loading import import_string

from celeriac.breakers.errors import CircuitOpen, InvalidOptions
from celeriac.breakers.replies import CallResult

#: Raised when a call ran out of its caller's time: the provider was too slow. Named, not
#: imported: breakers know neither the ledger nor Celery.
TIME_LIMITS = frozenset(
    {
        "celeriac.jobs.outcomes.TimeLimitExceeded",
        "billiard.exceptions.SoftTimeLimitExceeded",
        "celery.exceptions.SoftTimeLimitExceeded",
    }
)

Judge = Callable[[BaseException], bool | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one error means. `open_for` is in seconds, 0 where the provider asked for none."""

    finding: CallResult
    slow: bool = False
    open_for: float = 0.0


def judge_error(error: BaseException | None, provider_fault: Judge) -> Judgement:
    """Return what `error` (None for a call that returned) says about the provider."""
    if error is None:
        return Judgement(CallResult.OK)
    if _is_time_limit(error):
        return Judgement(CallResult.FAULT, slow=True)
    if not isinstance(error, Exception) or isinstance(error, CircuitOpen):
        return Judgement(CallResult.NOTHING)
    fault = provider_fault(error)
    if fault is None:
        return Judgement(CallResult.NOTHING)
    asked = asked_seconds(error) if fault or http_status(error) == 429 else 0.0
    if fault or asked:
        return Judgement(CallResult.FAULT, open_for=asked)
    return Judgement(CallResult.OK)


def default_fault(error: BaseException) -> bool | None:
    """Judge by the HTTP status where the error bears one; what bears none is a fault.

    5xx, 429 and 408 are faults, other 4xx are answers. 409 is an answer too: the
    provider is busy with the very same request, not ill.
    """
    code = http_status(error)
    if code is None:
        return True
    return code >= 500 or code in (408, 429)


def judge_from(setting: object) -> Judge:
    """Return the judge that an option `provider_fault` names; raises InvalidOptions."""
    if setting is None:
        return default_fault
    if isinstance(setting, str):
        return judge_from(_import(setting))
    if isinstance(setting, type) and issubclass(setting, BaseException):
        return _one_of((setting,))
    if isinstance(setting, (tuple, list, set, frozenset)):
        return _one_of(_exceptions(setting))
    if callable(setting):
        return setting
    raise InvalidOptions(f"provider_fault can't be {setting!r}: give a callable or exceptions.")


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status that the error bears, under any of the usual names."""
    bearers = (error, getattr(error, "response", None))
    for bearer in bearers:
        for name in ("http_status", "status_code", "status", "code"):
            value = getattr(bearer, name, None)
            if isinstance(value, int) and 100 <= value <= 599:
                return int(value)
    return None


def asked_seconds(error: BaseException) -> float:
    """Return how long the provider asked to be left alone, 0 where it did not."""
    value = getattr(error, "retry_after", None)
    for bearer in (error, getattr(error, "response", None)):
        headers = getattr(bearer, "headers", None)
        if value is None and headers is not None:
            value = _header(headers)
    return _seconds(value)


def _header(headers: Any) -> object:
    try:
        return next((headers[key] for key in headers if key.lower() == "retry-after"), None)
    except (AttributeError, KeyError, TypeError):
        return None


def _seconds(value: object) -> float:
    """Return a `Retry-After`, in either of its forms, as seconds."""
    try:
        seconds = float(value)  # type: ignore[arg-type]  # refused below
    except (TypeError, ValueError):
        seconds = _until(value) if isinstance(value, str) else 0.0
    return seconds if 0 < seconds < float("inf") else 0.0


def _until(date: str) -> float:
    """Return the seconds until a date, 0 where it is none; by our clock, the nearest we have."""
    parsed = email.utils.parsedate_tz(date)
    try:
        return email.utils.mktime_tz(parsed) - time.time() if parsed else 0.0
    except (OverflowError, ValueError):  # a year that no calendar has
        return 0.0


def _is_time_limit(error: BaseException) -> bool:
    kinds = type(error).__mro__
    return any(f"{kind.__module__}.{kind.__qualname__}" in TIME_LIMITS for kind in kinds)


def _exceptions(given: Iterable[object]) -> tuple[type[BaseException], ...]:
    found = [_import(item) if isinstance(item, str) else item for item in given]
    if not all(isinstance(item, type) and issubclass(item, BaseException) for item in found):
        raise InvalidOptions(f"provider_fault lists what is no exception: {found!r}.")
    return tuple(item for item in found if isinstance(item, type))


@cache
def _import(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise InvalidOptions(f"provider_fault={path!r} can't be imported: {error}") from error


def _one_of(kinds: tuple[type[BaseException], ...]) -> Judge:
    return lambda error: isinstance(error, kinds)
