"""The time that this process was awake: what a limit on a run is counted in.

Where a process is frozen (SIGSTOP, a suspended machine), the clock goes on and the handler does
not. The parent's monitor sees the gap and leaves it in the child's journal (child_checks.py);
here it is taken off the clock.
"""

import time
from collections.abc import Callable

#: Seconds without a look of the monitor after which it may not have told of a gap yet.
LATE = 0.6
#: Seconds that a limit waits for the monitor to look, and how often: then it is gone, or frozen.
_PATIENCE, _MOST = 0.25, 8


def _nothing() -> float:
    return 0.0


#: Seconds that this process was frozen, and when its monitor last looked (0: it has none).
_frozen: Callable[[], float] = _nothing
_looked: Callable[[], float] = _nothing


def use_watch(frozen: Callable[[], float], looked: Callable[[], float]) -> None:
    """Believe this monitor from now on."""
    global _frozen, _looked
    _frozen, _looked = frozen, looked


def forget_watch() -> None:
    """Believe nobody: in a fork, or where nobody watches."""
    use_watch(_nothing, _nothing)


def awake_seconds() -> float:
    """Return the time (seconds) of a clock that stands still while the process is frozen."""
    return time.monotonic() - _frozen()


class AwakeLimit:
    """So many seconds from now on, awake."""

    __slots__ = ("_until", "_waited", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = awake_seconds() + seconds
        self._waited = 0

    def grant(self, seconds: float) -> None:
        """Give it so many seconds more."""
        self._until += seconds

    def left(self) -> float:
        """Return the seconds after which to ask again; 0 once they are used up.

        Right after a freeze the monitor may not have told of it yet: it gets a moment.
        """
        looked = _looked()
        if looked and time.monotonic() - looked > LATE and self._waited < _MOST:
            self._waited += 1
            return min(_PATIENCE, self.seconds)
        return max(0.0, self._until - awake_seconds())
