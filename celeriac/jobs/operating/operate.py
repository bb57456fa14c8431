"""Doing to jobs what operators, the API and the admin ask for; actions.py has what there is.

With an `actor` (a user, or a name such as "cli") an audit row is left in the same transaction.
A row that somebody else holds is waited for as long as LOCK_TIMEOUT_SECONDS, then EnqueueBusy.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from celeriac.core import audit
from celeriac.core.queries import fetch_rows
from celeriac.core.sqlstates import violates
from celeriac.jobs import metrics, nudge
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.enqueueing.option_checks import checked_priority
from celeriac.jobs.errors import InvalidOption, JobNotFound, Superseded, TransitionRefused
from celeriac.jobs.models import Job
from celeriac.jobs.models.job import UNIQUE_KEY_QUEUED
from celeriac.jobs.nodes.reopening import reopen_nodes_of
from celeriac.jobs.operating import edit
from celeriac.jobs.operating.actions import ACTIONS, Action
from celeriac.jobs.states import TERMINAL, State

Actor = Any  # a user, a name, or None for the program itself

_RACES = 5
#: What is refused of a field's value before any job is looked at.
_CHECKS: dict[str, Callable[[Any], object]] = {
    "priority": checked_priority,
    "queue": queues.check_queue,
}


def cancel(job_id: UUID, *, actor: Actor = None, reason: str = "") -> Job:
    """Cancel a job and return it: at once while queued, at its own next look while running.

    Raises:
        JobNotFound: there is no such job.
        TransitionRefused: it has ended.
        EnqueueBusy: somebody else holds its row.
    """
    return act_on_job(ACTIONS["cancel"], job_id, actor=actor, reason=reason)


def retry(job_id: UUID, *, actor: Actor = None, reason: str = "") -> Job:
    """Queue a dead or cancelled job again, due now, its failures and losses forgotten.

    Its history and its attempt number stay.

    Raises:
        JobNotFound: there is no such job.
        TransitionRefused: it is in any other state.
        Superseded: its unique key has been queued anew, by the job that is named.
        EnqueueBusy: somebody else holds its row.
    """
    return act_on_job(ACTIONS["retry"], job_id, actor=actor, reason=reason)


def act_on_job(
    action: Action, job_id: UUID, *, actor: Actor = None, reason: str = "", **values: Any
) -> Job:
    """Do it to one job and return the job.

    Raises:
        JobNotFound: there is no such job.
        TransitionRefused: it is in a state that the action does not name.
        Superseded: its unique key is queued by the job that is named.
        InvalidOption: a field has no value, or one that does not fit.
        UnknownQueue: no queue of that name is declared.
        InvalidArgs: edited arguments do not fit the kind.
        EnqueueBusy: somebody else holds its row.
    """
    given = checked_values(action, values)
    with bounded_wait(f"job {job_id}"):
        details = _details(action, job_id, given)
        if not act_on_jobs(action, [job_id], given, reason=reason):
            raise _refusal(action, job_id)
        if actor is not None:
            audit.record(action.audited, "job", job_id, actor=actor, reason=reason, details=details)
        return Job.objects.get(pk=job_id)


def act_on_jobs(
    action: Action, ids: Sequence[UUID], values: Mapping[str, Any], *, reason: str = ""
) -> list[UUID]:
    """Do it to those of `ids` whose state allows it, with checked values; return which. No audit.

    Of several with one unique key the newest is queued again, and none while that key is queued.
    """
    error = f"{action.past}: {reason}"[:500] if reason else action.past
    states = [state.value for state in action.states]
    parameters = {"ids": list(ids), "states": states, "error": error, **values}
    with transaction.atomic():
        rows = _moved_rows(action.statement, parameters)
        _follow(rows, action)
    # The last column of a statement that ends jobs: whether it enqueued a callback.
    metrics.count_callbacks(sum(row[6] for row in rows if len(row) > 6))
    _nudge([row[:5] for row in rows if row[1] == State.QUEUED])
    return [row[0] for row in rows]


def checked_values(action: Action, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the action's fields say.

    Raises:
        InvalidOption: a field has no value, or one that does not fit.
        UnknownQueue: no queue of that name is declared.
    """
    found = {name: values.get(name) for name in action.fields}
    for name, value in found.items():
        if value is None:
            raise InvalidOption(f"{action.label}: say which {name}.")
        _CHECKS.get(name, lambda _: None)(value)
    return found


def _details(action: Action, job_id: UUID, values: dict[str, Any]) -> dict[str, Any]:
    """Return what the audit trail shall say; edited arguments are written on the way."""
    if "args" not in values:
        return {**action.facts, **values}
    job = Job.objects.select_for_update().filter(pk=job_id, state__in=action.states).first()
    if job is None:
        raise _refusal(action, job_id)
    return edit.write_args(job, values["args"])


def _moved_rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    for race in range(_RACES):
        try:
            with transaction.atomic():
                return fetch_rows(statement, parameters)
        except IntegrityError as error:
            # Its key was queued between our look and our write: look again.
            if not violates(error, UNIQUE_KEY_QUEUED) or race == _RACES - 1:
                raise
    return []


def _follow(rows: Sequence[tuple[Any, ...]], action: Action) -> None:
    """See to the groups of members that were moved: a retry opens them, an end may close them."""
    queued = {row[0]: row[5] for row in rows if row[1] == State.QUEUED}
    if queued and State.DEAD in action.states:
        reopen_nodes_of(queued)
    nudge.nudge_nodes(nodes=[row[5] for row in rows if row[5] and row[1] in TERMINAL])


def _nudge(rows: Sequence[tuple[Any, ...]]) -> None:
    soonest: dict[tuple[str, int], datetime] = {}
    for _, _, queue, priority, run_at in rows:
        soonest[queue, priority] = min(run_at, soonest.get((queue, priority), run_at))
    for (queue, priority), run_at in soonest.items():
        nudge.nudge_after_commit(queue=queue, priority=priority, run_at=run_at)
    # They may have been rung before, in vain.
    nudge.nudge_jobs(ids=[row[0] for row in rows])


def _refusal(action: Action, job_id: UUID) -> Exception:
    """Return why nothing moved: the job is gone, in another state, or its key is queued."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        return JobNotFound(f"There is no job {job_id}: it was pruned, or never committed.")
    if job.state in action.states and job.unique_key is not None:
        twins = Job.objects.queued().filter(kind=job.kind, unique_key=job.unique_key)
        if other := twins.exclude(pk=job_id).first():
            return Superseded(
                f"Job {job_id} can't be queued again: job {other.id} of the same unique key "
                f"{job.unique_key!r} is queued already.",
                job_id=str(other.id),
            )
    return TransitionRefused(
        f"Job {job_id} is {job.state}; only a job that is {action.from_states} can be "
        f"{action.past}.",
        state=job.state,
    )
