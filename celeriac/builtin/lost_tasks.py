"""The job that tells a project of a loss that ended a job of one of its own Celery tasks.

In Celery the parent of a worker calls the hooks then, if it lives. Here whoever settles the loss
enqueues this in the same transaction, and a worker that knows the task calls them.
"""

from uuid import UUID

from celeriac.celery.adopted.loss_hooks import tell_loss
from celeriac.celery.base import job
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.running.lost_kinds import TELL_LOST


@job(TELL_LOST, queue="maintenance", retry=Backoff(max_attempts=1), runs_again=frozenset())
def tell_lost(job_id: UUID, error: str) -> bool:
    """Send `task_failure`, and call the hooks of a task that overran; return whether it is known.

    At most once: a receiver that kills its process is not called again.
    """
    return tell_loss(job_id, error)
