"""An outage: for how long, how it looks to callers, and who called meanwhile."""

import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_WINDOWS = 100
MAX_CALLS = 10_000


@dataclass(slots=True)
class Window:
    """One outage: wall-clock times in seconds, and when callers came in it."""

    mode: str
    started: float
    ends: float
    calls: list[float] = field(default_factory=list)
    in_flight_peak: int = 0


class Outage:
    """Down until a moment on the real clock (the controllable one would end outages early)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: list[Window] = []

    def begin(self, *, seconds: float, mode: str) -> None:
        """Go down for so many seconds; an outage that lasts is replaced."""
        now = time.time()
        with self._lock:
            self._finish(now)
            self._windows = [*self._windows, Window(mode, now, now + seconds)][-MAX_WINDOWS:]

    def end(self) -> None:
        """Come back at once."""
        with self._lock:
            self._finish(time.time())

    def clear(self) -> None:
        """Come back and forget the outages."""
        with self._lock:
            self._windows = []

    @property
    def active(self) -> bool:
        """Whether the stand-in is down now."""
        with self._lock:
            return self._current(time.time()) is not None

    def meet(self, in_flight: int = 1) -> str | None:
        """Return the outage's mode, noting the call that met it, or None when up."""
        now = time.time()
        with self._lock:
            window = self._current(now)
            if window is None:
                return None
            if len(window.calls) < MAX_CALLS:
                window.calls.append(now)
            window.in_flight_peak = max(window.in_flight_peak, in_flight)
            return window.mode

    def report(self) -> dict[str, Any]:
        """Return the outages so far, oldest first."""
        with self._lock:
            active = self._current(time.time()) is not None
            windows = [asdict(window) for window in self._windows]
        return {
            "active": active,
            "calls": sum(len(w["calls"]) for w in windows),
            "windows": windows,
        }

    def _current(self, now: float) -> Window | None:
        latest = self._windows[-1] if self._windows else None
        return latest if latest is not None and now < latest.ends else None

    def _finish(self, now: float) -> None:
        current = self._current(now)
        if current is not None:
            current.ends = now
