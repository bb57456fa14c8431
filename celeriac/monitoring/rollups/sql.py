"""The statements that make roll-ups. They read what the ledger keeps anyway, by its own indexes.

Jobs that ended are found by (kind, finished_at), kind after kind; attempts by their
number, which grows with time. Nothing here writes to the ledger.
"""

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.operating.prune import ENDED_KINDS
from celeriac.monitoring.rollups.buckets import bucket_of

#: Spans are counted from here, so that minutes, hours and all between begin where clocks do.
ORIGIN = "timestamptz '2000-01-01 00:00:00+00'"

_RUN = bucket_of("extract(epoch FROM finished_at - started_at)::float8")
_WAIT = bucket_of("extract(epoch FROM started_at - run_at)::float8")
_MINUTE = f"date_bin(interval '60 s', finished_at, {ORIGIN})"

#: Every ending within [since, until) as (at, queue, kind, what, wait bucket, run bucket, count).
#: Failures come from attempts: they stay when an operator queues the job anew.
_FACTS = f"""
{ENDED_KINDS}, ended AS (
    SELECT j.at, j.queue, j.kind, j.what, j.wait, j.run, count(*) AS n
    FROM kinds CROSS JOIN LATERAL (
        SELECT {_MINUTE} AS at, queue, kind, state AS what,
               CASE WHEN state <> 'cancelled' AND started_at IS NOT NULL THEN {_WAIT} END AS wait,
               CASE WHEN state = 'succeeded' AND started_at IS NOT NULL THEN {_RUN} END AS run
        FROM {tables.JOB}
        WHERE kind = kinds.kind AND finished_at IS NOT NULL
          AND finished_at >= %(since)s AND finished_at < %(until)s
    ) j
    GROUP BY 1, 2, 3, 4, 5, 6
), failing AS (
    SELECT a.at, j.queue, j.kind, a.what, a.run, count(*) AS n
    FROM (
        SELECT {_MINUTE} AS at, job_id, outcome AS what, {_RUN} AS run
        FROM {tables.ATTEMPT}
        WHERE id >= %(attempt)s AND finished_at >= %(since)s AND finished_at < %(until)s
          AND outcome IN ('failed', 'dead', 'lost')
        OFFSET 0
    ) a JOIN {tables.JOB} j ON j.id = a.job_id
    GROUP BY 1, 2, 3, 4, 5
), facts AS MATERIALIZED (
    SELECT at, queue, kind, CASE WHEN what = 'dead' THEN 'waited' ELSE what END AS what,
           wait, run, n FROM ended
    UNION ALL
    SELECT at, queue, kind, what, NULL, CASE WHEN what <> 'lost' THEN run END, n FROM failing
)"""


def _histogram(column: str) -> str:
    return f"""(
    SELECT at, queue, kind, jsonb_object_agg({column}, n) AS buckets
    FROM (SELECT at, queue, kind, {column}, sum(n) AS n FROM facts
          WHERE {column} IS NOT NULL GROUP BY 1, 2, 3, 4) each
    GROUP BY 1, 2, 3
)"""


def _sum(what: str) -> str:
    return f"coalesce(sum(n) FILTER (WHERE what = '{what}'), 0)"


#: A count that was higher once stays: rows go (pruned, retried), what happened does not.
ROLL = f"""
{_FACTS}, counts AS (
    SELECT at, queue, kind, {_sum("succeeded")} AS succeeded, {_sum("dead")} AS dead,
           {_sum("cancelled")} AS cancelled, {_sum("failed")} AS failed, {_sum("lost")} AS lost
    FROM facts GROUP BY 1, 2, 3
)
INSERT INTO {tables.ROLLUP} AS old (span, at, queue, kind, succeeded, dead, cancelled,
    failed, lost,
                               wait, run)
SELECT 60, c.at, c.queue, c.kind, c.succeeded, c.dead, c.cancelled, c.failed, c.lost,
       coalesce(w.buckets, '{{}}'), coalesce(r.buckets, '{{}}')
FROM counts c
LEFT JOIN {_histogram("wait")} w USING (at, queue, kind)
LEFT JOIN {_histogram("run")} r USING (at, queue, kind)
WHERE c.succeeded + c.dead + c.cancelled + c.failed + c.lost > 0
ORDER BY c.at, c.queue, c.kind
ON CONFLICT (span, at, queue, kind) DO UPDATE SET
    succeeded = greatest(old.succeeded, excluded.succeeded),
    dead = greatest(old.dead, excluded.dead),
    cancelled = greatest(old.cancelled, excluded.cancelled),
    failed = greatest(old.failed, excluded.failed),
    lost = greatest(old.lost, excluded.lost),
    wait = CASE WHEN excluded.succeeded >= old.succeeded THEN excluded.wait ELSE old.wait END,
    run = CASE WHEN excluded.succeeded + excluded.failed + excluded.dead
                 >= old.succeeded + old.failed + old.dead THEN excluded.run ELSE old.run END
"""

ROLL_ERRORS = f"""
INSERT INTO {tables.ERROR_ROLLUP} AS old (span, at, error_class, dead)
SELECT 60, {_MINUTE}, error_class, count(*) FROM {tables.ATTEMPT}
WHERE id >= %(attempt)s AND finished_at >= %(since)s AND finished_at < %(until)s
  AND outcome = 'dead'
GROUP BY 2, 3 ORDER BY 2, 3
ON CONFLICT (span, at, error_class) DO UPDATE SET dead = greatest(old.dead, excluded.dead)
"""

_SPAN = "make_interval(secs => %(span)s)"
_BIN = f"date_bin({_SPAN}, at, {ORIGIN})"
#: The minutes of every longer span that [since, until) touches.
_MINUTES = f"""span = 60 AND at >= date_bin({_SPAN}, %(since)s::timestamptz, {ORIGIN})
    AND at < date_bin({_SPAN}, %(until)s::timestamptz - interval '1 us', {ORIGIN}) + {_SPAN}"""


def _merged(column: str) -> str:
    return f"""(
    SELECT at, queue, kind, jsonb_object_agg(key, n) AS buckets
    FROM (SELECT {_BIN} AS at, queue, kind, b.key, sum(b.value::bigint) AS n
          FROM {tables.ROLLUP},
              jsonb_each_text({column}) b WHERE {_MINUTES} GROUP BY 1, 2, 3, 4) each
    GROUP BY 1, 2, 3
)"""


#: A longer span is the sum of its minutes.
FOLD = f"""
INSERT INTO {tables.ROLLUP} (span, at, queue, kind, succeeded, dead, cancelled, failed,
    lost, wait, run)
SELECT %(span)s, c.*, coalesce(w.buckets, '{{}}'), coalesce(r.buckets, '{{}}')
FROM (
    SELECT {_BIN} AS at, queue, kind, sum(succeeded), sum(dead), sum(cancelled), sum(failed),
           sum(lost)
    FROM {tables.ROLLUP} WHERE {_MINUTES} GROUP BY 1, 2, 3
) c
LEFT JOIN {_merged("wait")} w USING (at, queue, kind)
LEFT JOIN {_merged("run")} r USING (at, queue, kind)
ORDER BY c.at, c.queue, c.kind
ON CONFLICT (span, at, queue, kind) DO UPDATE SET
    succeeded = excluded.succeeded, dead = excluded.dead, cancelled = excluded.cancelled,
    failed = excluded.failed, lost = excluded.lost, wait = excluded.wait, run = excluded.run
"""

FOLD_ERRORS = f"""
INSERT INTO {tables.ERROR_ROLLUP} (span, at, error_class, dead)
SELECT %(span)s, {_BIN}, error_class, sum(dead) FROM {tables.ERROR_ROLLUP}
WHERE {_MINUTES} GROUP BY 2, 3 ORDER BY 2, 3
ON CONFLICT (span, at, error_class) DO UPDATE SET dead = excluded.dead
"""

FOLD_SAMPLES = f"""
INSERT INTO {tables.SAMPLE} (span, at, queue, waiting, parked, running, oldest)
SELECT %(span)s, {_BIN}, queue, max(waiting), max(parked), max(running), max(oldest)
FROM {tables.SAMPLE} WHERE {_MINUTES} GROUP BY 2, 3 ORDER BY 2, 3
ON CONFLICT (span, at, queue) DO UPDATE SET
    waiting = excluded.waiting, parked = excluded.parked,
    running = excluded.running, oldest = excluded.oldest
"""

FORGET = f"""
DELETE FROM {{table}} WHERE span = %(span)s
    AND at < (SELECT max(upto) FROM {tables.ROLLUP_RUN}) - make_interval(secs => %(days)s * 86400)
"""

#: The moment up to which minutes are over; now; and how far a test has set the clock ahead.
EDGE = f"""
SELECT date_bin(interval '60 s', {NOW}, {ORIGIN}), {NOW}, {NOW} - statement_timestamp()
"""
