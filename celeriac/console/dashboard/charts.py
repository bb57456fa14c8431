"""The charts' series: read again only when a minute has been added to them."""

from datetime import datetime
from typing import Any

from celeriac.monitoring.rollups import read
from celeriac.monitoring.rollups.read import Frame, Series

DEFAULT = "6h"


def version(window: str, upto: datetime) -> str:
    """Return what changes exactly when the series do."""
    return f"{window}:{int(upto.timestamp())}"


def draw(window: str, upto: datetime) -> dict[str, Any]:
    """Return the series of a window whose last closed minute ends at `upto`."""
    frame = Frame.of(read.WINDOWS[window], upto)
    done, bad = read.counts(frame)
    waiting, oldest = read.samples(frame)
    return {
        "version": version(window, upto),
        "upto": upto,
        "moments": [int(moment.timestamp()) for moment in frame.moments],
        "span": frame.window.span,
        "backlog": _rounded(waiting),
        "oldest": _rounded(oldest),
        "throughput": _rounded(done),
        "failures": _rounded(bad),
        "wait": _rounded(read.percentiles(frame, "wait")),
        "run": _rounded(read.percentiles(frame, "run")),
        "deaths": [
            {
                "error_class": name or "(unknown)",
                "points": points,
                "count": sum(int(point or 0) for point in points),
            }
            for name, points in read.deaths(frame)
        ],
    }


def _rounded(series: Series) -> Series:
    """Four digits are all that a chart can show."""
    return {
        name: [None if point is None else float(f"{point:.4g}") for point in points]
        for name, points in series.items()
    }
