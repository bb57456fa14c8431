"""A task before and after: as messages, by its shadow or Celery's results, and as jobs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps

from celeriac.core import tables
from celeriac.core.queries import fetch_rows

_SHARES = "percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM {span}))"
_WAIT, _TIME = _SHARES.format(span="waited"), _SHARES.format(span="took")
_COLUMNS = f"task, count(*), sum(runs), count(*) FILTER (WHERE failed), {_WAIT}, {_TIME}"
_SHADOW = f"""
SELECT {_COLUMNS} FROM (
    SELECT r.task, 1 AS runs, r.outcome = 'FAILURE' AS failed, r.ended_at - r.started_at AS took,
        r.started_at - greatest(c.called_at, c.eta) AS waited
    FROM {tables.SHADOW_RUN} r LEFT JOIN LATERAL (
        SELECT called_at, eta FROM {tables.SHADOW_CALL} c
        WHERE c.task_id = r.task_id AND c.retries = r.retries AND NOT c.promised
        ORDER BY called_at LIMIT 1) AS c ON true
    WHERE r.task = ANY(%(tasks)s) AND r.started_at >= %(since)s AND r.outcome <> 'REVOKED'
) AS seen GROUP BY task
"""
_LEDGER = f"""
SELECT {_COLUMNS} FROM (
    SELECT kind AS task, attempt AS runs, state = 'dead' AS failed,
        finished_at - started_at AS took,
        CASE WHEN attempt = 1 THEN started_at - greatest(run_at, created_at) END AS waited
    FROM {tables.JOB}
    WHERE kind = ANY(%(tasks)s) AND finished_at >= %(since)s AND started_at IS NOT NULL
) AS seen GROUP BY task
"""
_RESULTS = f"""
SELECT {_COLUMNS} FROM (
    SELECT task_name AS task, 1 AS runs, status = 'FAILURE' AS failed,
        date_done - date_started AS took, date_started - date_created AS waited
    FROM {{table}}
    WHERE task_name = ANY(%(tasks)s) AND date_done >= %(since)s
        AND status IN ('SUCCESS', 'FAILURE')
        AND NOT EXISTS (SELECT FROM {tables.SHADOW_RUN} r WHERE r.task_id = {{table}}.task_id)
        AND NOT EXISTS (SELECT FROM {tables.JOB} j
                        WHERE j.kind = task_name AND j.id::text = {{table}}.task_id)
) AS seen GROUP BY task
"""


@dataclass(frozen=True, slots=True)
class Side:
    """How a task did on one side. Times are seconds; None where nobody noted them."""

    source: str
    ended: int
    runs: int
    failed: int
    wait: float | None
    wait_95: float | None
    time: float | None
    time_95: float | None


def compare_tasks(tasks: Iterable[str], since: datetime) -> dict[str, list[Side]]:
    """Return how each task did since a moment: as messages, and as jobs."""
    found: dict[str, list[Side]] = {task: [] for task in tasks}
    parameters = {"tasks": list(found), "since": since}
    for source, statement in _sources():
        for row in fetch_rows(statement, parameters):
            found[row[0]].append(_side(source, row))
    return found


def _sources() -> Iterable[tuple[str, str]]:
    yield "plain, by its shadow", _SHADOW
    if apps.is_installed("django_celery_results"):
        table = apps.get_model("django_celery_results", "TaskResult")._meta.db_table
        yield "plain, by its results", _RESULTS.format(table=table)
    yield "ledger", _LEDGER


def _side(source: str, row: tuple[Any, ...]) -> Side:
    _, ended, runs, failed, waits, times = row
    wait, wait_95 = waits or (None, None)
    time, time_95 = times or (None, None)
    return Side(source, ended, int(runs), failed, wait, wait_95, time, time_95)
