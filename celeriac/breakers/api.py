"""The entry point for other apps.

As a context manager, a decorator, or a call::

    with guard("payments"):
        gateway.capture(…)

    @guard("email")
    def send(message): …

    guard("payments").call(gateway.capture, charge)

Each raises CircuitOpen when nothing was sent, else what the guarded code raised.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator
from contextvars import ContextVar

from celeriac.breakers.breaker import GuardedCall, refuse_deferred
from celeriac.breakers.errors import (
    BreakerError as BreakerError,
    CircuitOpen as CircuitOpen,
    InvalidOptions as InvalidOptions,
    UnknownBreaker as UnknownBreaker,
)
from celeriac.breakers.ramp import take_ramp_slot as take_ramp_slot
from celeriac.breakers.registry import get_breaker
from celeriac.breakers.selectors import (
    BreakerStatus as BreakerStatus,
    CircuitAllowance as CircuitAllowance,
    breaker_statuses as breaker_statuses,
    circuit_allowances as circuit_allowances,
)
from celeriac.breakers.services import (
    clear as clear,
    force_closed as force_closed,
    force_open as force_open,
    tune as tune,
)

#: The guarded blocks around the code that runs here: each thread, and each task, has its own.
_open_calls: ContextVar[tuple[tuple["Guard", GuardedCall], ...]] = ContextVar(
    "celeriac_guarded", default=()
)


class Guard(AbstractContextManager[None], ContextDecorator):
    """A breaker by name: a context manager (also shared and nested), a decorator, a call."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        guarded_call = GuardedCall(get_breaker(self.name))
        guarded_call.__enter__()
        _open_calls.set((*_open_calls.get(), (self, guarded_call)))

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        own = [each for each in _open_calls.get() if each[0] is self][-1]
        _open_calls.set(tuple(each for each in _open_calls.get() if each is not own))
        own[1].__exit__(kind, error, traceback)

    def __call__[F: Callable[..., object]](self, func: F) -> F:
        """Return `func` guarded."""
        refuse_deferred(func)
        return super().__call__(func)

    def call[**P, T](self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `func` and return what it returns; what it raises comes through.

        Raises:
            CircuitOpen: `func` was not called.
            UnknownBreaker: no breaker of that name is declared.
        """
        with self:
            return func(*args, **kwargs)


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
