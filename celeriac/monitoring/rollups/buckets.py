"""Histograms of durations. Pure.

Bucket n holds what is longer than FIRST·RATIO^(n-1) and not longer than FIRST·RATIO^n
seconds, bucket 0 everything up to FIRST, the last one everything above. Buckets of two
spans add up, so percentiles over any window are as good as those of a single minute:
within the width of a bucket.
"""

from collections.abc import Mapping

FIRST = 0.001
RATIO = 1.2
LAST = 110  # 0.001 s · 1.2^110 is six days

#: Merged buckets: how many durations by bucket number.
Histogram = Mapping[int, int]


def bucket_bounds(bucket: int) -> tuple[float, float]:
    """Return what lies in a bucket: longer than the first, not longer than the second, seconds."""
    return (0.0 if bucket == 0 else FIRST * RATIO ** (bucket - 1), FIRST * RATIO**bucket)


def percentile(histogram: Histogram, share: float) -> float | None:
    """Return the duration in seconds that `share` of all (0 to 1) do not exceed; None of none.

    Within the bucket durations are taken to be spread evenly.
    """
    total = sum(histogram.values())
    if not total:
        return None
    rank, seen = share * total, 0
    for bucket in sorted(histogram):
        count = histogram[bucket]
        if count and seen + count >= rank:
            lower, upper = bucket_bounds(bucket)
            return lower + (upper - lower) * (rank - seen) / count
        seen += count
    return bucket_bounds(max(histogram))[1]


def bucket_of(seconds: str) -> str:
    """Return SQL for the bucket of an SQL expression in seconds."""
    logarithm = f"ln(greatest({seconds}, {FIRST}) / {FIRST}) / ln({RATIO})"
    return f"least({LAST}, ceil(round(({logarithm})::numeric, 9)))::int"
