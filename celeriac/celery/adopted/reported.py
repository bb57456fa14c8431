"""What is told of a job beside its row's own state: `update_state`, children, a forgotten result.

It stands in `progress`, with the run that it was told of: another run makes it void. Nothing here
fails a job, whatever is wrong with it.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from celeriac.celery.adopted.values import plain_error, plain_value
from celeriac.core import tables
from celeriac.jobs.models import Job
from celeriac.jobs.running.current import CurrentJob
from celeriac.jobs.states import TERMINAL

logger = logging.getLogger(__name__)

#: The state of a result that its reader has dropped.
FORGOTTEN = "FORGOTTEN"
#: It is told of the run that was seen: another one's own words stay.
_TELL = f"""
UPDATE {tables.JOB} j SET progress = told.facts FROM (SELECT %s::jsonb AS facts) AS told
WHERE j.id = %s AND j.state <> ALL (%s) AND j.attempt = (told.facts ->> 'attempt')::int
"""
_FORGET = f"""
UPDATE {tables.JOB} SET progress = %s::jsonb, result = NULL WHERE id = %s AND state = ANY (%s)
"""


def tell_state(job: CurrentJob, state: Any, meta: Any) -> None:
    """Keep a state that the running task tells of itself."""
    _survive(job.id, lambda: job.tell(_facts(job.attempt, state, meta)))


def tell_children(job: CurrentJob, request: Any) -> None:
    """Keep which tasks the run has called, where its task keeps a trail of them."""
    children = [each.as_tuple() for each in getattr(request, "children", None) or []]
    if children:
        _survive(job.id, lambda: job.tell({"attempt": job.attempt, "children": children}))


def tell_of(job: Job, state: Any, meta: Any) -> None:
    """Keep a state that somebody else tells of a job which has not ended."""
    _survive(job.id, lambda: _write(_TELL, _facts(job.attempt, state, meta), job))


def forget_result(job: Job) -> None:
    """Drop the result of a job that has ended; its row stays."""
    _write(_FORGET, {"attempt": job.attempt, "state": FORGOTTEN}, job)


def told_of(job: Job) -> Mapping[str, Any]:
    """Return what was told of the job's last run."""
    told = job.progress
    if isinstance(told, dict) and told.get("attempt") == job.attempt:
        return told
    return {}


def _facts(attempt: int, state: Any, meta: Any) -> dict[str, Any]:
    """Return what is kept; how far it is, the pages of jobs show as well."""
    plain = plain_error(meta) if isinstance(meta, BaseException) else plain_value(meta)
    facts: dict[str, Any] = {"attempt": attempt, "state": str(state), "meta": plain}
    if isinstance(plain, dict):
        done, total = plain.get("current", plain.get("done")), plain.get("total")
        if isinstance(done, int) and isinstance(total, int):
            facts |= {"done": done, "total": total}
    return facts


def _write(statement: str, facts: dict[str, Any], job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [json.dumps(facts), job.id, sorted(TERMINAL)])


def _survive(job_id: Any, write: Any) -> None:
    """Write it, if it can be; in a transaction that has failed it can't."""
    if connection.in_atomic_block and connection.needs_rollback:
        return
    try:
        if connection.in_atomic_block:
            with transaction.atomic():
                write()
        else:
            write()
    except Exception as error:
        logger.warning("what was told of job %s is not kept: %s", job_id, error)
