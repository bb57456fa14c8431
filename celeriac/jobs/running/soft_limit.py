"""The soft limit: a timer around the handler alone.

The timer is not set for each run, which would be two system calls: it stays on from one run to
the next, and strikes once it is due. It then asks what holds now, and is set again for the rest.
It may be due at any time between half a run's limit and all of it, so that a handler which keeps
within half of it is never struck.
"""

import _signal  # signal wraps each of these in a search for names, which costs more than they do
import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from celeriac.jobs.running.awake_time import AwakeLimit
from celeriac.jobs.running.thread_limit import call_in_thread, limit_error

logger = logging.getLogger(__name__)

_NUMBER, _UNBLOCK = int(signal.SIGALRM), int(signal.SIG_UNBLOCK)
_ALARM = (_NUMBER,)
_TIMER = signal.ITIMER_REAL
#: Seconds by which a timer may differ from what was asked for.
_INEXACT = 0.01

#: The limit that holds now, while its alarm has not come.
_armed: list[AwakeLimit] = []
#: When our timer is due (monotonic seconds); 0 while there is none.
_due = 0.0
#: Whether the timer was looked at since the last handler.
_is_seen = False


def call_within[T](seconds: float | None, function: Callable[[], T]) -> T:
    """Return what `function` returns; in it TimeLimitExceeded once its seconds are used up.

    In the main thread, where signals arrive, it strikes amid a wait: in a prefork child and in a
    solo worker. In any other thread it strikes once a wait is over (thread_limit.py).
    """
    look_again()
    if not seconds:
        return function()
    if threading.current_thread() is not threading.main_thread():
        return call_in_thread(function, seconds)
    before = _take_over()
    _armed.append(AwakeLimit(seconds))
    _keep_timer(seconds)
    try:
        return function()
    finally:
        # From here on a late alarm is ignored: the handler has ended.
        is_due = bool(_armed)
        _armed.clear()
        if (_drops_foreign() or _signal.getsignal(_NUMBER) is not _ring) and is_due:
            logger.warning(
                "the handler set a timer or a SIGALRM of its own: it ran without its soft "
                "limit of %g s; use another timer (the hard limit holds)",
                seconds,
            )
        if before is not None:
            drop_timer()
            signal.signal(signal.SIGALRM, before)


def drop_timer() -> None:
    """Switch our timer off: the process has nothing to run."""
    global _due
    if _due:
        _due = 0.0
        signal.setitimer(_TIMER, 0)


def look_again() -> None:
    """Note that a handler runs now, or what it returned: it may set a timer."""
    global _is_seen
    _is_seen = False


def spare_others() -> None:
    """Switch off a timer that the last handler left: it would strike another job."""
    if not _is_seen:
        _drops_foreign()


def _keep_timer(seconds: float) -> None:
    """Have the timer strike between half of `seconds` from now and all of it."""
    global _due
    now = time.monotonic()
    if not now + seconds / 2 <= _due <= now + seconds:
        _due = now + seconds
        signal.setitimer(_TIMER, seconds)


def _drops_foreign() -> bool:
    """Return whether the timer is not as we left it; it is off then."""
    global _due, _is_seen
    _is_seen = True
    left = signal.getitimer(_TIMER)[0]
    expected = max(0.0, _due - time.monotonic()) if _due else 0.0
    if abs(left - expected) <= _INEXACT:
        return False
    _due = 0.0
    signal.setitimer(_TIMER, 0)
    return True


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
    global _due
    _due = 0.0
    if not _armed:
        return
    left = _armed[0].left()
    if left:  # the timer was an earlier run's, or it was frozen, which is no time of the handler's
        _due = time.monotonic() + left
        signal.setitimer(_TIMER, left)
        return
    seconds = _armed.pop().seconds
    raise limit_error(seconds)
