"""The operators' verbs over a filter: in batches, each batch its own transaction.

The audit row is written first and counts on with every batch, so that it tells
the truth wherever the work was cut short. Jobs that somebody else holds for
longer than CELERIAC_LOCK_TIMEOUT_SECONDS end it with EnqueueBusy.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from celeriac.core import audit
from celeriac.jobs.enqueueing.locks import bounded
from celeriac.jobs.models import Job
from celeriac.jobs.operating import operate
from celeriac.jobs.states import State

BATCH = 500


def cancel_many(
    jobs: QuerySet[Job],
    *,
    actor: operate.Actor,
    reason: str = "",
    filter: dict[str, Any] | None = None,
) -> int:
    """Cancel those of `jobs` that are queued or running; return how many.

    `filter` says in the audit row how `jobs` were chosen.
    """
    chosen = jobs.filter(state__in=[State.QUEUED, State.RUNNING])
    return _apply(
        "cancel", chosen, lambda ids: operate.cancel_ids(ids, reason=reason), actor, reason, filter
    )


def retry_many(
    jobs: QuerySet[Job],
    *,
    actor: operate.Actor,
    reason: str = "",
    filter: dict[str, Any] | None = None,
) -> int:
    """Queue those of `jobs` again that are dead or cancelled; return how many.

    Those whose unique key is queued already are left as they are.
    """
    chosen = jobs.filter(state__in=[State.DEAD, State.CANCELLED])
    return _apply("retry", chosen, operate.retry_ids, actor, reason, filter)


def change_many(
    jobs: QuerySet[Job],
    *,
    actor: operate.Actor,
    priority: int | None = None,
    queue: str | None = None,
    run_at: datetime | None = None,
    run_now: bool = False,
    reason: str = "",
    filter: dict[str, Any] | None = None,
) -> int:
    """Change queue, priority or time of those of `jobs` that are queued; return how many."""
    changes = operate.checked_changes(
        priority=priority, queue=queue, run_at=run_at, run_now=run_now
    )
    said = operate.described(changes)
    chosen = jobs.filter(state=State.QUEUED)
    return _apply(
        "change", chosen, lambda ids: operate.change_ids(ids, changes), actor, reason, filter, said
    )


def _apply(
    verb: str,
    jobs: QuerySet[Job],
    change: Callable[[Sequence[UUID]], list[UUID]],
    actor: operate.Actor,
    reason: str,
    filter: dict[str, Any] | None,
    details: dict[str, Any] | None = None,
) -> int:
    entry = audit.record(
        verb=f"job.{verb}",
        target_type="job",
        actor=actor,
        count=0,
        reason=reason,
        filter=filter or {"query": "an explicit selection"},
        details=details,
    )
    total = 0
    for ids in _batches(jobs):
        with bounded(f"some of {len(ids)} jobs"):
            done = change(ids)
            audit.add(entry.pk, done)
        total += len(done)
    return total


def _batches(jobs: QuerySet[Job]) -> Iterator[list[UUID]]:
    """Walk the jobs by id; each is met once, whatever becomes of it."""
    ordered = jobs.order_by("id").values_list("id", flat=True)
    ids = list(ordered[:BATCH])
    while ids:
        yield ids
        ids = list(ordered.filter(id__gt=ids[-1])[:BATCH])
