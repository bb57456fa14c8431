"""The two statements that end a run. Rows are taken in id order."""

from celeriac.breakers.sql import HOLDING
from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.callbacks import sql as callbacks
from celeriac.jobs.running import prepared

_STARTED = (
    "CASE WHEN o.started IS NULL THEN j.started_at"
    " ELSE j.started_at + make_interval(secs => o.started) END"
)
_FINISHED = (
    "CASE WHEN o.seconds IS NULL THEN (SELECT " + NOW + ")"
    " ELSE j.started_at + make_interval(secs => coalesce(o.started, 0) + o.seconds) END"
)

#: The same for a RETURNING list, where j.started_at has been set already.
_ENDED = (
    "CASE WHEN o.seconds IS NULL THEN (SELECT " + NOW + ")"
    " ELSE j.started_at + make_interval(secs => o.seconds) END"
)

#: Whatever its session was told: an outcome that somebody has seen is not forgotten.
_DURABLE = """(
        SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
            THEN set_config('synchronous_commit', 'on', true) ELSE '' END) IS NOT NULL"""

_COMPLETED = f"""
    UPDATE {tables.JOB} j
    SET state = 'succeeded', claim_id = NULL, result = o.result::jsonb, error = o.error,
        started_at = {_STARTED}, finished_at = {_FINISHED}
    FROM (
        SELECT * FROM unnest(
            %(ids)s::uuid[], %(claims)s::uuid[], %(results)s::text[], %(errors)s::text[],
            %(started)s::float8[], %(seconds)s::float8[]
        ) AS o(id, claim_id, result, error, started, seconds)
        ORDER BY o.id OFFSET 0
    ) o
    WHERE j.id = o.id AND j.state = {prepared.RUNNING} AND j.claim_id = o.claim_id AND {_DURABLE}
    RETURNING j.id, j.state, j.queue, j.attempt, j.worker, j.started_at, j.finished_at"""
_RECORDED = f"""
    INSERT INTO {tables.ATTEMPT} (job_id, number, outcome, worker, started_at, finished_at)
    SELECT id, attempt, 'succeeded', worker, started_at, finished_at FROM settled WHERE attempt > 1
"""

_BARE = f"""
UPDATE {tables.JOB} j
SET state = 'succeeded', claim_id = NULL, result = NULL, error = '',
    started_at = {_STARTED}, finished_at = {_FINISHED}
FROM (%s) o
WHERE j.id = o.id AND j.state = {prepared.RUNNING} AND j.claim_id = o.claim_id AND {_DURABLE}
RETURNING j.id, j.state, false, j.queue
"""
#: The hot path: runs of one claim that returned nothing at the first go, where nobody asked to be
#: told; and one such run. Their claim is a column, not a constant: of a constant the planner
#: expects so few rows that it compares each with each.
BARE = (
    _BARE
    % """
    SELECT *, %(claim)s::uuid AS claim_id FROM unnest(
        %(ids)s::uuid[], %(started)s::float8[], %(seconds)s::float8[]
    ) AS o(id, started, seconds)
    ORDER BY o.id OFFSET 0"""
)
BARE_ONE = (
    _BARE
    % """
    SELECT %(ids)s::uuid AS id, %(claims)s::uuid AS claim_id,
           %(started)s::float8 AS started, %(seconds)s::float8 AS seconds"""
)

#: Every run that simply succeeded, where nobody asked to be told.
COMPLETE = f"""
WITH settled AS ({_COMPLETED}
), recorded AS ({_RECORDED})
SELECT id, state, false, queue FROM settled
"""

#: The same where somebody did, or may have.
COMPLETE_CALLING = f"""
WITH settled AS ({_COMPLETED}, {callbacks.OWED}
), recorded AS ({_RECORDED}), called AS ({callbacks.enqueue_from("settled")}
)
SELECT id, state, callback IS NOT NULL, queue FROM settled
"""

_COLUMNS = ("ids", "claims", "results", "errors", "started", "seconds")
#: Whether this is the transaction that began then (see joint_transaction.py).
_SAME = "extract(epoch FROM transaction_timestamp()) = %(began)s::numeric"
_FENCE = f"AND {_DURABLE}"
#: By whether a callback may be owed, and whether it is one run alone.
COMPLETIONS = {
    (False, False): COMPLETE,
    (True, False): COMPLETE_CALLING,
    (False, True): prepared.for_one(COMPLETE, *_COLUMNS),
    (True, True): prepared.for_one(COMPLETE_CALLING, *_COLUMNS),
}
#: The end of a transactional run, in its own transaction, by whether a callback may be owed.
JOINT = {
    calling: COMPLETIONS[calling, True].replace(_FENCE, f"{_FENCE} AND {_SAME}")
    for calling in (False, True)
}

#: Queued anew under its unique key, by another row, while this one ran.
_TWIN = f"""(
    SELECT t.id FROM {tables.JOB} t
    WHERE o.state = 'queued' AND t.state = 'queued'
      AND t.kind = j.kind AND t.unique_key = j.unique_key
)"""
#: One that has named its successor before it ended, by `self.replace(…)`, has nothing left to do.
_STATE = f"""
    CASE
        WHEN j.cancel_requested_at IS NOT NULL THEN 'cancelled'
        WHEN {_TWIN} IS NOT NULL OR j.superseded_by IS NOT NULL THEN 'cancelled'
        ELSE o.state
    END"""

#: Every other ending: failures, losses, snoozes, releases, stops.
END = f"""
WITH settled AS (
    UPDATE {tables.JOB} j
    SET state = {_STATE},
        superseded_by = CASE WHEN j.cancel_requested_at IS NULL AND j.superseded_by IS NULL
            THEN {_TWIN} ELSE j.superseded_by END,
        claim_id = NULL,
        attempt = j.attempt - (o.verb = 'release')::int,
        failures = j.failures + o.failures,
        losses = j.losses + o.losses,
        cuts = coalesce(o.cuts, j.cuts),
        args = coalesce(o.changes -> 'args', j.args),
        queue = coalesce(o.changes ->> 'queue', j.queue),
        priority = coalesce((o.changes -> 'priority')::smallint, j.priority),
        headers = coalesce(o.changes -> 'headers', j.headers),
        result = coalesce(o.changes -> 'result', j.result),
        error = CASE WHEN o.error = '' THEN j.error ELSE o.error END,
        wait_reason = CASE WHEN {_STATE} = 'queued' THEN o.reason ELSE '' END,
        run_at = CASE
            WHEN o.state <> 'queued' THEN j.run_at
            WHEN o.verb IN ('release', 'rescue') AND o.delay = 0 THEN j.run_at
            WHEN o.circuit <> '' AND o.circuit IN ({HOLDING}) THEN j.run_at
            ELSE (SELECT {NOW}) + make_interval(secs => o.delay) END,
        started_at = CASE
            WHEN o.verb = 'release' AND j.attempt = 1 THEN NULL ELSE {_STARTED} END,
        finished_at = CASE WHEN {_STATE} = 'queued' THEN NULL ELSE {_FINISHED} END
    FROM (
        SELECT * FROM unnest(
            %(ids)s::uuid[], %(claims)s::uuid[], %(verbs)s::text[], %(states)s::text[],
            %(delays)s::float8[], %(failures)s::int[], %(losses)s::int[], %(errors)s::text[],
            %(reasons)s::text[], %(recorded)s::text[], %(classes)s::text[], %(messages)s::text[],
            %(tracebacks)s::text[], %(started)s::float8[], %(seconds)s::float8[],
            %(circuits)s::text[], %(cuts)s::smallint[], %(changes)s::jsonb[]
        ) AS o(id, claim_id, verb, state, delay, failures, losses, error, reason, recorded,
               error_class, message, traceback, started, seconds, circuit, cuts, changes)
        ORDER BY o.id OFFSET 0
    ) o
    WHERE j.id = o.id AND j.state = {prepared.RUNNING} AND j.claim_id = o.claim_id AND {_DURABLE}
    RETURNING j.id, j.state, j.queue, j.attempt, j.worker,
              j.superseded_by, j.started_at, {_ENDED} AS ended_at,
              o.recorded, o.error_class, o.message, o.traceback, o.changes ->> 'apart' AS apart,
              {callbacks.OWED}
), recorded AS (
    INSERT INTO {tables.ATTEMPT} (job_id, number, outcome, worker, started_at, finished_at,
                              error_class, message, traceback)
    SELECT id, attempt,
           CASE WHEN state <> 'cancelled' THEN recorded
                WHEN superseded_by IS NOT NULL THEN 'superseded' ELSE 'cancelled' END,
           worker, started_at, ended_at, error_class, message, traceback
    FROM settled WHERE recorded <> ''
), heirs AS (
    -- The run that is superseded had started, so its deadline binds no more, nor its twin's.
    UPDATE {tables.JOB} h SET expires_at = NULL
    FROM settled
    WHERE h.id = settled.superseded_by AND h.unique_key IS NOT NULL AND h.expires_at IS NOT NULL
), moved AS (
    -- The arguments of its next run, where they are too large for the row.
    INSERT INTO {tables.LARGE_CALL} AS kept (job_id, text)
    SELECT id, apart FROM settled WHERE apart IS NOT NULL
    ON CONFLICT (job_id) DO UPDATE SET text = excluded.text
), called AS ({callbacks.enqueue_from("settled")}
)
SELECT id, state, callback IS NOT NULL, queue FROM settled
"""
