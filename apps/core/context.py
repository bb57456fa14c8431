"""What every log line carries: the correlation id, and the job that runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_context: ContextVar[dict[str, str] | None] = ContextVar("celeriac_context", default=None)


def current() -> dict[str, str]:
    """Return the names and values bound at this point."""
    return dict(_context.get() or {})


def correlation_id() -> str:
    """Return the id that joins a request with all that follows from it, or ''."""
    return (_context.get() or {}).get("correlation_id", "")


@contextmanager
def bind(**values: str) -> Iterator[None]:
    """Add `values` to every log line inside the block."""
    token = _context.set((_context.get() or {}) | values)
    try:
        yield
    finally:
        _context.reset(token)


class ContextFilter(logging.Filter):
    """Gives each record a `context` attribute such as `job=… correlation_id=…`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with its context."""
        record.context = " ".join(f"{name}={value}" for name, value in current().items())
        return True
