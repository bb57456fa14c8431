"""A run that meets an open circuit sent nothing, failed at nothing, and comes back later."""

from collections.abc import Iterator
from contextlib import contextmanager

from apps.breakers.api import CircuitOpen
from apps.jobs.api import Snooze

#: Seconds; an operator may hold a circuit open without an end.
LEAST, MOST = 0.5, 300.0


@contextmanager
def parked_while_open() -> Iterator[None]:
    """Raise Snooze until the circuit may let a call through, in place of CircuitOpen."""
    try:
        yield
    except CircuitOpen as error:
        seconds = min(max(error.retry_after, LEAST), MOST)
        raise Snooze(seconds, f"the circuit {error.name!r} is open") from error
