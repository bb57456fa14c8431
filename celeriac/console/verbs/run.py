"""A run of the job that applies a verb over a filter: some seconds of batches."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from celeriac.console.verbs import catalogue, choice
from celeriac.console.verbs.models import OPEN, BulkVerb, State
from celeriac.console.verbs.walk import Step, end, step
from celeriac.jobs.models import Job

#: Seconds after which a run lets other jobs have its worker.
RUN_SECONDS = 10.0
#: Seconds to wait for jobs that other transactions hold.
PATIENCE = 1.0
#: Milliseconds that the job may spend on counting what nobody had time to count.
COUNT_FOR = 30_000


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
        """Whether the run was told to stop before the verb had ended."""
        return self.wait is None and self.state in OPEN


def bulk_run(
    *,
    bulk_id: UUID,
    tell: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    seconds: float = RUN_SECONDS,
) -> Progress:
    """Apply the verb for about `seconds`; return how far it is.

    Any number of runs may follow each other, or meet: no job is met twice.
    """
    deadline = time.monotonic() + seconds
    _count(bulk_id)
    while not should_stop():
        left = step(bulk_id)
        bulk = BulkVerb.objects.filter(pk=bulk_id).first()
        if bulk is not None and bulk.total is not None:
            tell(min(bulk.seen, bulk.total), bulk.total)
        if left is Step.OVER:
            return _progress(bulk_id)
        if left is Step.HELD:
            return _progress(bulk_id, PATIENCE, "other transactions hold the last of its jobs")
        if time.monotonic() > deadline:
            return _progress(bulk_id, 0.0, "other jobs' turn")
    return _progress(bulk_id)


def bulk_follow(*, job_id: UUID) -> None:
    """Stop the verb whose job was asked to stop; a lost claim alone stops nothing."""
    if Job.objects.filter(id=job_id, cancel_requested_at__isnull=False).exists():
        for bulk in _of_job(job_id):
            end(bulk, State.STOPPED, "its job was cancelled")


def bulk_fail(*, job_id: UUID, error: str) -> None:
    """Note that the job died: its retry goes on where it stopped."""
    for bulk in _of_job(job_id):
        end(bulk, State.FAILED, error[:1000])


def _of_job(job_id: UUID) -> list[BulkVerb]:
    return [bulk for bulk in BulkVerb.objects.filter(job=job_id) if bulk.is_open]


def _count(bulk_id: UUID) -> None:
    """Count what was too many to count while somebody waited, for the bar's sake."""
    bulk = BulkVerb.objects.select_related("actor").filter(pk=bulk_id, total=None).first()
    if bulk is None or bulk.actor is None or bulk.verb not in catalogue.VERBS or bulk.seen:
        return
    action = catalogue.find(bulk.verb)
    chosen = choice.until(choice.of(bulk, action), bulk.cutoff)
    total = choice.bounded_count(chosen, milliseconds=COUNT_FOR)
    BulkVerb.objects.filter(pk=bulk_id, total=None).update(total=total)


def _progress(bulk_id: UUID, wait: float | None = None, reason: str = "") -> Progress:
    bulk = BulkVerb.objects.filter(pk=bulk_id).first()
    if bulk is None:
        return Progress("gone", 0, 0)
    return Progress(bulk.state, bulk.changed, bulk.seen, wait, reason)
