"""The gateway's own clock, which tests move forward a day in no time."""

import threading
import time


class Clock:
    """Wall-clock seconds plus an offset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = 0.0

    def now(self) -> float:
        """Return seconds since the epoch as the gateway sees them."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock by so many seconds; negative moves it back."""
        with self._lock:
            self._offset += seconds

    def set(self, now: float) -> None:
        """Make it so many seconds since the epoch; the clock runs on from there."""
        with self._lock:
            self._offset = now - time.time()

    def reset(self) -> None:
        """Return to the real time."""
        self.set(time.time())
