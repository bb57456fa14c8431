"""So many calls a minute for each account.

Counted in the cache, for all processes together. A cache that is away must not
hold a call up: each process then counts for itself, and asks again after a while.
"""

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.api.models import ServiceAccount
from apps.core.client import address_of

if TYPE_CHECKING:
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

WINDOW = 60
MUTED_FOR = 5.0
CACHE = "api"


class Throttle(BaseThrottle):
    """Counts by account; calls that show no token by the address they come from."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Return whether the call is within the account's rate."""
        account: ServiceAccount | None = getattr(request._request, "api_account", None)
        if account is None:
            name, limit = (
                f"at:{address_of(request._request)}",
                int(settings.API_TOKEN_CALLS_PER_MINUTE),
            )
        else:
            limit = int(account.rate_per_minute or settings.API_CALLS_PER_MINUTE)
            name = account.scope
        return counts.take(name, now=time.time()) <= limit

    def wait(self) -> float:
        """Return the seconds until the next minute begins."""
        return WINDOW - time.time() % WINDOW


class Counts:
    """Calls in the running minute: in the cache, or in this process while that is away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local: Counter[str] = Counter()
        self._minute = 0
        self._muted_until = 0.0

    def take(self, name: str, *, now: float) -> int:
        """Count a call and return how many the minute has seen."""
        minute = int(now // WINDOW)
        if time.monotonic() < self._muted_until:
            return self._here(name, minute)
        try:
            return _shared(f"{name}:{minute}")
        except Exception as error:  # whatever the cache's client raises: counting is a courtesy
            self._muted_until = time.monotonic() + MUTED_FOR
            logger.warning("calls are counted by process for %.0f s: %s", MUTED_FOR, error)
            return self._here(name, minute)

    def reset(self) -> None:
        """Ask the cache again at once, and forget what was counted here: for tests."""
        self._muted_until = 0.0
        self._local.clear()

    def _here(self, name: str, minute: int) -> int:
        with self._lock:
            if minute != self._minute:
                self._local.clear()
                self._minute = minute
            self._local[name] += 1
            return self._local[name]


def _shared(key: str) -> int:
    cache = caches[CACHE]
    cache.add(key, 0, timeout=2 * WINDOW)
    return cache.incr(key)


counts = Counts()
