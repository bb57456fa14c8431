"""Chance that repeats itself: the same seed and key always roll the same number."""

import hashlib

_SPAN = 2**64


def roll(seed: int, *key: object) -> float:
    """Return a number in [0, 1) that depends on nothing but the seed and the key."""
    text = "\x1f".join(str(part) for part in (seed, *key))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / _SPAN
