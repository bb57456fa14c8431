"""The statements of beat's loop: sets of rows, one order of locks.

Whoever changes how far a schedule has come holds its periodic task's row. Rows
that somebody else holds (another beat, an edit not yet committed) are passed over.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.core.queries import execute, fetch_rows
from celeriac.jobs.running import prepared

_TASKS = f"""
django_celery_beat_periodictask AS task
LEFT JOIN django_celery_beat_crontabschedule AS tab ON tab.id = task.crontab_id
LEFT JOIN django_celery_beat_intervalschedule AS span ON span.id = task.interval_id
LEFT JOIN django_celery_beat_clockedschedule AS clock ON clock.id = task.clocked_id
LEFT JOIN django_celery_beat_solarschedule AS sun ON sun.id = task.solar_id
LEFT JOIN {tables.POLICY} AS policy ON policy.periodic_task_id = task.id
"""

#: A hash of all that says when a task fires: a change is seen however it was made.
_DEFINITION = """md5(ROW(
    task.enabled, extract(epoch FROM task.start_time), extract(epoch FROM task.expires),
    tab.minute, tab.hour, tab.day_of_month, tab.month_of_year, tab.day_of_week, tab.timezone,
    span.every, span.period, extract(epoch FROM clock.clocked_time),
    sun.event, sun.latitude, sun.longitude)::text)"""

_LOCK_DUE = f"""
SELECT task.id FROM {tables.POLICY} AS policy
JOIN django_celery_beat_periodictask AS task ON task.id = policy.periodic_task_id
WHERE policy.next_fire_at <= {NOW} AND (%(only)s::int[] IS NULL OR task.id = ANY(%(only)s))
ORDER BY policy.next_fire_at
LIMIT %(limit)s
FOR NO KEY UPDATE OF task, policy SKIP LOCKED
"""

_DUE = f"""
SELECT periodic_task_id FROM {tables.POLICY} WHERE next_fire_at <= {NOW}
ORDER BY next_fire_at LIMIT %s
"""

_LOCK_CHANGED = f"""
SELECT task.id FROM {_TASKS}
WHERE task.id > %(after)s AND policy.definition IS DISTINCT FROM {_DEFINITION}
AND (%(only)s::int[] IS NULL OR task.id = ANY(%(only)s))
ORDER BY task.id
LIMIT %(limit)s
FOR NO KEY UPDATE OF task SKIP LOCKED
"""

#: The same without locks: most of the time nothing has changed.
_IS_ANY_CHANGED = f"""
SELECT EXISTS (SELECT FROM {_TASKS} WHERE policy.definition IS DISTINCT FROM {_DEFINITION})
"""

_DEFINITIONS = f"""
SELECT task.id, {_DEFINITION}, coalesce(policy.definition, ''), {NOW}
FROM {_TASKS} WHERE task.id = ANY(%s)
"""

_NEXT = f"SELECT {NOW}, (SELECT min(next_fire_at) FROM {tables.POLICY})"

_INSERT_TICKS = f"""
INSERT INTO {tables.TICK} AS tick (id, periodic_task_id, scheduled_for, status, reason,
    job,
    missed_before, missed_since, source, decided_at)
SELECT id, task, scheduled_for, status, reason, job, missed_before, missed_since, source, {NOW}
FROM json_to_recordset(%s) AS given (id uuid, task int, scheduled_for timestamptz, status text,
    reason text, job uuid, missed_before int, missed_since timestamptz, source text)
ORDER BY task, scheduled_for
"""

_KEEP = "ON CONFLICT (periodic_task_id, scheduled_for) DO NOTHING RETURNING id"

#: A backfill takes over what did not run, and leaves what did.
_TAKE_OVER = """
ON CONFLICT (periodic_task_id, scheduled_for) DO UPDATE SET id = excluded.id,
    status = excluded.status, reason = excluded.reason, job = excluded.job,
    source = excluded.source, decided_at = excluded.decided_at
WHERE tick.status <> 'fired'
RETURNING id
"""

_POINT = f"""
UPDATE {tables.TICK} AS tick SET job = given.job, reason = given.reason
FROM json_to_recordset(%s) AS given (id uuid, job uuid, reason text) WHERE tick.id = given.id
"""

_ADVANCE = f"""
UPDATE {tables.POLICY} AS policy
SET cursor = given.cursor, next_fire_at = given.next_fire_at, fault = given.fault
FROM json_to_recordset(%s) AS given (task int, cursor timestamptz, next_fire_at timestamptz,
    fault text)
WHERE policy.periodic_task_id = given.task
"""

#: For people; nothing is decided by it. A one-off task is done once a tick of its own has fired.
_COUNT = f"""
UPDATE django_celery_beat_periodictask AS task
SET last_run_at = {NOW}, total_run_count = total_run_count + given.fired,
    enabled = task.enabled AND NOT (task.one_off AND given.own)
FROM json_to_recordset(%s) AS given (task int, fired int, own boolean)
WHERE task.id = given.task
"""

_UNFINISHED = f"""
SELECT DISTINCT ON (asked.task) asked.task, job.id
FROM unnest(%s::int[]) AS asked (task)
CROSS JOIN LATERAL (
    SELECT tick.job FROM {tables.TICK} AS tick
    WHERE tick.periodic_task_id = asked.task AND tick.job IS NOT NULL
    ORDER BY tick.scheduled_for DESC LIMIT 50
) AS latest
JOIN {tables.JOB} AS job ON job.id = latest.job AND job.finished_at IS NULL
"""


def lock_due(*, limit: int, only: Sequence[int] | None = None) -> list[int]:
    """Lock the schedules that have a tick to decide, most overdue first; return their ids."""
    return [row[0] for row in fetch_rows(_LOCK_DUE, {"limit": limit, "only": only and list(only)})]


def due_ids(*, limit: int) -> list[int]:
    """Return the schedules that have a tick to decide, most overdue first, without locks."""
    return [row[0] for row in fetch_rows(_DUE, [limit])]


def lock_changed(*, limit: int, after: int = 0, only: Sequence[int] | None = None) -> list[int]:
    """Lock the tasks, by id from `after` on, that are new or changed; return their ids."""
    parameters = {"limit": limit, "after": after, "only": only and list(only)}
    return [row[0] for row in fetch_rows(_LOCK_CHANGED, parameters)]


def is_any_changed() -> bool:
    """Return whether any task is new or changed."""
    rows = prepared.fetch_rows(_IS_ANY_CHANGED, (), slow=True)
    return bool(rows[0][0])


def task_definitions(ids: Sequence[int]) -> tuple[dict[int, tuple[str, str]], datetime | None]:
    """Return each task's `(definition, definition last seen)`, and the database's time."""
    rows = fetch_rows(_DEFINITIONS, [list(ids)])
    return {row[0]: (row[1], row[2]) for row in rows}, rows[0][3] if rows else None


def next_fire() -> tuple[datetime, datetime | None]:
    """Return the database's time and the next moment at which any schedule has a tick."""
    now, moment = prepared.fetch_rows(_NEXT, (), slow=True)[0]
    return now, moment


def insert_ticks(rows: Iterable[dict[str, Any]], *, take_over: bool = False) -> set[UUID]:
    """Write ticks; return the ids of those that are new (or taken over)."""
    statement = _INSERT_TICKS + (_TAKE_OVER if take_over else _KEEP)
    return {row[0] for row in fetch_rows(statement, [_json(rows)])}


def assign_jobs(rows: Iterable[dict[str, Any]]) -> None:
    """Give ticks another job: `id`, `job`, `reason`."""
    _execute(_POINT, rows)


def advance_schedules(rows: Iterable[dict[str, Any]]) -> None:
    """Write how far schedules have come: `task`, `cursor`, `next_fire_at`, `fault`."""
    _execute(_ADVANCE, rows)


def count_runs(rows: Iterable[dict[str, Any]]) -> None:
    """Add to tasks' run counts: `task`, `fired`, and whether the ticks were its own."""
    _execute(_COUNT, rows)


def unfinished_jobs(ids: Sequence[int]) -> dict[int, UUID]:
    """Return, for the tasks that have one, an unfinished job among those of their latest ticks."""
    return dict(fetch_rows(_UNFINISHED, [list(ids)])) if ids else {}


def _execute(statement: str, rows: Iterable[dict[str, Any]]) -> None:
    if listed := list(rows):
        execute(statement, [_json(listed)])


def _json(rows: Iterable[dict[str, Any]]) -> str:
    return json.dumps(list(rows), default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
