"""The nominal times of a schedule: when it fires, whoever looks and whenever. Pure: no Django."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

#: More ticks than this are not walked through one by one; older ones are only estimated.
MOST = 200_000


class Times(Protocol):
    """What every kind of schedule answers."""

    def after(self, moment: datetime) -> datetime | None:
        """Return the first tick later than `moment`, or None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so often, counted from an anchor: the first tick is one period after it."""

    anchor: datetime
    every: timedelta

    def after(self, moment: datetime) -> datetime | None:
        """Return the first tick later than `moment`: it never drifts."""
        return self.anchor + max((moment - self.anchor) // self.every + 1, 1) * self.every


@dataclass(frozen=True, slots=True)
class Once:
    """At one moment."""

    at: datetime

    def after(self, moment: datetime) -> datetime | None:
        """Return the moment, unless it is past."""
        return self.at if self.at > moment else None


@dataclass(frozen=True, slots=True)
class Within:
    """Another schedule's ticks from `start` on and before `end`."""

    times: Times
    start: datetime | None = None
    end: datetime | None = None

    def after(self, moment: datetime) -> datetime | None:
        """Return the first tick later than `moment`, if it is not past the end."""
        if self.start is not None:
            moment = max(moment, self.start - timedelta(microseconds=1))
        tick = self.times.after(moment)
        return None if tick is None or (self.end is not None and tick >= self.end) else tick


@dataclass(frozen=True, slots=True)
class Due:
    """The ticks of a stretch of time: the newest ones, and how many came before them."""

    ticks: tuple[datetime, ...]
    cut: int = 0
    cut_since: datetime | None = None


def ticks_between(times: Times, after: datetime, until: datetime) -> Iterator[datetime]:
    """Iterate over the ticks later than `after`, up to and including `until`."""
    tick = times.after(after)
    while tick is not None and tick <= until:
        yield tick
        tick = times.after(tick)


def due_ticks(times: Times, after: datetime, until: datetime, *, keep: int) -> Due:
    """Return the ticks of the stretch, the newest `keep` one by one and the others counted."""
    if isinstance(inner := _inner(times), Interval) and (until - after) // inner.every > keep:
        return _due_by_arithmetic(times, inner, after, until, keep)
    newest: deque[datetime] = deque(maxlen=keep)
    first, count = None, 0
    for tick in ticks_between(times, after, until):
        first = first or tick
        count += 1
        newest.append(tick)
        if count >= MOST:
            return _after_a_jump(times, first, count, until, keep)
    cut = count - len(newest)
    return Due(tuple(newest), cut, first if cut else None)


def _inner(times: Times) -> Times:
    return times.times if isinstance(times, Within) else times


def _due_by_arithmetic(
    times: Times, inner: Interval, after: datetime, until: datetime, keep: int
) -> Due:
    """Count an interval's ticks without walking through them."""
    first = times.after(after)
    end = until
    if isinstance(times, Within) and times.end is not None:
        end = min(end, times.end - timedelta(microseconds=1))
    if first is None or first > end:
        return Due(())
    count = (end - first) // inner.every + 1
    kept = min(count, keep)
    last = first + (count - 1) * inner.every
    ticks = tuple(last - n * inner.every for n in reversed(range(kept)))
    return Due(ticks, count - kept, first if count > kept else None)


def _after_a_jump(times: Times, first: datetime, count: int, until: datetime, keep: int) -> Due:
    """Give up counting: look for the newest ticks from the other end, in growing steps."""
    span = timedelta(hours=1)
    while True:
        newest = deque(ticks_between(times, until - span, until), maxlen=keep)
        if len(newest) >= keep or until - span <= first:
            return Due(tuple(newest), count - len(newest), first)
        span *= 4
