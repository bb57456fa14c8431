"""What became of a job by others: which one's death called it off, whether one took its place."""

import re
from typing import Any

from celeriac.jobs.models import Job, Node
from celeriac.jobs.nodes.sql import MARK
from celeriac.jobs.states import State

#: How it says which job that was, a member or what took its place.
_NAMED = re.compile(r"job ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


def cause_of(job: Job) -> Job | None:
    """Return the job of the same flow whose death called this one off, if that is what did."""
    if job.state != State.CANCELLED or job.wait_reason != MARK:
        return None
    dead = Job.objects.filter(state=State.DEAD)
    named = _NAMED.search(job.error)
    if named and (cause := dead.filter(pk=named[1]).first()) is not None:
        return cause
    return dead.filter(node__in=_nodes_beside(job)).order_by("finished_at").first()


def _nodes_beside(job: Job) -> Any:
    flow = Node.objects.filter(pk__in=[job.node]).values("flow")
    return Node.objects.filter(flow__in=flow).values("id")
