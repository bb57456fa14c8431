"""What the dashboard costs: `python -m bench.dashboard DIRECTORY ROWS`.

Over ROWS finished jobs, a twentieth as many queued ones and a quarter as many attempts: the
usual refresh, one with the charts of each window, and the roll-up of one more minute. The
result goes to DIRECTORY/dashboard.json.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

from celeriac.core import tables

#: Refreshes of each sort.
TIMES = 40
_FINISHED = f"""
INSERT INTO {tables.JOB} (id, kind, queue, args, state, run_at, attempt, started_at,
    finished_at,
                      created_at)
SELECT uuidv7(-age), 'bench.touch', 'bench', '{{}}', CASE WHEN n %% 100 = 0 THEN 'dead'
       ELSE 'succeeded' END, now() - age, 1, now() - age, now() - age, now() - age
FROM (SELECT n, n * interval '14 days' / %(rows)s AS age FROM generate_series(1, %(rows)s) n) s
WHERE NOT EXISTS (SELECT FROM {tables.JOB} WHERE finished_at IS NOT NULL)
"""
_QUEUED = f"""
INSERT INTO {tables.JOB} (id, kind, queue, args, priority, run_at)
SELECT uuidv7(), 'bench.touch', 'bench', '{{}}', n %% 3, now() - n * interval '10 ms'
FROM generate_series(1, %(rows)s / 20) n
"""
_ATTEMPTS = f"""
INSERT INTO {tables.ATTEMPT} (id, job_id, number, outcome, started_at, finished_at,
    error_class, message)
SELECT uuidv7(finished_at - now()), id, 1, CASE WHEN state = 'dead' THEN 'dead' ELSE 'failed' END,
       started_at, finished_at, 'ValueError', 'it did not work'
FROM {tables.JOB} WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT %(rows)s / 4
"""


def main(rows: int, directory: Path) -> None:
    """Fill, measure and write the result."""
    django.setup()
    fill(rows)
    (directory / "dashboard.json").write_text(json.dumps(measure(rows)))


def fill(rows: int) -> None:
    """Write what is missing of the history, a backlog, and attempts."""
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in (_FINISHED, _QUEUED, _ATTEMPTS):
            cursor.execute(statement, {"rows": rows})
        cursor.execute(f"VACUUM ANALYZE {tables.JOB}, {tables.ATTEMPT}")


def measure(rows: int) -> dict[str, Any]:
    """Return medians in milliseconds, queries and bytes."""
    from celeriac.console.dashboard import charts
    from celeriac.monitoring.models import Pass
    from celeriac.monitoring.rollups import chart_series, rolling

    first = _time(rolling.roll_up_minutes, 1)
    upto = rolling.roll_up_minutes()
    Pass.objects.update(ran_at=upto - rolling.LATE)  # as if it had run for a while
    found: dict[str, Any] = {"finished_rows": rows, "rollup_first_ms": round(first[0], 1)}
    found["rollup_minute_ms_p50"] = _median(_time(_count_a_minute, 10))
    usual = {"seen": charts.charts_version(charts.DEFAULT, upto)}
    found["refresh"] = _refresh(usual)
    for name in chart_series.WINDOWS:
        found[f"refresh_with_charts_{name}"] = _refresh({"window": name})
    return found


def _count_a_minute() -> None:
    """Do what a pass does that is not far behind."""
    from celeriac.monitoring.rollups import rolling

    edge = rolling._edge()
    rolling._count(edge.upto - rolling.SOON, edge.upto, edge, deep=False)


def _refresh(query: dict[str, str]) -> dict[str, float]:
    from django.db import connection
    from django.test import RequestFactory
    from django.test.utils import CaptureQueriesContext

    from apps.accounts.models import User
    from celeriac.console.dashboard.views import data

    request = RequestFactory().get("/", query)
    request.user = User(email="bench@example.com", is_staff=True, is_superuser=True)
    with CaptureQueriesContext(connection) as queries:
        size = len(data(request).content)
    took = _time(lambda: data(request), TIMES)
    return {
        "ms_p50": _median(took),
        "ms_p99": round(statistics.quantiles(took, n=100)[98], 1),
        "queries": len(queries),
        "kilobytes": round(size / 1024, 1),
    }


def _time(action: Callable[[], object], times: int) -> list[float]:
    """Return how long each of `times` runs took, in milliseconds."""
    took = []
    for _ in range(times):
        started = time.perf_counter_ns()
        action()
        took.append((time.perf_counter_ns() - started) / 1_000_000)
    return took


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 1)


if __name__ == "__main__":
    main(int(sys.argv[2]), Path(sys.argv[1]))
