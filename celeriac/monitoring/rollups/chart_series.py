"""Reading roll-ups: series for charts, over one of three windows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.monitoring.models import ErrorRollup, Sample
from celeriac.monitoring.rollups import rolling
from celeriac.monitoring.rollups.buckets import Histogram, percentile

PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
#: Error classes shown one by one.
CLASSES = 12

_COUNTS = f"""
SELECT at, queue, sum(succeeded), sum(failed), sum(lost), sum(dead), sum(cancelled)
FROM {tables.ROLLUP} WHERE span = %(span)s AND at >= %(since)s AND at < %(until)s GROUP
BY 1, 2
"""
_HISTOGRAM = f"""
SELECT r.at, b.key::int, sum(b.value::bigint)
FROM {tables.ROLLUP} r, jsonb_each_text(r.{{column}}) b
WHERE r.span = %(span)s AND r.at >= %(since)s AND r.at < %(until)s GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time up to the last closed minute, and the span of one point in it."""

    name: str
    label: str
    length: timedelta
    span: int


WINDOWS = {
    window.name: window
    for window in (
        Window("15m", "15 minutes", timedelta(minutes=15), rolling.MINUTE),
        Window("6h", "6 hours", timedelta(hours=6), rolling.FIVE_MINUTES),
        Window("7d", "7 days", timedelta(days=7), rolling.HOUR),
    )
}

#: One line: a value for each point, None where nothing is known.
Series = dict[str, list[float | None]]


@dataclass(frozen=True, slots=True)
class Frame:
    """The points of a window: their moments, and the bounds to ask for."""

    window: Window
    moments: list[datetime]
    upto: datetime

    @classmethod
    def of(cls, window: Window, upto: datetime) -> "Frame":
        """Return the window's points up to a closed minute; the last may still be filling."""
        span = timedelta(seconds=window.span)
        last = _floor(upto - timedelta(microseconds=1), window.span)
        count = int(window.length / span)
        return cls(window, [last - span * n for n in reversed(range(count))], upto)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statements ask for."""
        until = self.moments[-1] + timedelta(seconds=self.window.span)
        return {"span": self.window.span, "since": self.moments[0], "until": until}

    def minutes(self, at: datetime) -> float:
        """Return how many minutes of a point are over: of the last perhaps not all."""
        whole = timedelta(seconds=self.window.span)
        return min(whole, self.upto - at) / timedelta(minutes=1)

    def line(self, values: dict[datetime, float], empty: float | None) -> list[float | None]:
        """Return the values point by point."""
        return [values.get(moment, empty) for moment in self.moments]


def ended_counts(frame: Frame) -> tuple[Series, Series]:
    """Return finished jobs by queue, and what went wrong by outcome, each a minute's mean."""
    done: dict[str, dict[datetime, float]] = defaultdict(dict)
    bad: dict[str, dict[datetime, float]] = {name: {} for name in ("failed", "lost", "dead")}
    for at, queue, succeeded, *outcomes, _cancelled in fetch_rows(_COUNTS, frame.parameters):
        minutes = frame.minutes(at)
        done[queue][at] = int(succeeded) / minutes
        for name, count in zip(bad, outcomes, strict=True):
            bad[name][at] = bad[name].get(at, 0.0) + int(count) / minutes
    return _lines(frame, done, 0.0), _lines(frame, bad, 0.0)


def percentile_series(frame: Frame, column: str) -> Series:
    """Return the percentiles of `wait` or `run` in seconds; None where nothing ended."""
    found: dict[datetime, dict[int, int]] = defaultdict(dict)
    for at, bucket, count in fetch_rows(_HISTOGRAM.format(column=column), frame.parameters):
        found[at][bucket] = int(count)
    return {
        name: [_percentile(found.get(moment), share) for moment in frame.moments]
        for name, share in PERCENTILES.items()
    }


def queue_samples(frame: Frame) -> tuple[Series, Series]:
    """Return by queue how many waited, and the age of the oldest; None where nobody looked."""
    waiting: dict[str, dict[datetime, float]] = defaultdict(dict)
    oldest: dict[str, dict[datetime, float]] = defaultdict(dict)
    asked = frame.parameters
    rows = Sample.objects.filter(
        span=asked["span"], at__gte=asked["since"], at__lt=asked["until"]
    ).values_list("at", "queue", "waiting", "oldest")
    for at, queue, count, age in rows:
        waiting[queue][at] = float(count)
        oldest[queue][at] = age
    return _lines(frame, waiting, None), _lines(frame, oldest, None)


def death_series(frame: Frame) -> list[tuple[str, list[float | None]]]:
    """Return the classes of error that jobs died of, those with most first, point by point."""
    found: dict[str, dict[datetime, float]] = defaultdict(dict)
    asked = frame.parameters
    rows = ErrorRollup.objects.filter(
        span=asked["span"], at__gte=asked["since"], at__lt=asked["until"]
    ).values_list("at", "error_class", "dead")
    for at, error_class, count in rows:
        found[error_class][at] = float(count)
    order = sorted(found, key=lambda name: (-sum(found[name].values()), name))[:CLASSES]
    return [(name, frame.line(found[name], 0.0)) for name in order]


def _lines(frame: Frame, found: dict[str, dict[datetime, float]], empty: float | None) -> Series:
    return {name: frame.line(found[name], empty) for name in _ordered(found)}


def _ordered(names: Iterable[str]) -> Sequence[str]:
    known = ("failed", "lost", "dead")
    return sorted(names, key=lambda name: (known.index(name) if name in known else 0, name))


def _percentile(histogram: Histogram | None, share: float) -> float | None:
    return percentile(histogram, share) if histogram else None


def _floor(moment: datetime, span: int) -> datetime:
    """Return the start of the span that holds the moment (spans begin where clocks do, in UTC)."""
    return moment - timedelta(seconds=moment.timestamp() % span)
