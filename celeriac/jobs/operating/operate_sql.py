"""The statements of operate.py. Rows are taken in id order."""

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.callbacks import sql as callbacks

_RETURNING = "RETURNING j.id, j.queue, j.priority, j.run_at"

#: Queued: over at once. Running: asked; no index or predicate knows, so the update is HOT.
CANCEL = f"""
WITH asked AS (
    UPDATE {tables.JOB} j
    SET state = CASE WHEN j.state = 'queued' THEN 'cancelled' ELSE j.state END,
        finished_at = CASE WHEN j.state = 'queued' THEN {NOW} ELSE j.finished_at END,
        error = CASE WHEN j.state = 'queued' THEN %(error)s ELSE j.error END,
        wait_reason = '',
        cancel_requested_at = coalesce(j.cancel_requested_at, {NOW})
    FROM (
        SELECT id FROM {tables.JOB}
        WHERE id = ANY(%(ids)s) AND state IN ('queued', 'running') ORDER BY id FOR UPDATE
    ) AS chosen
    WHERE j.id = chosen.id
    {_RETURNING}, {callbacks.OWED}
), called AS ({callbacks.enqueue_from("asked")}
)
SELECT id, callback IS NOT NULL FROM asked
"""

#: Of several rows with one unique key the newest, and none whose key is queued.
REVIVE = f"""
WITH held AS MATERIALIZED (
    SELECT id, kind, unique_key FROM {tables.JOB}
    WHERE id = ANY(%(ids)s) AND state IN ('dead', 'cancelled') ORDER BY id FOR UPDATE
), chosen AS (
    SELECT DISTINCT ON (kind, coalesce(unique_key, id::text), unique_key IS NULL) id
    FROM held
    WHERE unique_key IS NULL OR NOT EXISTS (
        SELECT FROM {tables.JOB} t
        WHERE t.kind = held.kind AND t.unique_key = held.unique_key AND t.state = 'queued')
    ORDER BY kind, coalesce(unique_key, id::text), unique_key IS NULL, id DESC
)
UPDATE {tables.JOB} j
SET state = 'queued', run_at = {NOW}, failures = 0, losses = 0, cuts = 0, expires_at = NULL,
    cancel_requested_at = NULL, superseded_by = NULL, finished_at = NULL, result = NULL,
    error = '', progress = NULL, wait_reason = ''
FROM chosen
WHERE j.id = chosen.id
{_RETURNING}
"""

CHANGE = f"""
UPDATE {tables.JOB} j
SET priority = coalesce(%(priority)s, j.priority),
    queue = coalesce(%(queue)s, j.queue),
    run_at = CASE WHEN %(run_now)s THEN least(j.run_at, {NOW})
        ELSE coalesce(%(run_at)s::timestamptz, j.run_at) END
FROM (
    SELECT id FROM {tables.JOB} WHERE id = ANY(%(ids)s) AND state = 'queued' ORDER BY id FOR
        UPDATE
) AS chosen
WHERE j.id = chosen.id
{_RETURNING}
"""
