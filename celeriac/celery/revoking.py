"""Celery's `control revoke`, answered by a worker of the ledger: the job is cancelled.

Celery's own worker remembers the id and throws away whatever message bears it: a job's
doorbells, for hours, while the dispatcher rings on and the row says nothing of it.
"""

from typing import Any
from uuid import UUID

from celery.utils.functional import maybe_list
from celery.worker.control import Panel
from django.db import connection

from celeriac.jobs.errors import JobNotFound, TransitionRefused
from celeriac.jobs.models import Job
from celeriac.jobs.operating.operate import cancel


def install_revoking() -> None:
    """Take the two verbs over in this process."""
    Panel.data["revoke"] = revoke
    Panel.data["terminate"] = terminate


def revoke(state: Any, task_id: Any, **_: object) -> dict[str, str]:
    """Cancel the jobs of these ids, as `AsyncResult(id).revoke()` does."""
    try:
        ids = sorted(set(maybe_list(task_id) or []))
        cancelled = [each for each in ids if _cancel(each)]
    finally:
        connection.close()  # children that are forked later must not share it
    return {"ok": f"jobs cancelled: {', '.join(cancelled) or 'none'}"}


def terminate(state: Any, signal: object, task_id: Any, **_: object) -> dict[str, str]:
    """Do the same: to kill a process would cost the job a loss."""
    return revoke(state, task_id)


def _cancel(text: str) -> bool:
    """Cancel one; False where another worker was faster, it has ended, or it is no job's id."""
    try:
        job_id = UUID(text)
        if not Job.objects.filter(pk=job_id, cancel_requested_at=None).exists():
            return False
        cancel(job_id, actor="celery control", reason="revoked")
    except (ValueError, JobNotFound, TransitionRefused):
        return False
    return True
