"""How an ending enqueues its callback: in the statement that writes the ending.

So a job that ended owes exactly one, whoever ended it (its owner, a rescuer, an
operator, the dispatcher), and a job without a `callback_url` pays for a comparison.
"""

from celeriac.core import tables
from celeriac.core.ids import UUID7_SQL
from celeriac.settings import conf

KIND = "callbacks.send"
QUEUE = "callbacks"

#: For the RETURNING list of a statement that ends jobs `j`: the callback owed, NULL for none.
OWED = """
    CASE WHEN j.callback_url <> '' AND j.finished_at IS NOT NULL THEN jsonb_build_object(
        'tenant', j.tenant,
        'trace', j.trace,
        'url', j.callback_url,
        'event', jsonb_build_object(
            'id', j.id, 'kind', j.kind, 'queue', j.queue, 'state', j.state,
            'attempt', j.attempt, 'error', j.error, 'correlation_id', j.correlation_id,
            'created_at', j.created_at, 'finished_at', j.finished_at)
    ) END AS callback"""


def enqueue_from(ended: str) -> str:
    """Return the INSERT that enqueues what the rows of `ended` owe; a constant goes in, no value.

    It leans on the columns' defaults in the database for all that it does not name.
    """
    return f"""
    INSERT INTO {tables.JOB} (id, kind, queue, args, max_attempts, correlation_id, tenant,
        enqueued_by,
                          trace)
    SELECT {UUID7_SQL}, '{KIND}', '{QUEUE}',
           jsonb_build_object('url', callback->'url', 'event', callback->'event'),
           {conf.CALLBACK_MAX_ATTEMPTS}, callback->'event'->>'correlation_id', callback->>'tenant',
           'job ' || (callback->'event'->>'id'), callback->>'trace'
    FROM {ended} WHERE callback IS NOT NULL"""
