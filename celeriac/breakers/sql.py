"""What the ledger's hot statements need to know of circuits, as SQL.

The database learns of a move from the process that made it, before that process's
guarded block ends (0.5 s at most); a process that dies in between is covered within
BREAKERS_SYNC_SECONDS by the next caller of that breaker anywhere.
"""

from celeriac.core import tables
from celeriac.core.clock import NOW

_FORCED = f"CASE WHEN b.forced_until IS NULL OR b.forced_until > {NOW} THEN b.forced ELSE '' END"

#: A query for the names of breakers that let nothing through now. It has no
#: parameters; use it as `name IN (…)` or `name <> ALL (ARRAY(…))`.
BLOCKED = f"""
SELECT b.name FROM {tables.BREAKER} b WHERE {_FORCED} = 'open'
    OR ({_FORCED} = '' AND b.state = 'open' AND b.open_until > {NOW})
"""

#: Breakers whose jobs keep their place in the queue: the database itself holds them back.
HOLDING = f"""
SELECT b.name FROM {tables.BREAKER} b
WHERE {_FORCED} = 'open' OR ({_FORCED} = '' AND b.state <> 'closed')
"""

#: Whether a breaker (the row `b`) may hold jobs back or let them through slowly:
#: everything but a circuit that has been closed for longer than its ramp. Takes one
#: parameter: the longest ramp that settings know (`options.longest_ramp`).
UNSETTLED = f"""(
    {_FORCED} = 'open' OR b.state <> 'closed'
    OR GREATEST(b.closed_at, CASE WHEN b.forced = 'open' THEN b.forced_until END) > {NOW}
        - make_interval(secs => GREATEST(%(ramp)s, (b.overrides->>'ramp_seconds')::float8))
)"""

#: The facts of `selectors.circuit_allowances`, for the names in one array parameter.
ADMISSION = f"""
SELECT b.name, {_FORCED} AS forced, b.forced_until, b.state, b.open_until, b.overrides::text,
       GREATEST(b.closed_at, CASE WHEN b.forced = 'open' AND b.forced_until <= {NOW}
                                  THEN b.forced_until END) AS released_at,
       CASE WHEN b.probe_token <> '' AND b.probe_until > {NOW} THEN b.probe_until END AS probing,
       {NOW} AS now
FROM {tables.BREAKER} b WHERE b.name = ANY(%s)
"""

#: Takes the next place: parameters are the seconds between two jobs, the name, and how
#: many seconds early a job may be. Answers with a row when the job may go now. (The
#: generic cell rate algorithm, ITU-T I.371, with one column for its state.) It need not
#: survive a crash of the server, so nobody waits for the disk.
TAKE_PLACE = f"""
UPDATE {tables.BREAKER} b
SET ramp_next = GREATEST(b.ramp_next, {NOW}) + make_interval(secs => %s)
WHERE b.name = %s
  AND (b.ramp_next IS NULL OR b.ramp_next <= {NOW} + make_interval(secs => %s))
  AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
RETURNING b.ramp_next
"""

#: Seconds until the next place.
NEXT_PLACE = f"""
SELECT GREATEST(0, extract(epoch FROM b.ramp_next - {NOW}))
FROM {tables.BREAKER} b WHERE b.name = %s
"""

#: The breaker as the store adopts it: ends as seconds from now.
SNAPSHOT = f"""
SELECT version, state,
       GREATEST(0, extract(epoch FROM open_until - {NOW}))::float8,
       opened_count, forced,
       CASE WHEN forced_until IS NOT NULL
            THEN GREATEST(0, extract(epoch FROM forced_until - {NOW}))::float8 END,
       forced_by, forced_reason, edit, overrides::text,
       GREATEST(0, extract(epoch FROM {NOW} - changed_at))::float8
FROM {tables.BREAKER} WHERE name = %s
"""

#: Writes a move and its history; a move that is not newer changes nothing, and one
#: version is written down once.
RECORD = f"""
WITH moved AS (SELECT {NOW} - make_interval(secs => %(ago)s) AS at),
put AS (
    INSERT INTO {tables.BREAKER} AS b
        (name, state, version, open_until, changed_at, opened_at, closed_at, opened_count,
         last_error)
    SELECT %(name)s, %(new)s, %(version)s,
           CASE WHEN %(new)s = 'open' THEN at + make_interval(secs => %(open_for)s) END,
           at, CASE WHEN %(new)s <> 'closed' THEN at END, CASE WHEN %(new)s = 'closed' THEN at END,
           %(opened)s, %(error)s
    FROM moved
    ON CONFLICT (name) DO UPDATE SET
        state = excluded.state, version = excluded.version, open_until = excluded.open_until,
        changed_at = excluded.changed_at,
        opened_at = CASE WHEN excluded.state <> 'closed'
                         THEN coalesce(b.opened_at, excluded.opened_at) END,
        opened_count = excluded.opened_count,
        closed_at = coalesce(excluded.closed_at, b.closed_at),
        probe_token = CASE WHEN excluded.state = 'half_open' THEN b.probe_token ELSE '' END,
        probe_until = CASE WHEN excluded.state = 'half_open' THEN b.probe_until END,
        ramp_next = CASE WHEN excluded.state = 'half_open' THEN b.ramp_next END,
        last_error = coalesce(nullif(excluded.last_error, ''), b.last_error)
    WHERE b.version < excluded.version
)
INSERT INTO {tables.TRANSITION}
    (breaker_id, at, version, from_state, to_state, by, reason, calls, failures, slow,
     open_until, last_error)
SELECT %(name)s, at, %(version)s, %(old)s, %(new)s, %(by)s, %(reason)s, %(calls)s,
       %(failures)s, %(slow)s,
       CASE WHEN %(new)s = 'open' THEN at + make_interval(secs => %(open_for)s) END, %(error)s
FROM moved
ON CONFLICT (breaker_id, version) DO NOTHING
"""

#: Takes the probe's permit in the database too; a row means it was granted. It is not
#: when another holds it, nor when another's probe has opened the circuit again.
TAKE_PERMIT = f"""
INSERT INTO {tables.BREAKER} AS b (name, probe_token, probe_until)
VALUES (%(name)s, %(token)s, {NOW} + make_interval(secs => %(seconds)s))
ON CONFLICT (name) DO UPDATE
SET probe_token = excluded.probe_token, probe_until = excluded.probe_until
WHERE (b.probe_token IN ('', %(token)s) OR b.probe_until IS NULL OR b.probe_until <= {NOW})
  AND NOT (b.state = 'open' AND b.open_until > {NOW})
RETURNING b.name
"""

#: Gives the permit back.
FREE_PERMIT = f"""
UPDATE {tables.BREAKER} SET probe_token = '', probe_until = NULL
WHERE name = %(name)s AND probe_token = %(token)s
"""
