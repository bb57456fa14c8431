"""Doing an action to the jobs of a selection, batch by batch, each batch its own transaction.

A batch locks the bulk action's own row first, so that two runs take turns and each goes
on where the other committed. Jobs are walked by id behind a cursor, so each is met
once, whatever becomes of it. A job that another transaction holds is not waited
for: it is remembered and tried again at the end, so that one long handler cannot
stop an action over a hundred thousand.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from django.db.models import F

from celeriac.console.actions import selection
from celeriac.console.actions.models import OPEN, BulkAction, BulkState
from celeriac.console.actions.permissions import bulk_action, may_apply
from celeriac.core import audit
from celeriac.core.clock import Now
from celeriac.core.errors import CeleriacError
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.errors import EnqueueBusy
from celeriac.jobs.models import Job
from celeriac.jobs.operating.actions import ACTIONS, Action
from celeriac.jobs.operating.operate import act_on_jobs

#: Jobs in a batch.
BATCH = 500
#: More held jobs than this are not gathered: they are tried again before the cursor moves on.
MOST_HELD = 5_000
#: How often jobs that others hold are tried again before they are left.
ROUNDS = 5
#: Seconds after which a run lets other jobs have its worker.
RUN_SECONDS = 10.0
#: Seconds to wait for jobs that other transactions hold.
PATIENCE = 1.0
#: Milliseconds that the job may spend on counting what nobody had time to count.
COUNT_FOR = 30_000


#: The jobs that nobody held, and those of them that the action changed.
type _Change = tuple[Sequence[UUID], Sequence[UUID]]


class BatchResult(Enum):
    """What a batch leaves to do."""

    MORE = "more"
    #: Only jobs that other transactions hold are left: wait a little.
    HELD = "held"
    OVER = "over"


def apply_batch(bulk_id: UUID) -> BatchResult:
    """Do the action to the next batch; return what is left to do.

    A missing permission, or a filter that can no longer be read, ends it as refused.
    Raises EnqueueBusy where another run, or a unique key, is held for too long.
    """
    with bounded_wait(f"the bulk action {bulk_id}"):
        rows = BulkAction.objects.select_for_update(of=("self",)).select_related("actor", "audit")
        bulk = rows.filter(pk=bulk_id).first()
        if bulk is None or not bulk.is_open:
            return BatchResult.OVER
        try:
            action = bulk_action(bulk.verb)
            if not may_apply(action, bulk.principal):
                return end_bulk(
                    bulk, BulkState.REFUSED, f"{bulk.actor_name} may no longer do this."
                )
            return _apply(bulk, action)
        except EnqueueBusy:
            raise
        except CeleriacError as error:
            return end_bulk(bulk, BulkState.REFUSED, error.message)


def end_bulk(bulk: BulkAction, state: BulkState, error: str = "") -> BatchResult:
    """Write how it ended."""
    BulkAction.objects.filter(pk=bulk.pk).update(state=state, error=error, finished_at=Now())
    return BatchResult.OVER


def _apply(bulk: BulkAction, action: Action) -> BatchResult:
    if len(bulk.held) >= MOST_HELD:
        left = _try_held(bulk, action, rounds=bulk.rounds)
        return BatchResult.HELD if len(left) >= MOST_HELD else BatchResult.MORE
    chosen = selection.before_cutoff(selection.jobs_of_bulk(bulk, action), bulk.cutoff)
    if bulk.cursor is not None:
        chosen = chosen.filter(pk__gt=bulk.cursor)
    ids = list(chosen.order_by("pk").values_list("pk", flat=True)[:BATCH])
    if not ids:
        return _finish(bulk, action)
    free, changed = _change(bulk, action, ids)
    taken = set(free)
    held = [str(job_id) for job_id in ids if job_id not in taken]
    _note(bulk, changed, cursor=ids[-1], seen=F("seen") + len(ids), held=bulk.held + held)
    return BatchResult.MORE


def _finish(bulk: BulkAction, action: Action) -> BatchResult:
    """Try again what others held; what they still hold after some rounds is left as it is."""
    left = _try_held(bulk, action, rounds=bulk.rounds + 1) if bulk.held else []
    if left and bulk.rounds + 1 < ROUNDS:
        return BatchResult.HELD
    note = f"{len(left)} held by other transactions were left as they are." if left else ""
    return end_bulk(bulk, BulkState.FINISHED, note)


def _try_held(bulk: BulkAction, action: Action, *, rounds: int) -> list[str]:
    """Do the action to what nobody holds any more; return the ids that somebody still does."""
    ids = [UUID(name) for name in bulk.held]
    free, changed = _change(bulk, action, ids)
    movable = Job.objects.filter(pk__in=ids, state__in=action.states).exclude(pk__in=free)
    still = [str(job_id) for job_id in movable.order_by("pk").values_list("pk", flat=True)]
    _note(bulk, changed, held=still, rounds=rounds)
    return still


def _change(bulk: BulkAction, action: Action, ids: Sequence[UUID]) -> _Change:
    """Do the action to those that nobody holds; return them, and those that changed."""
    movable = Job.objects.filter(pk__in=ids, state__in=action.states).order_by("pk")
    free = list(movable.select_for_update(skip_locked=True).values_list("pk", flat=True))
    return free, act_on_jobs(action, free, bulk.parameters, reason=bulk.reason) if free else []


def _note(bulk: BulkAction, changed: Sequence[UUID], **values: object) -> None:
    BulkAction.objects.filter(pk=bulk.pk).update(
        changed=F("changed") + len(changed),
        state=BulkState.RUNNING,
        error="",
        finished_at=None,
        **values,
    )
    audit.record_batch(bulk.audit_id, changed)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run ended: `wait` is None when no other run shall follow."""

    state: str
    changed: int
    seen: int
    wait: float | None = None
    reason: str = ""

    @property
    def is_cut_short(self) -> bool:
        """Whether the run was told to stop before the action had ended."""
        return self.wait is None and self.state in OPEN


def bulk_run(
    *,
    bulk_id: UUID,
    tell: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    seconds: float = RUN_SECONDS,
) -> Progress:
    """Do the action for about `seconds`; return how far it is.

    Any number of runs may follow each other, or meet: no job is met twice.
    """
    deadline = time.monotonic() + seconds
    _count(bulk_id)
    while not should_stop():
        left = apply_batch(bulk_id)
        bulk = BulkAction.objects.filter(pk=bulk_id).first()
        if bulk is not None and bulk.total is not None:
            tell(min(bulk.seen, bulk.total), bulk.total)
        if left is BatchResult.OVER:
            return _progress(bulk_id)
        if left is BatchResult.HELD:
            return _progress(bulk_id, PATIENCE, "other transactions hold the last of its jobs")
        if time.monotonic() > deadline:
            return _progress(bulk_id, 0.0, "other jobs' turn")
    return _progress(bulk_id)


def bulk_follow(*, job_id: UUID) -> None:
    """Stop the action whose job was asked to stop; a lost claim alone stops nothing."""
    if Job.objects.filter(id=job_id, cancel_requested_at__isnull=False).exists():
        for bulk in _of_job(job_id):
            end_bulk(bulk, BulkState.STOPPED, "its job was cancelled")


def bulk_fail(*, job_id: UUID, error: str) -> None:
    """Note that the job died: its retry goes on where it stopped."""
    for bulk in _of_job(job_id):
        end_bulk(bulk, BulkState.FAILED, error[:1000])


def _of_job(job_id: UUID) -> list[BulkAction]:
    return [bulk for bulk in BulkAction.objects.filter(job=job_id) if bulk.is_open]


def _count(bulk_id: UUID) -> None:
    """Count what was too many to count while somebody waited, for the bar's sake."""
    bulk = (
        BulkAction.objects.select_related("actor", "audit").filter(pk=bulk_id, total=None).first()
    )
    if bulk is None or bulk.principal is None or bulk.verb not in ACTIONS or bulk.seen:
        return
    action = bulk_action(bulk.verb)
    chosen = selection.before_cutoff(selection.jobs_of_bulk(bulk, action), bulk.cutoff)
    total = selection.bounded_count(chosen, milliseconds=COUNT_FOR)
    BulkAction.objects.filter(pk=bulk_id, total=None).update(total=total)


def _progress(bulk_id: UUID, wait: float | None = None, reason: str = "") -> Progress:
    bulk = BulkAction.objects.filter(pk=bulk_id).first()
    if bulk is None:
        return Progress("gone", 0, 0)
    return Progress(bulk.state, bulk.changed, bulk.seen, wait, reason)
