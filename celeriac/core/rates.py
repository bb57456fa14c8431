"""So many of something a minute, counted for all processes together.

Counted in the cache. One that is away must not hold a call up: each process then counts for
itself, and asks again after a while.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse

from celeriac.core.client import address_of
from celeriac.core.errorpages import error_page
from celeriac.settings import project_setting

logger = logging.getLogger(__name__)

WINDOW = 60
MUTED_FOR = 5.0
CACHE = "api"
#: Minutes that are looked back over, where a burst is larger than a minute's share.
MOST_MINUTES = 60


class MinuteCounts:
    """What was counted in each minute: in the cache, or in this process while that is away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local: Counter[tuple[str, int]] = Counter()
        self._muted_until = 0.0

    def take(self, name: str, *, now: float, amount: int = 1, minutes: int = 1) -> int:
        """Count and return how much the last `minutes` have seen, this one included."""
        minute = int(now // WINDOW)
        if time.monotonic() < self._muted_until:
            return self._here(name, minute, amount, minutes)
        try:
            return _shared(name, minute, amount, minutes)
        except Exception as error:  # whatever the cache's client raises: counting is a courtesy
            self._muted_until = time.monotonic() + MUTED_FOR
            logger.warning("calls are counted by process for %.0f s: %s", MUTED_FOR, error)
            return self._here(name, minute, amount, minutes)

    def reset(self) -> None:
        """Ask the cache again at once, and forget what was counted here: for tests."""
        self._muted_until = 0.0
        self._local.clear()

    def _here(self, name: str, minute: int, amount: int, minutes: int) -> int:
        with self._lock:
            for old in [key for key in self._local if key[1] <= minute - MOST_MINUTES]:
                del self._local[old]
            self._local[name, minute] += amount
            return sum(self._local[name, minute - back] for back in range(minutes))


def _shared(name: str, minute: int, amount: int, minutes: int) -> int:
    cache, key = caches[CACHE], f"{name}:{minute}"
    cache.add(key, 0, timeout=(MOST_MINUTES + 1) * WINDOW)
    found = cache.incr(key, amount)
    if minutes > 1:
        before = cache.get_many([f"{name}:{minute - back}" for back in range(1, minutes)])
        found += sum(before.values())
    return int(found)


counts = MinuteCounts()


def seconds_left() -> int:
    """Return the seconds until the next minute begins."""
    return max(1, round(WINDOW - time.time() % WINDOW))


def is_within(request: HttpRequest, door: str, setting: str) -> bool:
    """Return whether the client's address may use that entry point once more this minute."""
    name = f"{door}:{address_of(request)}"
    return counts.take(name, now=time.time()) <= int(project_setting(setting))


def limited(door: str, setting: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Answer 429 with Retry-After where an address asks more often than the setting allows."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if is_within(request, door, setting):
                found: HttpResponse = view(request, *args, **kwargs)
                return found
            refusal = error_page(
                request, status=429, title="Too many calls", reason="Try again in a minute."
            )
            refusal["Retry-After"] = str(seconds_left())
            return refusal

        return answer

    return decorate
