"""The soft limit: a timer armed around the handler alone."""

import _signal  # signal wraps each of these in a search for names, which costs more than they do
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from celeriac.jobs.outcomes import TimeLimitExceeded
from celeriac.jobs.running.awake_time import AwakeLimit

logger = logging.getLogger(__name__)

_NUMBER, _UNBLOCK = int(signal.SIGALRM), int(signal.SIG_UNBLOCK)
_ALARM = (_NUMBER,)


class SoftLimit:
    """Raises TimeLimitExceeded in the handler once its seconds are used up.

    It works in the main thread only, where signals arrive: in a prefork child
    and in a solo worker. Elsewhere the hard limit alone holds.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds

    def call[T](self, function: Callable[[], T]) -> T:
        """Return what `function` returns, within the limit."""
        if not self.seconds or threading.current_thread() is not threading.main_thread():
            return function()
        before = _take_over()
        _armed.append(AwakeLimit(self.seconds))
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            return function()
        finally:
            # From here on a late alarm is ignored: the handler has ended.
            is_due = bool(_armed)
            _armed.clear()
            left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
            if is_due and (not 0 < left <= self.seconds + 0.01 or _is_foreign()):
                logger.warning(
                    "the handler set a timer or a SIGALRM of its own: it ran without its soft "
                    "limit of %g s; use another timer (the hard limit holds)",
                    self.seconds,
                )
            if before is not None:
                signal.signal(signal.SIGALRM, before)


def _is_foreign() -> bool:
    return _signal.getsignal(_NUMBER) is not _ring


#: The limit that holds now, while its alarm has not come.
_armed: list[AwakeLimit] = []


def _take_over() -> Any:
    """Make alarms ours; return what to put back, or None.

    Where nobody else wants alarms ours stays on: to install it for each job costs
    more than the timer itself.
    """
    before = _signal.getsignal(_NUMBER)
    if before is not _ring:
        signal.signal(signal.SIGALRM, _ring)
    _signal.pthread_sigmask(_UNBLOCK, _ALARM)  # an earlier handler may have blocked it
    return None if before in (_ring, signal.SIG_DFL) else before


def _ring(signum: int, frame: FrameType | None) -> None:
    if not _armed:
        return
    left = _armed[0].left()
    if left:  # it was frozen for a while, which is no time of the handler's
        signal.setitimer(signal.ITIMER_REAL, left)
        return
    seconds = _armed.pop().seconds
    raise TimeLimitExceeded(f"The handler ran past its soft limit of {seconds:g} s.")
