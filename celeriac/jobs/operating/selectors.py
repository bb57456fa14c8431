"""Reading the ledger: what stands where, and how fast it moves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_rows
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.holds import HOLDS, HoldReason, hold_parameters, parking_code
from celeriac.jobs.models import Queue
from celeriac.jobs.operating.circuits import Hold, holds_by_queue


def depth_statement(reasons: Sequence[HoldReason]) -> str:
    """Return one pass over the queued rows; what `reasons` look at are small sets beside them."""
    return f"""
WITH moment AS MATERIALIZED (SELECT {NOW} AS now),
waiting AS (
    SELECT j.queue, j.run_at, j.run_at <= now AS due, j.attempt,
           {parking_code(reasons)} <> '' AS parked
    FROM {tables.JOB} j, moment WHERE j.state = 'queued'
    OFFSET 0  -- or what holds a row would be asked once for each count below
)
SELECT queue,
    count(*) FILTER (WHERE NOT parked AND attempt = 0 AND due) AS queued,
    count(*) FILTER (WHERE NOT parked AND attempt = 0 AND NOT due) AS scheduled,
    count(*) FILTER (WHERE NOT parked AND attempt > 0) AS retrying,
    count(*) FILTER (WHERE parked) AS parked,
    0::bigint AS running,
    extract(epoch FROM (SELECT now FROM moment) - min(run_at) FILTER (WHERE due))::float8
FROM waiting GROUP BY queue
UNION ALL
SELECT queue, 0, 0, 0, 0, count(*), NULL FROM {tables.JOB} WHERE state = 'running' GROUP BY
    queue
"""


_RECENT = f"""
SELECT kind, state, count(*),
    percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM finished_at - started_at)::float8)
FROM {tables.JOB}
WHERE finished_at > {NOW} - make_interval(secs => %s)
GROUP BY kind, state ORDER BY kind, state
"""


@dataclass(slots=True)
class Depth:
    """What a queue holds, by the views of a queued job, and the age of its oldest due one."""

    queue: str
    queued: int = 0
    scheduled: int = 0
    retrying: int = 0
    parked: int = 0
    running: int = 0
    oldest_seconds: float | None = None
    paused: bool = False
    paused_by: str = ""
    pause_reason: str = ""
    paused_until: datetime | None = None
    #: The circuits that hold jobs of the queue back, or let them go slowly.
    circuits: list[Hold] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """How many jobs are queued, whatever for."""
        return self.queued + self.scheduled + self.retrying + self.parked


@dataclass(frozen=True, slots=True)
class Recent:
    """How the jobs of one kind ended lately (times in seconds, of runs that started)."""

    kind: str
    state: str
    count: int
    median_seconds: float | None
    p99_seconds: float | None


def queue_depths(reasons: Sequence[HoldReason] = HOLDS) -> list[Depth]:
    """Return every queue that is declared or holds jobs, by name."""
    found = {name: Depth(name) for name in queue_names()}
    for queue, *counts, oldest in fetch_rows(depth_statement(reasons), hold_parameters()):
        _add(found.setdefault(queue, Depth(queue)), counts, oldest)
    for queue, kept in holds_by_queue().items():
        found.setdefault(queue, Depth(queue)).circuits = kept
    for row in Queue.objects.paused():
        depth = found.setdefault(row.name, Depth(row.name))
        depth.paused, depth.paused_by = True, row.paused_by
        depth.pause_reason, depth.paused_until = row.pause_reason, row.paused_until
    return [found[name] for name in sorted(found)]


def recent_endings(*, seconds: float = 300.0) -> list[Recent]:
    """Return how jobs ended in the last `seconds`, by kind and state."""
    return [
        Recent(kind, state, count, *(percentiles or (None, None)))
        for kind, state, count, percentiles in fetch_rows(_RECENT, [seconds])
    ]


def _add(depth: Depth, counts: list[int], oldest: float | None) -> None:
    names = ("queued", "scheduled", "retrying", "parked", "running")
    for name, count in zip(names, counts, strict=True):
        setattr(depth, name, getattr(depth, name) + count)
    if oldest is not None:
        depth.oldest_seconds = oldest
