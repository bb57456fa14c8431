"""on_commit hooks of a transactional handler: one that raises hurts nobody, and is told of.

They run after the commit, so the job has succeeded whatever they do. What one raised is
counted, logged, and shown with the job; the others run all the same.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from celeriac.core import reporting, tables
from celeriac.jobs import metrics, outcomes, redaction
from celeriac.jobs.registry import Kind
from celeriac.jobs.running.claim import ClaimedJob

logger = logging.getLogger(__name__)

#: Into the row and its Attempt, which a success at the first go has none of.
_SHOW = f"""
WITH shown AS (
    UPDATE {tables.JOB} SET error = %(line)s
    WHERE id = %(id)s AND state = 'succeeded' AND attempt = %(attempt)s
    RETURNING id, attempt, worker, started_at, finished_at
), noted AS (
    UPDATE {tables.ATTEMPT} a
    SET error_class = %(class)s, message = %(message)s, traceback = %(traceback)s
    FROM shown WHERE a.job_id = shown.id AND a.number = shown.attempt RETURNING a.id
)
INSERT INTO {tables.ATTEMPT} (job_id, number, outcome, worker, started_at, finished_at,
                          error_class, message, traceback)
SELECT id, attempt, 'succeeded', worker, started_at, finished_at,
       %(class)s, %(message)s, %(traceback)s
FROM shown WHERE NOT EXISTS (SELECT FROM noted)
"""


def guard_hooks() -> list[BaseException]:
    """Let no hook of the open transaction raise; return what they will have raised.

    Hooks that wait for the end of an outer transaction, which is a test's own, stay as they are.
    """
    raised: list[BaseException] = []
    if connection.savepoint_ids:
        return raised
    waiting: Any = connection.run_on_commit  # django-stubs knows of two values, Django has three
    waiting[:] = [
        (savepoints, partial(_run, function, raised), robust)
        for savepoints, function, robust in waiting
    ]
    return raised


def _run(function: Callable[[], object], raised: list[BaseException]) -> None:
    try:
        function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever it is: the job has succeeded
        raised.append(error)


def report_hooks(job: ClaimedJob, kind: Kind, raised: list[BaseException]) -> None:
    """Count, log, report and show what hooks raised after the commit."""
    redact = redaction.redactor_of(kind, job.args).text
    metrics.count_failed_hooks(kind.name, len(raised))
    for error in raised:
        outcome = outcomes.observe_error(outcomes.Retry(cause=error), kind.retry, redact=redact)
        line = f"an on_commit hook failed: {outcomes.error_line(outcome)}"
        logger.error("job %s has succeeded, but %s", job.id, line)
        reporting.report_error(error, level="error", redact=redact, tags={"job_id": str(job.id)})
    several = f" ({len(raised)} hooks failed, this one last)" if len(raised) > 1 else ""
    _show(job, outcome, f"{line}{several}"[:500])


def _show(job: ClaimedJob, outcome: outcomes.Outcome, line: str) -> None:
    parameters: dict[str, Any] = {
        "id": job.id,
        "attempt": job.attempt,
        "line": line,
        "class": outcome.error_class,
        "message": outcome.message,
        "traceback": outcome.traceback,
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SHOW, parameters)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("job %s can't show what its hook raised: %s", job.id, error)
