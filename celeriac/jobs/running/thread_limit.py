"""The soft limit in a thread: no signal arrives there, so another thread raises the error in it.

Python takes it up before the next line of Python: a wait (a sleep, an answer of a socket) is not
cut short, its end is when the limit strikes. One that waits for ever meets the hard limit.
"""

import ctypes
import heapq
import itertools
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar

from celeriac.jobs.outcomes import TimeLimitExceeded
from celeriac.jobs.running.awake_time import AwakeLimit, awake_seconds

_raise = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise.argtypes = (ctypes.c_ulong, ctypes.py_object)
#: What a handler is struck with, in the context of its run.
_error: ContextVar[type[TimeLimitExceeded]] = ContextVar(
    "celeriac_limit_error", default=TimeLimitExceeded
)
#: Limits after which those are forgotten whose handlers have ended.
_MANY = 1_000
#: Seconds for which the watch stays without one.
_LINGER = 0.5


class _ThreadLimit:
    """The limit of what a thread does now."""

    def __init__(self, seconds: float) -> None:
        self.awake = AwakeLimit(seconds)
        self.struck = False
        self._thread, self._error = threading.get_ident(), _error.get()
        self._lock = threading.Lock()
        self.is_over = False

    def strike(self) -> float:
        """Raise in the thread once the time is over; return the seconds to ask again, or 0."""
        with self._lock:
            if self.is_over:
                return 0.0
            left = self.awake.left()
            if not left:
                self.struck = self.is_over = True
                _raise(self._thread, self._error)
            return left

    def end(self) -> None:
        """Let it strike no more; what was raised and not taken up yet is taken back."""
        with self._lock:
            self.is_over = True
            if self.struck:
                _raise(self._thread, ctypes.py_object())  # none


class _Enforcer(threading.Thread):
    """Strikes when a limit's time has come; ends once there has been none for a while."""

    def __init__(self) -> None:
        super().__init__(name="celeriac-limits", daemon=True)
        self._limits: list[tuple[float, int, _ThreadLimit]] = []
        self._most = _MANY
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._has_ended = False

    def add(self, limit: _ThreadLimit, seconds: float) -> bool:
        """Watch a limit from now on; return whether that is done."""
        with self._changed:
            if len(self._limits) >= self._most:
                self._limits = [each for each in self._limits if not each[2].is_over]
                heapq.heapify(self._limits)
                self._most = max(_MANY, 2 * len(self._limits))
            due = awake_seconds() + seconds
            heapq.heappush(self._limits, (due, next(self._numbers), limit))
            if self._limits[0][2] is limit:
                self._changed.notify()
            return not self._has_ended

    def run(self) -> None:
        """Strike, as long as there is something to watch."""
        while (limit := self._next()) is not None:
            if again := limit.strike():
                self.add(limit, again)

    def _next(self) -> _ThreadLimit | None:
        """Wait for the limit that is due next; None where nobody has one."""
        with self._changed:
            while True:
                while self._limits and self._limits[0][2].is_over:
                    heapq.heappop(self._limits)
                left = self._limits[0][0] - awake_seconds() if self._limits else _LINGER
                if left <= 0:
                    return heapq.heappop(self._limits)[2]
                if not self._changed.wait(min(left, _LINGER)) and not self._limits:
                    self._has_ended = True
                    return None


_watch: _Enforcer | None = None
_starting = threading.Lock()


def use_error(error: type[TimeLimitExceeded]) -> None:
    """Strike the handler of this context with this error, one that its code knows."""
    _error.set(error)


def limit_error(seconds: float) -> TimeLimitExceeded:
    """Return the error of a handler whose limit is so many seconds."""
    return _error.get()(f"The handler ran past its soft limit of {seconds:g} s.")


def call_in_thread[T](function: Callable[[], T], seconds: float) -> T:
    """Return what `function` returns; TimeLimitExceeded at its first step after `seconds`."""
    limit = _ThreadLimit(seconds)
    _add(limit, seconds)
    try:
        try:
            return function()
        finally:
            limit.end()
    except TimeLimitExceeded as error:
        if limit.struck and not error.args:
            error.args = limit_error(seconds).args
        raise


def _add(limit: _ThreadLimit, seconds: float) -> None:
    global _watch
    with _starting:
        if _watch is None or not _watch.add(limit, seconds):
            _watch = _Enforcer()
            _watch.add(limit, seconds)
            _watch.start()


def _forget() -> None:
    """A fork has no such thread."""
    global _watch, _starting
    _watch, _starting = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
