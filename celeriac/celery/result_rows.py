"""`celery_result=True`: what became of a run, as a row of django-celery-results.

For readers that look there. The ledger is the truth: the row is written after it, by the
worker, and a failure to write it fails no job.
"""

import json
from typing import Any

from celery import current_app, states
from celery.app.task import Context

from celeriac.jobs import redaction
from celeriac.jobs.errors import JobCancelled, JobFailed
from celeriac.jobs.redaction import Redactor
from celeriac.jobs.running.run import Run
from celeriac.jobs.states import ENDINGS, State

_STATES = {State.QUEUED: states.RETRY} | {each.state: each.celery for each in ENDINGS}


def write_result_row(run: Run) -> None:
    """Write or overwrite the row of the run's job, as Celery's own result backend does."""
    settled, settlement = run.settled, run.settlement
    if run.outcome is None or settled is None or settled.state is None:
        return
    if settled.state is State.QUEUED and not settlement.error_class:
        return  # snoozed or put back: nothing that Celery has a word for
    redactor = redaction.redactor_of(run.kind, run.job.args)
    current_app.backend.store_result(
        str(run.job.id),
        _value(run, settled.state, redactor),
        _STATES[settled.state],
        traceback=redactor.text(settlement.traceback) or None,
        request=_request(run, redactor),
    )


def _value(run: Run, state: State, redactor: Redactor) -> Any:
    settlement = run.settlement
    if state is State.SUCCEEDED:
        return redactor.result(json.loads(settlement.result)) if settlement.result else None
    if state is State.CANCELLED:
        return JobCancelled(redactor.text(settlement.message))
    if isinstance(run.error, Exception) and redactor.is_open:
        return getattr(run.error, "cause", None) or run.error
    return JobFailed(redactor.text(settlement.message))


def _request(run: Run, redactor: Redactor) -> Context:
    return Context(
        id=str(run.job.id),
        task=run.kind.name,
        argsrepr="()",
        kwargsrepr=repr(redactor.args(json.loads(run.job.args))),
        retries=run.job.failures,
        children=[],
    )
