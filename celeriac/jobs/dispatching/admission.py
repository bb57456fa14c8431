"""What the dispatcher asks the ledger before it rings: the hot SQL of admission.

Every statement goes by an index over queued or running rows, so that none grows
with history. A queue is read one priority at a time, from a cursor that stands
after the last job looked at.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from celeriac.breakers.sql import BLOCKED, UNSETTLED
from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.dispatching.pending_doorbells import ProbeResult
from celeriac.jobs.holds import HOLDS, HoldReason, free_condition, pause_condition
from celeriac.jobs.running import prepared

Position = tuple[datetime, UUID]
#: Before every job.
START: Position = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


class Candidate(NamedTuple):
    """A due job that may be rung."""

    id: UUID
    kind: str
    run_at: datetime
    losses: int
    lock_key: str | None
    version: str

    @property
    def position(self) -> Position:
        """Where a scan stands that has looked at this job."""
        return self.run_at, self.id


class QueueStatus(NamedTuple):
    """A queue's row as the dispatcher sees it."""

    name: str
    window: float
    held: bool
    paused: bool


class RoundSnapshot(NamedTuple):
    """What holds for one round: the queues, the circuits that let nothing through, the time."""

    queues: dict[str, QueueStatus]
    blocked: frozenset[str]
    now: float  # the database's clock, epoch seconds
    #: Circuits that are not plainly closed: the blocked ones, half-open ones, ramps.
    unsettled: frozenset[str] = frozenset()


class Scan(NamedTuple):
    """The candidates found, the cursor behind them, and whether the walk met its limit."""

    found: list[Candidate]
    position: Position
    more: bool


SNAPSHOT = f"""
SELECT q.name, q."window",
       q.holder = %(me)s AND q.lease_until > (SELECT {NOW}),
       {pause_condition("q.paused_at", "q.paused_until")},
       ARRAY({BLOCKED})::text[],
       extract(epoch FROM (SELECT {NOW}))::float8,
       ARRAY(SELECT b.name FROM {tables.BREAKER} b WHERE {UNSETTLED})::text[]
FROM {tables.QUEUE} q
"""


def scan_statement(holds: Sequence[HoldReason]) -> str:
    """Return the walk that finds what none of `holds` holds.

    The row that ends it comes along whatever it is: the cursor moves behind it.
    """
    return f"""
SELECT id, kind, run_at, losses, lock_key, version, ringable, walked
FROM (
    SELECT j.id, j.kind, j.run_at, j.losses, j.lock_key, j.version,
           {_free(holds)} AS ringable,
           row_number() OVER () AS place,
           count(*) OVER () AS walked
    FROM (
        SELECT *, xmin::text AS version
        FROM {tables.JOB}
        WHERE state = 'queued' AND queue = %(queue)s AND priority = %(priority)s
          AND run_at <= (SELECT {NOW})
          AND (run_at, id) > (%(after_run_at)s, %(after_id)s)
          AND (run_at, id) <= (%(until_run_at)s, %(until_id)s)
        ORDER BY run_at, id
        LIMIT %(limit)s
    ) j
) walk
WHERE ringable OR place = walked
ORDER BY place
"""


def by_id_statement(holds: Sequence[HoldReason]) -> str:
    """Return the query for those of some ids that none of `holds` holds."""
    return f"""
SELECT j.id, j.kind, j.run_at, j.losses, j.lock_key, j.xmin::text
FROM {tables.JOB} j
WHERE j.id = ANY(%(ids)s) AND j.state = {prepared.QUEUED} AND j.queue = %(queue)s
  AND j.run_at <= (SELECT {NOW}) AND {_free(holds)}
ORDER BY j.priority DESC, j.run_at, j.id
"""


def _free(holds: Sequence[HoldReason]) -> str:
    return free_condition([hold for hold in holds if hold.when_ringing])


SCAN, BY_ID = scan_statement(HOLDS), by_id_statement(HOLDS)

PROBE = f"""
SELECT id, xmin::text, run_at <= (SELECT {NOW}) FROM {tables.JOB}
WHERE id = ANY(%(ids)s::uuid[]) AND state = {prepared.QUEUED}
"""

QUEUES_OF = f"""
SELECT id, queue FROM {tables.JOB}
WHERE id = ANY(%(ids)s) AND state = {prepared.QUEUED} AND queue = ANY(%(queues)s)
"""

#: A skip scan: one descent of the index for every priority that has queued rows.
LEVELS = f"""
WITH RECURSIVE levels(queue, priority) AS (
    SELECT q, (SELECT priority FROM {tables.JOB}
               WHERE state = 'queued' AND queue = q ORDER BY priority DESC LIMIT 1)
    FROM unnest(%(queues)s::text[]) AS q
    UNION ALL
    SELECT l.queue, (SELECT j.priority FROM {tables.JOB} j
                     WHERE j.state = 'queued' AND j.queue = l.queue AND j.priority < l.priority
                     ORDER BY j.priority DESC LIMIT 1)
    FROM levels l WHERE l.priority IS NOT NULL
)"""
PRIORITIES = f"{LEVELS} SELECT queue, priority FROM levels WHERE priority IS NOT NULL"

NEXT_OF_LOCK = f"""
SELECT j.id, j.queue
FROM unnest(%(locks)s::text[]) AS l(key)
CROSS JOIN LATERAL (
    SELECT id, queue FROM {tables.JOB}
    WHERE state = 'queued' AND lock_key = l.key AND queue = ANY(%(queues)s)
      AND run_at <= (SELECT {NOW})
    ORDER BY priority DESC, run_at, id
    LIMIT 1
) j
"""


def read_snapshot(me: UUID, *, ramp: float) -> RoundSnapshot:
    """Return the queues' rows, the circuits and the time; `ramp` is the longest one's seconds."""
    parameters = {"me": me, "ramp": ramp}
    rows = prepared.fetch_rows(SNAPSHOT, parameters, slow=True)
    queues = {row[0]: QueueStatus(row[0], row[1], bool(row[2]), bool(row[3])) for row in rows}
    if not rows:
        return RoundSnapshot({}, frozenset(), 0.0)
    blocked, now, unsettled = rows[0][4:]
    return RoundSnapshot(queues, frozenset(blocked), now, frozenset(unsettled))


def scan_queue(
    *,
    queue: str,
    priority: int,
    kinds: Sequence[str],
    after: Position,
    limit: int,
    until: Position | None = None,
) -> Scan:
    """Walk up to `limit` due jobs behind the cursor `after`, up to `until` where given."""
    last = until or (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
    rows = prepared.fetch_rows(
        SCAN,
        {
            "queue": queue,
            "priority": priority,
            "kinds": list(kinds),
            "after_run_at": after[0],
            "after_id": after[1],
            "until_run_at": last[0],
            "until_id": last[1],
            "limit": limit,
        },
    )
    if not rows:
        return Scan([], after, False)
    end = rows[-1]
    found = [Candidate._make(row[:6]) for row in rows if row[6]]
    return Scan(found, (end[2], end[0]), end[7] >= limit)


def candidates_by_id(*, ids: Iterable[UUID], queue: str, kinds: Sequence[str]) -> list[Candidate]:
    """Return those of `ids` that may be rung into the queue now."""
    rows = prepared.fetch_rows(BY_ID, {"ids": list(ids), "queue": queue, "kinds": list(kinds)})
    return [Candidate._make(row) for row in rows]


def probe_jobs(ids: Iterable[UUID]) -> dict[UUID, ProbeResult]:
    """Return those of `ids` that are still queued."""
    return {
        row[0]: ProbeResult(row[1], row[2])
        for row in prepared.fetch_rows(PROBE, {"ids": prepared.UUIDArray(ids)})
    }


def queues_of(*, ids: Iterable[UUID], queues: Iterable[str]) -> list[tuple[UUID, str]]:
    """Return the queue of each of `ids` that waits in one of `queues`."""
    rows = prepared.fetch_rows(QUEUES_OF, {"ids": list(ids), "queues": list(queues)})
    return [(row[0], row[1]) for row in rows]


def queued_priorities(queues: Iterable[str]) -> dict[str, set[int]]:
    """Return the priorities of which each queue has queued jobs."""
    found: dict[str, set[int]] = {}
    parameters = {"queues": list(queues)}
    for queue, priority in prepared.fetch_rows(PRIORITIES, parameters, slow=True):
        found.setdefault(queue, set()).add(priority)
    return found


def next_of_lock(*, locks: Iterable[str], queues: Iterable[str]) -> list[tuple[UUID, str]]:
    """Return the first due job behind each lock, with its queue."""
    parameters = {"locks": list(locks), "queues": list(queues)}
    return [(row[0], row[1]) for row in prepared.fetch_rows(NEXT_OF_LOCK, parameters)]
