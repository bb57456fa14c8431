"""Results and errors of adopted tasks as kombu's JSON has them, and back."""

import json
from typing import Any

from celery.result import ResultBase
from celery.utils.serialization import get_pickleable_exception
from kombu.exceptions import EncodeError
from kombu.utils.json import dumps, loads

_SIMPLE = (str, int, bool, type(None))


def plain_value(value: Any) -> Any:
    """Return a value as JSON, whose UUIDs, moments, Decimals and bytes bear a mark.

    Raises:
        EncodeError: JSON can't carry it.
    """
    if type(value) in _SIMPLE:
        return value
    if isinstance(value, ResultBase):  # as Celery's backends keep it
        whole: Any = value
        value = whole.as_tuple()
    try:
        return json.loads(dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(str(error)) from error


def own_value(plain: Any) -> Any:
    """Return what `plain_value` was made of."""
    if type(plain) in _SIMPLE:
        return plain
    return loads(json.dumps(plain))


def plain_error(error: BaseException) -> dict[str, Any]:
    """Return an error as Celery's backends keep it: its class and its arguments."""
    if isinstance(error, Exception):
        error = get_pickleable_exception(error)
    kind = type(error)
    return {
        "exc_type": getattr(kind, "__qualname__", kind.__name__),
        "exc_message": [_plain_argument(each) for each in error.args],
        "exc_module": kind.__module__,
    }


def _plain_argument(value: Any) -> Any:
    try:
        return plain_value(value)
    except EncodeError:
        return repr(value)
