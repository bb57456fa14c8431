"""The entry point for other apps.

As a context manager, a decorator, or a call::

    with guard("payments"):
        gateway.capture(…)

    @guard("email")
    def send(message): …

    guard("payments").call(gateway.capture, charge)

Each raises CircuitOpen when nothing was sent, else what the guarded code raised.
"""

import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import ParamSpec, TypeVar

from celeriac.breakers.breaker import GuardedCall, refuse_deferred
from celeriac.breakers.errors import BreakerError, CircuitOpen, InvalidOptions, UnknownBreaker
from celeriac.breakers.ramp import take_ramp_slot
from celeriac.breakers.registry import get_breaker
from celeriac.breakers.selectors import (
    BreakerStatus,
    CircuitAllowance,
    breaker_statuses,
    circuit_allowances,
)
from celeriac.breakers.services import clear, force_closed, force_open, tune

__all__ = [
    "BreakerError",
    "BreakerStatus",
    "CircuitAllowance",
    "CircuitOpen",
    "InvalidOptions",
    "UnknownBreaker",
    "breaker_statuses",
    "circuit_allowances",
    "clear",
    "force_closed",
    "force_open",
    "guard",
    "take_ramp_slot",
    "tune",
]

P = ParamSpec("P")
T = TypeVar("T")


class Guard(AbstractContextManager[None]):
    """A breaker by name: a context manager (also shared and nested), a decorator, a call."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._passages = threading.local()

    def __enter__(self) -> None:
        guarded_call = GuardedCall(get_breaker(self.name))
        guarded_call.__enter__()
        self._open().append(guarded_call)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open().pop().__exit__(kind, error, traceback)

    def __call__(self, func: Callable[P, T]) -> Callable[P, T]:
        """Return `func` guarded."""
        refuse_deferred(func)

        @functools.wraps(func)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.call(func, *args, **kwargs)

        return guarded

    def call(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `func` and return what it returns; what it raises comes through.

        Raises:
            CircuitOpen: `func` was not called.
            UnknownBreaker: no breaker of that name is declared.
        """
        with self:
            return func(*args, **kwargs)

    def _open(self) -> list[GuardedCall]:
        if not hasattr(self._passages, "stack"):
            self._passages.stack = []
        stack: list[GuardedCall] = self._passages.stack
        return stack


def guard(name: str) -> Guard:
    """Return the guard of the breaker `name`; nothing is looked up before it is used.

    To use it raises what the guarded code raises, never an error because the store or the
    database is away.

    Raises:
        CircuitOpen: when used: nothing was sent.
        UnknownBreaker: when used: no breaker of that name is declared.
        TypeError: as a decorator of a function whose work happens after it has returned.
    """
    return Guard(name)
