"""Chance that repeats itself: the same seed and key always roll the same number."""

import hashlib
import threading
from collections import OrderedDict

_SPAN = 2**64
MAX_KEYS = 100_000


def roll(seed: int, *key: object) -> float:
    """Return a number in [0, 1) that depends on nothing but the seed and the key."""
    text = "\x1f".join(str(part) for part in (seed, *key))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / _SPAN


class Turns:
    """Counts how often each key came, so that a retry rolls anew; bounded, safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: OrderedDict[str, int] = OrderedDict()

    def next(self, key: str) -> int:
        """Return how often the key came before, and count this time."""
        with self._lock:
            turn = self._turns.pop(key, 0)
            self._turns[key] = turn + 1
            if len(self._turns) > MAX_KEYS:
                self._turns.popitem(last=False)
            return turn

    def clear(self) -> None:
        """Forget all keys."""
        with self._lock:
            self._turns.clear()
