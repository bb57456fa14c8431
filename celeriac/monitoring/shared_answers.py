"""An answer that is shared for a moment, so that many who ask cost as much as one."""

import threading
import time
from collections.abc import Callable


class SharedAnswer[T]:
    """Calls `ask` at most once in `lives` seconds, by one thread at a time."""

    def __init__(self, ask: Callable[[], T], *, lives: float) -> None:
        self._ask = ask
        self._lives = lives
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None

    def __call__(self) -> T:
        """Return the answer, asked anew where the last one is too old.

        While one thread asks, others get the last answer, or wait where there is none.
        """
        known = self._known
        if not self._lock.acquire(blocking=known is None) and known is not None:
            return known[1]
        try:
            if self._known is None or time.monotonic() - self._known[0] > self._lives:
                self._known = (time.monotonic(), self._ask())
            return self._known[1]
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Ask anew the next time."""
        with self._lock:
            self._known = None
