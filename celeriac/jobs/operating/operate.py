"""What operators, the API and the admin do to jobs: each verb a service.

A verb with an `actor` (a user, or a name such as "cli") leaves an audit row in the
same transaction. A row that somebody else holds is waited for as long as
CELERIAC_LOCK_TIMEOUT_SECONDS, then EnqueueBusy.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from celeriac.core import audit
from celeriac.jobs import counted, nudge
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.enqueueing.draft import checked_priority, moment
from celeriac.jobs.enqueueing.locks import bounded
from celeriac.jobs.errors import InvalidOption, JobNotFound, Superseded, TransitionRefused
from celeriac.jobs.models import Job
from celeriac.jobs.operating import operate_sql
from celeriac.jobs.states import State

Actor = Any  # a user, a name, or None for the program itself

_RACES = 5


def cancel(job_id: UUID, *, actor: Actor = None, reason: str = "") -> Job:
    """Cancel a job and return it: at once while queued, at its own next look while running.

    Raises JobNotFound, and TransitionRefused once it has ended.
    """
    with bounded(f"job {job_id}"):
        if not cancel_ids([job_id], reason=reason):
            raise refusal(job_id, "cancelled", "is queued or running")
        _record("cancel", job_id, actor, reason)
        return Job.objects.get(pk=job_id)


def retry(job_id: UUID, *, actor: Actor = None, reason: str = "") -> Job:
    """Queue a dead or cancelled job again, due now, its failures and losses forgotten.

    Its history and its attempt number stay. Raises JobNotFound, TransitionRefused
    in any other state, and Superseded, naming the other job, where its unique key
    has been queued anew.
    """
    with bounded(f"job {job_id}"):
        if not retry_ids([job_id]):
            raise twin(job_id) or refusal(job_id, "retried", "is dead or cancelled")
        _record("retry", job_id, actor, reason)
        return Job.objects.get(pk=job_id)


def change(
    job_id: UUID,
    *,
    priority: int | None = None,
    queue: str | None = None,
    run_at: datetime | None = None,
    run_now: bool = False,
    actor: Actor = None,
    reason: str = "",
) -> Job:
    """Change where, how urgently or when a queued job runs, and return it.

    Raises JobNotFound, TransitionRefused unless it is queued, UnknownQueue, InvalidOption.
    """
    changes = checked_changes(priority=priority, queue=queue, run_at=run_at, run_now=run_now)
    with bounded(f"job {job_id}"):
        if not change_ids([job_id], changes):
            raise refusal(job_id, "changed", "is queued")
        _record("change", job_id, actor, reason, details=described(changes))
        return Job.objects.get(pk=job_id)


def checked_changes(
    *,
    priority: int | None = None,
    queue: str | None = None,
    run_at: datetime | None = None,
    run_now: bool = False,
) -> dict[str, Any]:
    """Return the changes as the statement's parameters; InvalidOption where they say nothing."""
    if run_now and run_at is not None:
        raise InvalidOption("Give run_at or run_now, not both.")
    if priority is None and queue is None and run_at is None and not run_now:
        raise InvalidOption("Say what to change: priority, queue, run_at or run_now.")
    return {
        "priority": None if priority is None else checked_priority(priority),
        "queue": None if queue is None else queues.check(queue),
        "run_at": None if run_at is None else moment("run_at", run_at),
        "run_now": run_now,
    }


def described(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes for the audit trail."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in changes.items()
        if value is not None and value is not False
    }


def cancel_ids(ids: Sequence[UUID], *, reason: str = "") -> list[UUID]:
    """Cancel those of `ids` that are queued or running; return which. No audit."""
    error = f"cancelled: {reason}"[:500] if reason else "cancelled"
    rows = _execute(operate_sql.CANCEL, {"ids": list(ids), "error": error})
    counted.called(sum(row[1] for row in rows))
    return [row[0] for row in rows]


def retry_ids(ids: Sequence[UUID]) -> list[UUID]:
    """Queue again those of `ids` that ended badly; return which. No audit.

    Of several with one unique key the newest is taken, and none while that key is queued.
    """
    rows: list[tuple[Any, ...]] = []
    for race in range(_RACES):
        try:
            with transaction.atomic():
                rows = _execute(operate_sql.REVIVE, {"ids": list(ids)})
            break
        except IntegrityError as error:
            # Its key was queued between our look and our write: look again.
            if "job_unique_key_queued" not in str(error) or race == _RACES - 1:
                raise
    _nudge(rows)
    return [row[0] for row in rows]


def change_ids(ids: Sequence[UUID], changes: dict[str, Any]) -> list[UUID]:
    """Apply `checked_changes` to those of `ids` that are queued; return which. No audit."""
    rows = _execute(operate_sql.CHANGE, {"ids": list(ids), **changes})
    _nudge(rows)
    return [row[0] for row in rows]


def _execute(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _nudge(rows: Sequence[tuple[Any, ...]]) -> None:
    soonest: dict[tuple[str, int], datetime] = {}
    for _, queue, priority, run_at in rows:
        soonest[queue, priority] = min(run_at, soonest.get((queue, priority), run_at))
    for (queue, priority), run_at in soonest.items():
        nudge.after_commit(queue=queue, priority=priority, run_at=run_at)
    # They may have been rung before, in vain.
    nudge.returned(ids=[row[0] for row in rows])


def _record(
    verb: str, job_id: UUID, actor: Actor, reason: str, details: dict[str, Any] | None = None
) -> None:
    if actor is not None:
        audit.record(
            verb=f"job.{verb}",
            target_type="job",
            target_id=job_id,
            actor=actor,
            reason=reason,
            details=details,
        )


def refusal(job_id: UUID, done: str, needed: str) -> Exception:
    """Return why a verb found nothing to move: the job is gone, or in another state."""
    state = Job.objects.filter(pk=job_id).values_list("state", flat=True).first()
    if state is None:
        return JobNotFound(f"There is no job {job_id}: it was pruned, or never committed.")
    return TransitionRefused(
        f"Job {job_id} is {state}; only a job that {needed} can be {done}.", state=state
    )


def twin(job_id: UUID) -> Superseded | None:
    """Return the refusal of a retry whose unique key is queued by another job."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None or job.unique_key is None or job.state not in (State.DEAD, State.CANCELLED):
        return None
    other = Job.objects.queued().filter(kind=job.kind, unique_key=job.unique_key).first()
    if other is None:
        return None
    return Superseded(
        f"Job {job_id} can't be queued again: job {other.id} of the same unique key "
        f"{job.unique_key!r} is queued already.",
        job_id=str(other.id),
    )
