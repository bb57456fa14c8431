"""What every log line carries: the correlation id, and the job that runs; and what none may."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

Values = dict[str, str]

_context: ContextVar["Values | _LazyValues | None"] = ContextVar("celeriac_context", default=None)
_hide: ContextVar[Callable[[str], str] | None] = ContextVar("celeriac_hide", default=None)


def bound_values() -> Values:
    """Return the names and values bound at this point."""
    return dict(_values())


def correlation_id() -> str:
    """Return the id that joins a request with all that follows from it, or ''."""
    return _values().get("correlation_id", "")


def bind(**values: str) -> AbstractContextManager[None]:
    """Add `values` to every log line inside the block."""
    return _BoundValues(values)


def bind_lazily(make: Callable[[], Values]) -> None:
    """Add what `make` returns to every log line of this context: few runs of a job log any."""
    _context.set(_LazyValues(_context.get(), make))


class _LazyValues:
    """Values that are made once somebody asks for them."""

    __slots__ = ("before", "made", "make")

    def __init__(self, before: "Values | _LazyValues | None", make: Callable[[], Values]) -> None:
        self.before, self.make = before, make
        self.made: Values | None = None


def _values() -> Values:
    return _resolved(_context.get())


def _resolved(bound: "Values | _LazyValues | None") -> Values:
    if not isinstance(bound, _LazyValues):
        return bound or {}
    if bound.made is None:
        bound.made = _resolved(bound.before) | bound.make()
    return bound.made


class _BoundValues(AbstractContextManager[None]):
    """A class, not a generator: every request passes here."""

    __slots__ = ("_token", "_values")

    def __init__(self, values: Values) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _context.set(_values() | self._values)

    def __exit__(self, *_: object) -> None:
        _context.reset(self._token)


def redact_with(function: Callable[[str], str]) -> None:
    """Pass every log line of this context through `function`, which redacts secrets."""
    _hide.set(function)


def redacted_text(text: str) -> str:
    """Return a text as it may leave this context."""
    function = _hide.get()
    return text if function is None else function(text)


def redact_record(record: logging.LogRecord) -> None:
    """Redact in a record's message and traceback what may not be logged here."""
    if _hide.get() is None:
        return
    record.msg, record.args = redacted_text(record.getMessage()), None
    if record.exc_info:
        record.exc_text = redacted_text(logging.Formatter().formatException(record.exc_info))
        record.exc_info = None  # or a handler would format it anew


class ContextFilter(logging.Filter):
    """Gives each record a `context` attribute such as `job=… correlation_id=…`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with its context and without secrets."""
        redact_record(record)
        record.context = " ".join(f"{name}={value}" for name, value in bound_values().items())
        return True
