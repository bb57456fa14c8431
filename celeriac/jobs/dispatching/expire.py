"""Expiry: a job whose deadline passed before it ever started ends cancelled."""

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_row
from celeriac.jobs import metrics, nudge
from celeriac.jobs.callbacks import sql as callbacks

MOST = 1_000

EXPIRE = f"""
WITH expired AS (
    SELECT id FROM (
        SELECT id FROM {tables.JOB}
        WHERE state = 'queued' AND attempt = 0 AND expires_at IS NOT NULL
          AND expires_at <= (SELECT {NOW})
        ORDER BY expires_at LIMIT %(most)s
    ) due ORDER BY id
), locked AS (
    SELECT j.id FROM {tables.JOB} j JOIN expired USING (id)
    WHERE j.state = 'queued' AND j.attempt = 0 AND j.expires_at <= (SELECT {NOW})
    ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
), ended AS (
    UPDATE {tables.JOB} j
    SET state = 'cancelled', finished_at = (SELECT {NOW}), wait_reason = '',
        error = 'expired: not started by ' || to_char(j.expires_at AT TIME ZONE 'UTC',
                                                      'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    FROM locked WHERE j.id = locked.id
    RETURNING j.node, {callbacks.OWED}
), called AS ({callbacks.enqueue_from("ended")}
)
SELECT count(*), count(callback), array_agg(DISTINCT node) FILTER (WHERE node IS NOT NULL)
FROM ended
"""


def expire_jobs(*, most: int = MOST) -> int:
    """Cancel up to `most` queued jobs that never ran and whose deadline passed; return how many."""
    count, calls, nodes = fetch_row(EXPIRE, {"most": most})
    nudge.nudge_nodes(nodes=nodes or [])
    metrics.count_callbacks(calls)
    return int(count)
