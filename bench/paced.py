"""Jobs at a fixed pace, and how long after their commits they started."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.backends import Backend
from bench.percentiles import percentiles
from bench.timestamps import Timestamps


def enqueue_paced(side: Backend, numbers: Sequence[int], gap: float) -> list[int]:
    """Commit one job after the other, `gap` seconds apart; return when each was committed (ns).

    A side that is slower than the pace makes up for it; the backlog counts as its own.
    """
    committed = []
    due = time.monotonic()
    for number in numbers:
        due += gap
        time.sleep(max(0.0, due - time.monotonic()))
        committed.append(side.enqueue(number))
    return committed


def waits_ms(
    timestamps: Timestamps, numbers: Sequence[int], committed: Sequence[int]
) -> list[float]:
    """Return the milliseconds from each commit to the first line of its handler."""
    return [(timestamps[number] - at) / 1e6 for number, at in zip(numbers, committed, strict=True)]


def by_kind(
    kinds: Sequence[str], numbers: Sequence[int], waits: Sequence[float]
) -> Mapping[str, Any]:
    """Return the percentiles of each kind, where a row has several."""
    if len(kinds) == 1:
        return {}
    sorted_waits: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number, wait in zip(numbers, waits, strict=True):
        sorted_waits[kinds[number % len(kinds)]].append(wait)
    return {"by_kind": {kind: percentiles(each) for kind, each in sorted_waits.items()}}
