"""The statements that move a flow's nodes, and the jobs of theirs that wait.

Nodes are locked before what follows them, and that before what is around them; of one step in
the order of their ids. Each statement after a lock sees what was committed before it was had.
"""

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.callbacks import sql as callbacks
from celeriac.jobs.nodes.states import BAD, listed_states
from celeriac.jobs.states import FAILED, UNFINISHED

_UNFINISHED, _FAILED = listed_states(UNFINISHED), listed_states(FAILED)
_BAD = listed_states(BAD)
#: What marks a cancelled job that a retry of what it was cancelled for brings back.
MARK = "flow"
#: Where a member's headers have the seconds that it counts from its unblocking.
TIMES = "celeriac_times"
#: Where the headers of jobs that took the place of a running one have its id.
REPLACES = "celeriac_replaces"

_UNFINISHED_JOB = f"""(
    SELECT j.id FROM {tables.JOB} j
    WHERE j.node = n.id AND j.node IS NOT NULL AND j.state IN {_UNFINISHED}
    ORDER BY j.id DESC LIMIT 1)"""
_UNFINISHED_NODE = f"""(
    SELECT c.id FROM {tables.NODE} c
    WHERE c.parent = n.id AND c.state IN ('waiting', 'open') LIMIT 1)"""
_FAILED_JOB = f"""
    SELECT j.id FROM {tables.JOB} j
    WHERE j.node = n.id AND j.node IS NOT NULL AND j.state IN {_FAILED}"""
_CAME = f"EXISTS (SELECT FROM {tables.EMISSION} e WHERE e.id = n.event)"
_OVERDUE = f"coalesce(n.deadline <= (SELECT {NOW}), false)"

#: Whether a look at an open node may find something to do.
_READY = f"""
    CASE n.form WHEN 'event' THEN {_CAME} OR {_OVERDUE}
    ELSE ({_UNFINISHED_JOB} IS NULL AND {_UNFINISHED_NODE} IS NULL)
         OR (n.if_dead = 'stop' AND n.because = '' AND EXISTS ({_FAILED_JOB})) END"""

#: Of nodes, or events, that somebody named: those that may be closed.
PROBE = f"""
SELECT n.id FROM {tables.NODE} n
WHERE n.state = 'open' AND (n.id = ANY(%(ids)s::uuid[]) OR n.event = ANY(%(ids)s::uuid[]))
  AND {_READY}
ORDER BY n.id
"""

#: Open nodes whose time is over, or in which another job took the place of a member.
TIMED = f"""
SELECT n.id FROM {tables.NODE} n
WHERE n.state = 'open' AND (n.deadline IS NOT NULL OR n.substitute IS NOT NULL)
  AND ({_OVERDUE} OR EXISTS (
      SELECT FROM {tables.JOB} j WHERE j.id = n.substitute AND j.finished_at IS NOT NULL))
ORDER BY n.id LIMIT 1000
"""

#: A slice of the open nodes: those that should have been closed a while ago.
SWEEP = f"""
WITH page AS MATERIALIZED (
    SELECT n.* FROM {tables.NODE} n WHERE n.state = 'open' AND n.id > %(after)s
    ORDER BY n.id LIMIT %(most)s
)
SELECT (SELECT max(id::text)::uuid FROM page), (SELECT count(*) FROM page),
       ARRAY(SELECT n.id FROM page n
             WHERE n.opened_at < (SELECT {NOW}) - make_interval(secs => %(late)s)
               AND NOT (n.if_dead = 'wait' AND n.because <> '') AND n.substitute IS NULL
               AND {_READY}
               AND coalesce((SELECT max(j.finished_at) FROM {tables.JOB} j
                             WHERE j.id = (SELECT l.id FROM {tables.JOB} l
                                           WHERE l.node = n.id AND l.node IS NOT NULL
                                           ORDER BY l.id DESC LIMIT 1)),
                            n.opened_at) < (SELECT {NOW}) - make_interval(secs => %(late)s)
             ORDER BY n.id)
"""

OPEN = f"SELECT n.id FROM {tables.NODE} n WHERE n.state = 'open'"

LOCK = f"""
SELECT n.id, n.state, n.parent, n.flow FROM {tables.NODE} n WHERE n.id = %(id)s FOR UPDATE
"""

#: What close_of() is told of an open node. Who died comes before who was cancelled.
LOOK = f"""
SELECT n.form, n.if_dead,
       {_UNFINISHED_JOB} IS NOT NULL OR {_UNFINISHED_NODE} IS NOT NULL,
       coalesce(
           (SELECT ARRAY[j.id::text, j.kind, j.state] FROM {tables.JOB} j WHERE j.id = coalesce(
               ({_FAILED_JOB} AND j.state = 'dead' ORDER BY j.id LIMIT 1),
               ({_FAILED_JOB} AND j.superseded_by IS NULL AND j.wait_reason <> '{MARK}'
                ORDER BY j.id LIMIT 1),
               ({_FAILED_JOB} AND j.superseded_by IS NULL ORDER BY j.id LIMIT 1))),
           (SELECT ARRAY['', c.name, c.state] FROM {tables.NODE} c
            WHERE c.parent = n.id AND c.state IN {_BAD} AND c.if_dead <> 'go_on'
            ORDER BY c.state DESC, c.id LIMIT 1)),
       EXISTS ({_FAILED_JOB} AND j.superseded_by IS NOT NULL),
       n.because <> '', {_CAME}, {_OVERDUE}, n.goes_on
FROM {tables.NODE} n WHERE n.id = %(id)s
"""

#: The jobs that took the places of members: their states, the unfinished first.
SUBSTITUTES = f"""
WITH RECURSIVE taken(id) AS (
    SELECT j.superseded_by FROM {tables.JOB} j
    WHERE j.node = %(id)s AND j.node IS NOT NULL AND j.state IN {_FAILED}
      AND j.superseded_by IS NOT NULL
    UNION
    SELECT j.superseded_by FROM taken JOIN {tables.JOB} j ON j.id = taken.id
    WHERE j.superseded_by IS NOT NULL
)
SELECT j.id, j.kind, j.state, j.finished_at IS NULL
FROM taken JOIN {tables.JOB} j ON j.id = taken.id
WHERE j.superseded_by IS NULL AND j.state <> 'succeeded'
ORDER BY j.finished_at IS NULL DESC, j.state DESC, j.id LIMIT 1
"""

#: Moves nodes, each from the state in which it was seen. Its time runs from its unblocking.
SET = f"""
UPDATE {tables.NODE} n
SET state = v.state, because = v.because, generation = n.generation + v.anew,
    substitute = NULL,
    opened_at = CASE WHEN v.state = 'open' THEN (SELECT {NOW}) ELSE n.opened_at END,
    closed_at = CASE WHEN v.state IN ('waiting', 'open') THEN NULL ELSE (SELECT {NOW}) END,
    cancel_requested_at = CASE WHEN v.anew > 0 THEN NULL ELSE n.cancel_requested_at END,
    deadline = CASE WHEN v.state <> 'open' OR n.timeout IS NULL THEN NULL
        ELSE (SELECT {NOW}) + make_interval(secs => n.timeout) END
FROM unnest(%(ids)s::uuid[], %(befores)s::text[], %(states)s::text[], %(becauses)s::text[],
            %(anew)s::int[]) AS v(id, before, state, because, anew)
WHERE n.id = v.id AND n.state = v.before
RETURNING n.id, n.parent, n.name, n.form
"""

NOTE = f"""
UPDATE {tables.NODE} n SET because = %(because)s, substitute = %(substitute)s
WHERE n.id = %(id)s AND (n.because <> %(because)s OR n.substitute IS DISTINCT FROM %(substitute)s)
"""

#: What waits for one of these nodes or is inside of it, in these states; locked.
FOLLOWERS = f"""
SELECT n.id, n.state FROM {tables.NODE} n
WHERE n.state = ANY(%(states)s) AND (
    n.id = ANY(ARRAY(
        SELECT e.after FROM {tables.NODE_EDGE} e WHERE e.before = ANY(%(ids)s::uuid[])))
    OR n.id = ANY(ARRAY(
        SELECT c.id FROM {tables.NODE} c WHERE c.parent = ANY(%(within)s::uuid[]))))
ORDER BY n.id FOR UPDATE
"""

#: For people: what a node still waits for, or what is around it does.
AHEAD = f"""
SELECT b.name, b.form, b.state, b.because, b.deadline,
       (SELECT count(*) FROM {tables.JOB} j WHERE j.node = b.id AND j.node IS NOT NULL
          AND j.state IN {_UNFINISHED}),
       (SELECT count(*) FROM {tables.JOB} j WHERE j.node = b.id AND j.node IS NOT NULL)
FROM {tables.NODE} n JOIN {tables.NODE_EDGE} e ON e.after IN (n.id, n.parent)
JOIN {tables.NODE} b ON b.id = e.before
WHERE n.id = %(id)s AND b.state IN ('waiting', 'open') ORDER BY b.id
"""

#: All that nodes wait for, as it stands.
EDGES = f"""
SELECT e.after, e.condition, p.state, p.if_dead, p.name, p.because, p.form = 'event'
FROM {tables.NODE_EDGE} e JOIN {tables.NODE} p ON p.id = e.before
WHERE e.after = ANY(%(ids)s::uuid[])
UNION ALL
SELECT n.id, 'inside', p.state, p.if_dead, p.name, p.because, false
FROM {tables.NODE} n JOIN {tables.NODE} p ON p.id = n.parent WHERE n.id = ANY(%(ids)s::uuid[])
"""

#: Lets the members of nodes start. Where a member's unique key is queued already, that job, or
#: the first of several members, takes its place.
UNBLOCK = f"""
WITH held AS MATERIALIZED (
    SELECT j.id, j.kind, j.unique_key FROM {tables.JOB} j
    WHERE j.node = ANY(%(ids)s::uuid[]) AND j.node IS NOT NULL AND j.state = 'waiting'
    ORDER BY j.id FOR UPDATE
), ranked AS (
    SELECT h.id, CASE WHEN h.unique_key IS NOT NULL THEN coalesce(
        (SELECT t.id FROM {tables.JOB} t
         WHERE t.state = 'queued' AND t.kind = h.kind AND t.unique_key = h.unique_key),
        nullif(first_value(h.id) OVER (PARTITION BY h.kind, h.unique_key ORDER BY h.id), h.id)
        ) END AS twin
    FROM held h
), freed AS (
    UPDATE {tables.JOB} j
    SET state = CASE WHEN r.twin IS NULL THEN 'queued' ELSE 'cancelled' END,
        superseded_by = r.twin,
        finished_at = CASE WHEN r.twin IS NULL THEN NULL ELSE (SELECT {NOW}) END,
        error = CASE WHEN r.twin IS NULL THEN j.error
            ELSE 'its unique key was queued already' END,
        run_at = greatest(j.run_at, (SELECT {NOW}) + make_interval(
            secs => greatest(n.delay, (j.headers #>> '{{{TIMES},countdown}}')::float8))),
        expires_at = coalesce((SELECT {NOW}) + make_interval(
            secs => (j.headers #>> '{{{TIMES},expires}}')::float8), j.expires_at)
    FROM (SELECT * FROM ranked ORDER BY id OFFSET 0) r, {tables.NODE} n
    WHERE j.id = r.id AND n.id = j.node
    RETURNING j.id, j.kind, j.queue, j.priority, j.run_at, j.lock_key, j.state, j.node,
              n.delay > 0 OR j.run_at > (SELECT {NOW}), {callbacks.OWED}
), called AS ({callbacks.enqueue_from("freed")}
)
SELECT * FROM freed ORDER BY id
"""

#: Ends the members of nodes that can't run any more.
CALL_OFF = f"""
WITH ended AS (
    UPDATE {tables.JOB} j
    SET state = 'cancelled', finished_at = (SELECT {NOW}), wait_reason = '{MARK}',
        error = left('cancelled: ' || v.because, 500)
    FROM (
        SELECT j.id, v.because FROM {tables.JOB} j
        JOIN unnest(%(ids)s::uuid[], %(becauses)s::text[]) AS v(id, because) ON j.node = v.id
        WHERE j.node IS NOT NULL AND j.attempt = 0 AND j.state = ANY(%(states)s)
        ORDER BY j.id FOR UPDATE OF j
    ) v
    WHERE j.id = v.id
    RETURNING {callbacks.OWED}
), called AS ({callbacks.enqueue_from("ended")}
)
SELECT count(*), count(callback) FROM ended
"""

#: Lets members wait again that were cancelled for what is opened anew.
BRING_BACK = f"""
UPDATE {tables.JOB} j
SET state = 'waiting', finished_at = NULL, error = '', wait_reason = '', result = NULL,
    cancel_requested_at = NULL
WHERE j.node = ANY(%(ids)s::uuid[]) AND j.node IS NOT NULL AND j.state = 'cancelled'
  AND j.wait_reason = '{MARK}'
"""

#: Nodes that ended for what has become of those that took the places of their members.
REPLACED = f"""
WITH RECURSIVE replaced(id) AS (
    SELECT (j.headers ->> '{REPLACES}')::uuid FROM {tables.JOB} j WHERE j.id = ANY(%(ids)s::uuid[])
    UNION
    SELECT (j.headers ->> '{REPLACES}')::uuid FROM replaced JOIN {tables.JOB} j USING (id)
)
SELECT DISTINCT n.id FROM replaced JOIN {tables.JOB} j USING (id) JOIN {tables.NODE} n
    ON n.id = j.node
WHERE j.superseded_by IS NOT NULL AND n.state IN {_BAD}
"""
