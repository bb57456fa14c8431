"""Whose turn it is: the runs of a doorbell, one by one, while their claim holds.

Between two handlers the claim is verified when it was last verified a while ago
(a stalled process must not run what is no longer its own), and what has not
started when the doorbell's time is used up, or when the worker stops, is
released.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator

from django.db import connection

from celeriac.core.database_errors import is_away
from celeriac.core.sessions import renew_connection
from celeriac.jobs import outcomes
from celeriac.jobs.log_names import job_names
from celeriac.jobs.running.claim import owned_jobs
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.setbacks import one_line
from celeriac.jobs.running.worker_context import WorkerContext
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds after which a claim is verified again before the next handler.
VERIFY_AFTER = 0.25
#: Seconds between two looks for a stop.
LOOK_AFTER = 0.01
#: Seconds before a job is rung again that this platform, not its handler, could not run.
SPARED_FOR = 2.0


def in_turn(runs: list[Run], context: WorkerContext) -> Iterator[Run]:
    """Yield the runs, until the doorbell's time is over, the worker stops or the claim is lost."""
    deadline = time.monotonic() + conf.DOORBELL_BUDGET_SECONDS
    verified = runs[0].claimed_at if runs else 0.0
    looked, stopping = 0.0, False
    waiting = deque(runs)
    while waiting:
        now = time.monotonic()
        if now - looked > LOOK_AFTER:
            stopping = context.stopping() or (looked > 0 and context.look_around())
            looked = now
        if now - verified > VERIFY_AFTER:
            waiting, verified = deque(_still_owned(list(waiting), context)), time.monotonic()
        # The first job runs in any case, or a slow claim would never get anything done.
        late = now > deadline and len(waiting) < len(runs)
        if late or stopping or not waiting:
            return
        yield waiting.popleft()


def _still_owned(waiting: list[Run], context: WorkerContext) -> list[Run]:
    claim_id = waiting[0].claim_id
    ids = [run.job.id for run in waiting]
    try:
        owned = owned_jobs(ids, claim_id=claim_id)
        if len(owned) < len(ids) and not context.sees_ledger():
            owned = owned_jobs(ids, claim_id=claim_id)
    except Exception as error:
        if connection.in_atomic_block:
            raise
        logger.warning("%s can't be verified, so released: %s", job_names(ids), one_line(error))
        renew_connection()
        spare(waiting, error)
        return []
    if len(owned) < len(ids) and not context.journal.is_halted:
        logger.warning("lost claim: no longer ours: %s", job_names(set(ids) - owned))
    return [run for run in waiting if run.job.id in owned]


def spare(runs: list[Run], error: Exception) -> None:
    """Give back what has not started: at once after an outage, else not at full speed."""
    reason = f"its worker could not start it: {one_line(error)}"
    delay = 0.0 if is_away(error) else SPARED_FOR
    for run in runs:
        if run.outcome is None and not run.started_at:
            run.decide(outcomes.released(reason, delay=delay))


def forget_taken_back(runs: list[Run], context: WorkerContext) -> None:
    """Drop what the parent has released: it is no lost claim."""
    unstarted = (
        {run.job.id for run in runs if run.outcome is None} if context.journal.is_halted else None
    )
    if not unstarted:
        return
    try:
        gone = unstarted - owned_jobs(unstarted, claim_id=runs[0].claim_id)
    except Exception as error:
        if not is_away(error):
            raise
        return  # the release of all of them goes on until it is answered
    runs[:] = [run for run in runs if run.job.id not in gone]
