"""The middle and the slow end of what was timed."""

import statistics
from collections.abc import Sequence


def percentiles(waits: Sequence[float], prefix: str = "latency_ms") -> dict[str, float]:
    """Return the p50 and p99."""
    if len(waits) < 2:
        return {}
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return {f"{prefix}_p50": cuts[49], f"{prefix}_p99": cuts[98]}
