"""The only door for other apps.

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

from celeriac.breakers.breaker import Passage, refuse_unfit
from celeriac.breakers.errors import BreakerError, CircuitOpen, InvalidOptions, UnknownBreaker
from celeriac.breakers.ramp import take_place
from celeriac.breakers.registry import get
from celeriac.breakers.selectors import Admission, BreakerStatus, admission, status
from celeriac.breakers.services import clear, force_closed, force_open, tune

__all__ = [
    "Admission",
    "BreakerError",
    "BreakerStatus",
    "CircuitOpen",
    "InvalidOptions",
    "UnknownBreaker",
    "admission",
    "clear",
    "force_closed",
    "force_open",
    "guard",
    "status",
    "take_place",
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
        passage = Passage(get(self.name))
        passage.__enter__()
        self._open().append(passage)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open().pop().__exit__(kind, error, traceback)

    def __call__(self, func: Callable[P, T]) -> Callable[P, T]:
        """Return `func` guarded."""
        refuse_unfit(func)

        @functools.wraps(func)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.call(func, *args, **kwargs)

        return guarded

    def call(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `func`; raises CircuitOpen when it was not called, else what `func` raised."""
        with self:
            return func(*args, **kwargs)

    def _open(self) -> list[Passage]:
        if not hasattr(self._passages, "stack"):
            self._passages.stack = []
        stack: list[Passage] = self._passages.stack
        return stack


def guard(name: str) -> Guard:
    """Return the guard of the breaker `name`; nothing is looked up before it is used.

    Its use raises CircuitOpen (nothing was sent), UnknownBreaker, or what the
    guarded code raises; never an error because the store or the database is away.
    """
    return Guard(name)
