"""Naming jobs in a line of a log: all of a few, some of many."""

from collections.abc import Iterable
from uuid import UUID

MOST = 5


def job_names(ids: Iterable[UUID]) -> str:
    """Return `job a`, `2 jobs (a, b)` or `9 jobs (a, b, c, d, e and 4 more)`."""
    found = [str(job_id) for job_id in ids]
    if len(found) == 1:
        return f"job {found[0]}"
    some = ", ".join(found[:MOST])
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return f"{len(found)} jobs ({some}{more})"
