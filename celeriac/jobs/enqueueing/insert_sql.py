"""The statements that write jobs: one, or a thousand as one JSON document.

A draft's columns are named here once; the statements, and what insert.py gives them, follow.
"""

from typing import Final

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.models import Job

#: What a draft says of its row, with the types of PostgreSQL, in the order of the parameters.
COLUMNS: Final = {
    "id": "uuid",
    "kind": "text",
    "queue": "text",
    "priority": "smallint",
    "args": "jsonb",
    "max_attempts": "int",
    "correlation_id": "text",
    "unique_key": "text",
    "lock_key": "text",
    "tenant": "text",
    "callback_url": "text",
    "tick": "uuid",
    "enqueued_by": "text",
    "trace": "text",
    "task_id": "text",
    "headers": "jsonb",
}
#: From which the statement makes run_at and expires_at: moments, or seconds from now.
TIMES: Final = {
    "run_at": "timestamptz",
    "delay": "double precision",
    "expires_at": "timestamptz",
    "expires_in": "double precision",
}
#: The columns of a job, as `RETURNING` gives them.
NAMES: Final = [field.attname for field in Job._meta.concrete_fields]
_WRITTEN = ", ".join([*COLUMNS, "run_at", "expires_at"])

ONE = f"""
INSERT INTO {tables.JOB} ({_WRITTEN})
VALUES ({", ".join(["%s"] * len(COLUMNS))},
    coalesce(%s::timestamptz, {NOW} + make_interval(secs => %s)),
    coalesce(%s::timestamptz, {NOW} + make_interval(secs => %s)))
RETURNING run_at, expires_at, created_at
"""
#: The same for a kind that is searched by its arguments.
ONE_SEARCHED = f"""
WITH written AS ({ONE}), terms AS (
    INSERT INTO {tables.SEARCH_TERM} (job_id, field, value)
    SELECT %s, * FROM unnest(%s::text[], %s::text[])
)
SELECT * FROM written
"""

#: The same where a job may be known by that id, or has arguments that stand beside it.
ONE_NAMED = f"""
WITH written AS (
    {ONE.replace("RETURNING", "ON CONFLICT DO NOTHING RETURNING id,")}
), apart AS (
    INSERT INTO {tables.LARGE_CALL} (job_id, text)
    SELECT id, %s::text FROM written WHERE %s::text IS NOT NULL
), terms AS (
    INSERT INTO {tables.SEARCH_TERM} (job_id, field, value)
    SELECT written.id, term.* FROM written, unnest(%s::text[], %s::text[]) AS term
)
SELECT run_at, expires_at, created_at FROM written
"""

#: A hit comes forward to the sooner run_at, and is not let expire before the new one would:
#: the caller's wish is now its own.
MANY = f"""
WITH bound AS MATERIALIZED (
    SELECT current_setting('lock_timeout') AS before,
           set_config('lock_timeout', %(limit)s, true) AS during
), written AS (
    INSERT INTO {tables.JOB} AS job ({_WRITTEN})
    SELECT {", ".join(COLUMNS)},
        coalesce(run_at, {NOW} + make_interval(secs => delay)),
        coalesce(expires_at, {NOW} + make_interval(secs => expires_in))
    FROM bound, json_to_recordset(%(rows)s) AS draft (
        {", ".join(f"{name} {type_}" for name, type_ in (COLUMNS | TIMES).items())})
    ON CONFLICT (kind, unique_key) WHERE state = 'queued' AND unique_key IS NOT NULL
    DO UPDATE SET
        run_at = least(job.run_at, excluded.run_at),
        expires_at = CASE WHEN job.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
            ELSE greatest(job.expires_at, excluded.expires_at) END,
        args = CASE WHEN excluded.id = ANY(%(replacing)s) THEN excluded.args ELSE job.args END,
        lock_key = CASE WHEN excluded.id = ANY(%(replacing)s)
            THEN coalesce(excluded.lock_key, job.lock_key) ELSE job.lock_key END,
        priority = CASE WHEN excluded.id = ANY(%(replacing)s)
            THEN greatest(job.priority, excluded.priority) ELSE job.priority END,
        callback_url = CASE
            WHEN job.callback_url = '' THEN excluded.callback_url
            WHEN excluded.callback_url <> '' AND excluded.id = ANY(%(replacing)s)
                THEN excluded.callback_url
            ELSE job.callback_url END
    RETURNING {", ".join(f"job.{name}" for name in NAMES)}
)/*terms*/
SELECT written.*, set_config('lock_timeout', bound.before, true)
FROM (SELECT * FROM written ORDER BY id OFFSET 0) AS written, bound
"""
_MEMBER = COLUMNS | {"node": "uuid", "state": "text"}
#: Members of a flow's groups, of which no unique key binds yet.
MEMBERS = f"""
WITH written AS (
    INSERT INTO {tables.JOB} ({", ".join([*_MEMBER, "run_at", "expires_at"])})
    SELECT {", ".join(_MEMBER)},
        coalesce(run_at, {NOW} + make_interval(secs => delay)),
        coalesce(expires_at, {NOW} + make_interval(secs => expires_in))
    FROM json_to_recordset(%(rows)s) AS draft (
        {", ".join(f"{name} {type_}" for name, type_ in (_MEMBER | TIMES).items())})
    RETURNING run_at
), terms AS (
    INSERT INTO {tables.SEARCH_TERM} (job_id, field, value)
    SELECT d.draft, d.field, d.value
    FROM json_to_recordset(%(terms)s) AS d (draft uuid, field text, value text)
)
SELECT min(run_at) FROM written
"""

#: A draft that a queued job took in without its arguments leaves no terms.
_TERMS = f""", drafted AS MATERIALIZED (
    SELECT w.id, d.draft, d.field, d.value
    FROM json_to_recordset(%(terms)s) AS d (
        draft uuid, kind text, unique_key text, field text, value text)
    JOIN written w ON w.id = d.draft OR (
        d.draft = ANY(%(replacing)s) AND w.kind = d.kind AND w.unique_key = d.unique_key)
), outdated AS (
    DELETE FROM {tables.SEARCH_TERM} t USING drafted d
    WHERE t.job_id = d.id AND d.id <> d.draft AND t.field <> 'correlation_id'
), terms AS (
    INSERT INTO {tables.SEARCH_TERM} (job_id, field, value)
    SELECT id, field, value FROM drafted WHERE field IS NOT NULL
)"""
MANY_SEARCHED = MANY.replace("/*terms*/", _TERMS)
