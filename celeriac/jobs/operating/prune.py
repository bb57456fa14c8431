"""Pruning: finished jobs go when their kind's retention has passed, keys and attempts with them.

In small batches, each a statement of its own that skips what others hold. A
job stays as long as one of its idempotency keys is younger than
IDEMPOTENCY_DAYS: a caller may still repeat the call.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_row, fetch_rows
from celeriac.jobs import registry
from celeriac.jobs.states import ENDINGS, TERMINAL
from celeriac.settings import conf

BATCH = 1000

#: Kinds with finished rows: one index probe for each (a loose index scan).
ENDED_KINDS = f"""
WITH RECURSIVE kinds(kind) AS (
    (SELECT kind FROM {tables.JOB} WHERE finished_at IS NOT NULL ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT (SELECT j.kind FROM {tables.JOB} j
            WHERE j.finished_at IS NOT NULL AND j.kind > kinds.kind ORDER BY j.kind LIMIT 1)
    FROM kinds WHERE kinds.kind IS NOT NULL
)"""
_KINDS = f"{ENDED_KINDS} SELECT kind FROM kinds WHERE kind IS NOT NULL"

#: Looks at one page of a kind's oldest finished rows, from where the last page ended.
_PRUNE = f"""
WITH page AS MATERIALIZED (
    SELECT id, finished_at, state FROM {tables.JOB}
    WHERE kind = %(kind)s AND finished_at IS NOT NULL
      AND finished_at < {NOW} - make_interval(secs => %(days)s * 86400)
      AND finished_at < %(before)s::timestamptz
      AND (finished_at, id) > (%(after)s::timestamptz, %(after_id)s)
    ORDER BY finished_at, id LIMIT %(batch)s
), doomed AS MATERIALIZED (
    SELECT j.id FROM {tables.JOB} j JOIN page USING (id)
    WHERE j.finished_at IS NOT NULL AND j.state = ANY(%(states)s)
      AND (j.node IS NULL OR NOT EXISTS (
          SELECT FROM {tables.NODE} n JOIN {tables.NODE} f ON f.id = n.flow
          WHERE n.id = j.node AND f.closed_at IS NULL))
      AND NOT EXISTS (
          SELECT FROM {tables.JOB_KEY} k
          WHERE k.job_id = j.id
            AND k.created_at > {NOW} - make_interval(secs => %(key_days)s * 86400))
    ORDER BY j.id
    FOR UPDATE OF j SKIP LOCKED
), attempts AS (
    DELETE FROM {tables.ATTEMPT} a USING doomed WHERE a.job_id = doomed.id RETURNING 1
), keys AS (
    DELETE FROM {tables.JOB_KEY} k USING doomed WHERE k.job_id = doomed.id RETURNING 1
), terms AS (
    DELETE FROM {tables.SEARCH_TERM} t USING doomed WHERE t.job_id = doomed.id
), calls AS (
    DELETE FROM {tables.LARGE_CALL} c USING doomed WHERE c.job_id = doomed.id
), jobs AS (
    DELETE FROM {tables.JOB} j USING doomed WHERE j.id = doomed.id RETURNING 1
)
SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM attempts), (SELECT count(*) FROM keys),
    (SELECT count(*) FROM page), last.finished_at, last.id
FROM (VALUES (1)) AS one LEFT JOIN (
    SELECT finished_at, id FROM page ORDER BY finished_at DESC, id DESC LIMIT 1
) AS last ON true
"""

#: Keys whose job was deleted otherwise, by hand or with an archive.
_ORPHANS = f"""
WITH page AS MATERIALIZED (
    SELECT id, job_id, created_at FROM {tables.JOB_KEY}
    WHERE created_at < {NOW} - make_interval(secs => %(key_days)s * 86400)
      AND (created_at, id) > (%(after)s::timestamptz, %(after_id)s)
    ORDER BY created_at, id LIMIT %(batch)s
), doomed AS MATERIALIZED (
    SELECT k.id FROM {tables.JOB_KEY} k JOIN page USING (id)
    WHERE NOT EXISTS (SELECT FROM {tables.JOB} j WHERE j.id = k.job_id)
    FOR UPDATE OF k SKIP LOCKED
), keys AS (
    DELETE FROM {tables.JOB_KEY} k USING doomed WHERE k.id = doomed.id RETURNING 1
)
SELECT 0, 0, (SELECT count(*) FROM keys), (SELECT count(*) FROM page), last.created_at, last.id
FROM (VALUES (1)) AS one LEFT JOIN (
    SELECT created_at, id FROM page ORDER BY created_at DESC, id DESC LIMIT 1
) AS last ON true
"""

#: Flows that have ended, once none of their jobs is left: a key is answered as long as a job's.
_FLOWS = f"""
WITH page AS MATERIALIZED (
    SELECT id, closed_at FROM {tables.NODE}
    WHERE parent IS NULL AND closed_at IS NOT NULL
      AND (closed_at, id) > (%(after)s::timestamptz, %(after_id)s)
    ORDER BY closed_at, id LIMIT %(batch)s
), doomed AS MATERIALIZED (
    SELECT f.id FROM {tables.NODE} f JOIN page USING (id)
    WHERE f.closed_at IS NOT NULL
      AND (f.key IS NULL
           OR f.created_at < {NOW} - make_interval(secs => %(key_days)s * 86400))
      AND NOT EXISTS (
          SELECT FROM {tables.NODE} n JOIN {tables.JOB} j ON j.node = n.id
          WHERE n.flow = f.id AND j.node IS NOT NULL)
    ORDER BY f.id
    FOR UPDATE OF f SKIP LOCKED
), edges AS (
    DELETE FROM {tables.NODE_EDGE} e USING doomed, {tables.NODE} n
    WHERE n.flow = doomed.id AND e.after = n.id
), nodes AS (
    DELETE FROM {tables.NODE} n USING doomed WHERE n.flow = doomed.id
)
SELECT 0, 0, 0, (SELECT count(*) FROM page), last.closed_at, last.id
FROM (VALUES (1)) AS one LEFT JOIN (
    SELECT closed_at, id FROM page ORDER BY closed_at DESC, id DESC LIMIT 1
) AS last ON true
"""

#: Events of which no flow knows any more.
_EMISSIONS = f"""
WITH page AS MATERIALIZED (
    SELECT id, emitted_at FROM {tables.EMISSION}
    WHERE emitted_at < {NOW} - make_interval(secs => %(days)s * 86400)
      AND (emitted_at, id) > (%(after)s::timestamptz, %(after_id)s)
    ORDER BY emitted_at, id LIMIT %(batch)s
), gone AS (
    DELETE FROM {tables.EMISSION} e USING page
    WHERE e.id = page.id AND NOT EXISTS (SELECT FROM {tables.NODE} n WHERE n.event = e.id)
)
SELECT 0, 0, 0, (SELECT count(*) FROM page), last.emitted_at, last.id
FROM (VALUES (1)) AS one LEFT JOIN (
    SELECT emitted_at, id FROM page ORDER BY emitted_at DESC, id DESC LIMIT 1
) AS last ON true
"""


@dataclass(slots=True)
class Pruned:
    """How many rows went; `complete` is false where the time was up before the end."""

    jobs: int = 0
    attempts: int = 0
    keys: int = 0
    complete: bool = True


def prune_jobs(
    *, batch: int = BATCH, seconds: float = 60.0, before: datetime = datetime.max
) -> Pruned:
    """Delete what has been kept long enough, for at most about `seconds`; return the counts.

    Jobs that ended at `before` or later stay: somebody has yet to count them.
    """
    pruned = Pruned()
    limits: dict[str, Any] = {"batch": batch, "before": before}
    deadline = time.monotonic() + seconds
    for kind in _kinds():
        for states, days in _rules(kind):
            rule = {"kind": kind, "states": states, "days": days}
            _walk(_PRUNE, rule | limits, UUID(int=0), pruned, deadline)
    _walk(_ORPHANS, limits, 0, pruned, deadline)
    _walk(_FLOWS, limits, UUID(int=0), pruned, deadline)
    _walk(_EMISSIONS, limits | {"days": conf.RETENTION_DAYS}, UUID(int=0), pruned, deadline)
    return pruned


def _rules(name: str) -> list[tuple[list[str], float]]:
    """Return which states of a kind are kept for how many days."""
    kind = registry.get_kind(name)
    days = conf.RETENTION_DAYS if kind is None else kind.retention
    if days is None:
        days = conf.RETENTION_DAYS
    if days > 0:
        return [(sorted(TERMINAL), days)]
    kept: list[str] = [ending.state for ending in ENDINGS if ending.is_kept]
    return [(sorted(TERMINAL.difference(kept)), 0.0), (kept, conf.RETENTION_DAYS)]


def _walk(
    statement: str, parameters: dict[str, Any], first: object, pruned: Pruned, deadline: float
) -> None:
    after: object = datetime.min
    after_id = first
    while True:
        if time.monotonic() > deadline:
            pruned.complete = False
            return
        place = {"after": after, "after_id": after_id, "key_days": conf.IDEMPOTENCY_DAYS}
        jobs, attempts, keys, seen, after, after_id = fetch_row(statement, parameters | place)
        pruned.jobs, pruned.attempts = pruned.jobs + jobs, pruned.attempts + attempts
        pruned.keys += keys
        if seen < parameters["batch"]:
            return


def _kinds() -> list[str]:
    return [row[0] for row in fetch_rows(_KINDS)]
