"""What this process has counted since it was last published: counters that only grow, by series.

A series is a name with the values of its labels. A counter has one number, a histogram one for
each bucket, one for what is longer, and one for the sum in microseconds.
"""

import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Callable, MutableSequence, Sequence
from typing import Protocol

Series = tuple[str, ...]
Cells = MutableSequence[int]

#: Upper ends of a histogram's buckets, in seconds.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
#: Numbers of a histogram: the buckets, the rest, the sum.
SPAN = len(BOUNDS) + 2
_SUM = SPAN - 1


class CounterStore(Protocol):
    """Where the counters are."""

    counters: Cells
    at: dict[Series, int]

    def make(self, series: Series, size: int) -> int | None:
        """Make the counters of a new series; return the first one's place, None if full."""


class MemoryStore:
    """Counters in the process' own memory, which are taken out as they are told."""

    def __init__(self) -> None:
        self.counters: Cells = array("Q")
        self.at: dict[Series, int] = {}
        self.sizes: dict[Series, int] = {}

    def make(self, series: Series, size: int) -> int | None:
        """Make the counters of a new series; return the first one's place."""
        place = len(self.counters)
        self.counters.extend([0] * size)
        self.at[series], self.sizes[series] = place, size
        return place


class ProcessCounters:
    """The counters of one process."""

    def __init__(self) -> None:
        self.store: CounterStore = MemoryStore()
        self._lock = threading.Lock()
        #: Called when something is counted for the first time.
        self.on_first: Callable[[], None] | None = None

    def add(self, series: Series, amount: int = 1) -> None:
        """Count `amount` more."""
        with self._lock:
            place = self._place(series, 1)
            if place is not None:
                self.store.counters[place] += amount

    def observe(self, series: Series, seconds: Sequence[float]) -> None:
        """Take times into a histogram."""
        if not seconds:
            return
        news = [0] * SPAN
        for each in seconds:
            news[bisect_left(BOUNDS, each)] += 1
        news[_SUM] = max(0, round(sum(seconds) * 1_000_000))
        with self._lock:
            place = self._place(series, SPAN)
            if place is None:
                return
            counters = self.store.counters
            for number, value in enumerate(news, place):
                if value:
                    counters[number] += value

    def take(self) -> dict[Series, list[int]]:
        """Return what was counted since the last time, by series; counters that are shared stay."""
        with self._lock:
            store = self.store
            if not isinstance(store, MemoryStore):
                return {}
            found = {}
            for series, place in store.at.items():
                values = list(store.counters[place : place + store.sizes[series]])
                if any(values):
                    found[series] = values
            store.counters = array("Q", bytes(8 * len(store.counters)))
            return found

    def move_to(self, store: CounterStore) -> None:
        """Count into another store from now on, taking along what was not told yet."""
        taken = self.take()
        with self._lock:
            self.store = store
            for series, values in taken.items():
                place = self._place(series, len(values))
                for number, value in enumerate(values):
                    if place is not None:
                        store.counters[place + number] += value

    def forget(self) -> None:
        """Start anew, as in a fork: what was counted so far is for the parent to tell."""
        self._lock = threading.Lock()
        self.store = MemoryStore()

    def _place(self, series: Series, size: int) -> int | None:
        place = self.store.at.get(series)
        if place is not None:
            return place
        if self.on_first is not None and isinstance(self.store, MemoryStore):
            self.on_first()
        return self.store.make(series, size)


#: This process'.
process = ProcessCounters()
add = process.add
observe = process.observe
os.register_at_fork(after_in_child=process.forget)
