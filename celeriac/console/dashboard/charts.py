"""The charts' series: read again only when a minute has been added to them."""

from datetime import datetime
from typing import Any

from celeriac.monitoring.rollups import chart_series
from celeriac.monitoring.rollups.chart_series import Frame, Series

DEFAULT = "6h"


def charts_version(window: str, upto: datetime) -> str:
    """Return what changes exactly when the series do."""
    return f"{window}:{int(upto.timestamp())}"


def draw_series(window: str, upto: datetime) -> dict[str, Any]:
    """Return the series of a window whose last closed minute ends at `upto`."""
    frame = Frame.of(chart_series.WINDOWS[window], upto)
    done, bad = chart_series.ended_counts(frame)
    waiting, oldest = chart_series.queue_samples(frame)
    return {
        "version": charts_version(window, upto),
        "upto": upto,
        "moments": [int(moment.timestamp()) for moment in frame.moments],
        "span": frame.window.span,
        "backlog": _rounded(waiting),
        "oldest": _rounded(oldest),
        "throughput": _rounded(done),
        "failures": _rounded(bad),
        "wait": _rounded(chart_series.percentile_series(frame, "wait")),
        "run": _rounded(chart_series.percentile_series(frame, "run")),
        "deaths": [
            {
                "error_class": name or "(unknown)",
                "points": points,
                "count": sum(int(point or 0) for point in points),
            }
            for name, points in chart_series.death_series(frame)
        ],
    }


def _rounded(series: Series) -> Series:
    """Four digits are all that a chart can show."""
    return {
        name: [None if point is None else float(f"{point:.4g}") for point in points]
        for name, points in series.items()
    }
