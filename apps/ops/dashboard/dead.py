"""Dead letters: how many there are, of which errors."""

from typing import Any

from django.db import connection

from apps.ops.dashboard import links

#: The newest dead jobs that are looked at one by one.
MOST = 1_000

#: By the index of dead jobs, and one probe into the attempts for each.
NEWEST = """
SELECT coalesce(nullif(a.error_class, ''), '(unknown)') AS error_class, count(*),
       max(d.finished_at) AS newest, count(DISTINCT d.kind), min(d.kind)
FROM (
    SELECT id, kind, attempt, finished_at FROM jobs_job
    WHERE state = 'dead' ORDER BY finished_at DESC LIMIT %(most)s
) d
LEFT JOIN LATERAL (
    SELECT error_class FROM jobs_attempt
    WHERE job_id = d.id AND number = d.attempt ORDER BY id DESC LIMIT 1
) a ON true
GROUP BY 1 ORDER BY 2 DESC, 1
"""


def read() -> dict[str, Any]:
    """Return the newest dead letters by class of error; `at_least` when there are more."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, {"most": MOST})
        rows = cursor.fetchall()
    count = sum(row[1] for row in rows)
    return {
        "count": count,
        "at_least": count >= MOST,
        "newest": max((row[2] for row in rows), default=None),
        "url": links.jobs(state="dead"),
        "classes": [
            {
                "error_class": error_class,
                "count": number,
                "newest": newest,
                "kind": kind if kinds == 1 else f"{kinds} kinds",
                "url": links.attempts(q=error_class),
            }
            for error_class, number, newest, kinds, kind in rows
        ],
    }
