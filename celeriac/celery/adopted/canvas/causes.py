"""What became of a job by others: which one's death called it off, whether one took its place."""

from typing import Any
from uuid import UUID

from celeriac.jobs.models import Job, Node
from celeriac.jobs.nodes.sql import MARK
from celeriac.jobs.states import State

_MOST = 100


def cause_of(job: Job) -> Job | None:
    """Return the job of the same flow whose death called this one off, if that is what did."""
    if job.state != State.CANCELLED or job.wait_reason != MARK:
        return None
    dead = Job.objects.filter(state=State.DEAD, node__in=_nodes_beside(job)).order_by("finished_at")
    named = [each for each in dead[:_MOST] if str(each.id) in job.error]
    return named[0] if named else dead.first()


def _nodes_beside(job: Job) -> Any:
    flow = Node.objects.filter(pk__in=[job.node]).values("flow")
    return Node.objects.filter(flow__in=flow).values("id")


def is_replaced(job_id: UUID) -> bool:
    """Return whether an earlier run of a running job, lost right after, has replaced it."""
    return Job.objects.filter(pk=job_id, superseded_by__isnull=False).exists()
