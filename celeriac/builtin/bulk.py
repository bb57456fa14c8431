"""Jobs of bulk actions."""

from typing import Any
from uuid import UUID

from celeriac.celery.base import job
from celeriac.console.actions import runner
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.outcomes import Cancelled, Snooze
from celeriac.jobs.running.current import current_job


# Each run works for some ten seconds and snoozes; the soft limit leaves room for one long count.
@job(
    "ops.apply_verb",
    queue="maintenance",
    priority=50,
    unique="bulk:{bulk_id}",
    lock="bulk:{bulk_id}",
    retry=Backoff(max_attempts=20, base=1, cap=60),
    max_losses=20,
    timeout=120,
    on_dead="ops.verb_failed",
)
def apply_verb(bulk_id: UUID) -> dict[str, Any]:
    """Apply a verb to the jobs of a filter, a while at a time."""
    this = current_job()
    progress = runner.bulk_run(bulk_id=bulk_id, tell=this.progress, should_stop=this.should_stop)
    if progress.is_cut_short:
        runner.bulk_follow(job_id=this.id)
        raise Cancelled
    if progress.wait is not None:
        raise Snooze(progress.wait, progress.reason)
    return {"state": progress.state, "changed": progress.changed, "seen": progress.seen}


@job("ops.verb_failed", queue="maintenance")
def verb_failed(job_id: UUID, error: str) -> None:
    """Let the operators see that a verb stands still."""
    runner.bulk_fail(job_id=job_id, error=error)
