"""The soft limit: a timer armed around the handler alone."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

from apps.jobs.outcomes import TimeLimitExceeded


class SoftLimit:
    """Raises TimeLimitExceeded in the handler once its seconds are used up.

    It works in the main thread only, where signals arrive: in a prefork child
    and in a solo worker. Elsewhere the hard limit alone holds.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._armed = False

    def call[T](self, function: Callable[[], T]) -> T:
        """Return what `function` returns, within the limit."""
        if not self.seconds or threading.current_thread() is not threading.main_thread():
            return function()
        before = signal.signal(signal.SIGALRM, self._ring)
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            return function()
        finally:
            # From here on a late alarm is ignored: the handler has ended.
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise TimeLimitExceeded(f"The handler ran past its soft limit of {self.seconds:g} s.")
