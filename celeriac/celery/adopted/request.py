"""What a task's `request` says while one of its jobs runs: all that a message would."""

import socket
from collections.abc import Mapping
from typing import Any

from celery.app import trace
from celery.app.task import Context

from celeriac.celery.adopted.canvas import inputs
from celeriac.celery.adopted.policy import retries_lost
from celeriac.jobs.models import Job
from celeriac.jobs.nodes.sql import REPLACES, TIMES
from celeriac.jobs.running.current import CurrentJob

#: What Celery itself puts into a message's headers; the rest is the caller's own.
CELERYS = {*vars(Context), "lang", "task", "argsrepr", "kwargsrepr", "compression"}
#: What we keep there of a canvas: it is this job's alone, whatever a task hands on to others.
OURS = {inputs.KEY, inputs.KEPT, TIMES, REPLACES}


class JobContext(Context):
    """Knows the times of the job's row; they are looked up when somebody asks."""

    @property
    def eta(self) -> str | None:  # type: ignore[override]  # a plain attribute of Celery's
        """When it was to start, where its call named a time (ISO 8601)."""
        run_at, created_at, _ = self._times()
        return run_at.isoformat() if run_at is not None and run_at > created_at else None

    @property
    def expires(self) -> str | None:  # type: ignore[override]  # see above
        """Until when it had to start (ISO 8601)."""
        expires_at = self._times()[2]
        return None if expires_at is None else expires_at.isoformat()

    def _times(self) -> tuple[Any, Any, Any]:
        found = Job.objects.filter(pk=self.get("job_id"))
        return found.values_list("run_at", "created_at", "expires_at").first() or (None,) * 3


class Loader:
    """Stands for the app's loader while a job is traced: a process has no ends between jobs."""

    def on_task_init(self, task_id: str, task: Any) -> None:
        """Leave everything as it is."""

    def on_process_cleanup(self) -> None:
        """Leave everything as it is."""


def request_of(task: Any, job: CurrentJob, run: object) -> dict[str, Any]:
    """Return what a message of this job would say, for Celery to make a Context of."""
    headers = job.headers
    task_id = task_id_of(job)
    priority = (headers.get("delivery_info") or {}).get("priority")
    own = {name: value for name, value in headers.items() if name not in CELERYS | OURS}
    return {
        "lang": "py",
        **headers,
        "id": task_id,
        "task": task.name,
        "job_id": job.id,
        "adopted_run": run,
        "retries": retries_of(task, job, headers),
        "is_eager": False,
        "headers": own or None,
        "hostname": hostname(),
        "root_id": headers.get("root_id") or task_id,
        "correlation_id": task_id,
        "utc": True,
        "timelimit": _limits(task, headers),
        "delivery_info": {
            "exchange": "",
            "routing_key": job.queue,
            "priority": priority,
            # It has run before, and not to be tried again: it was lost, or rejected.
            "redelivered": job.attempt > job.failures + 1,
        },
        "properties": {
            **(headers.get("properties") or {}),
            "correlation_id": task_id,
            "priority": priority,
        },
    }


def task_id_of(job: CurrentJob) -> str:
    """Return the id that its caller knows the job by."""
    return job.task_id or str(job.id)


def retries_of(task: Any, job: CurrentJob, headers: Mapping[str, Any]) -> int:
    """Return how often it was tried again, lost processes among them where the task says so."""
    first = headers.get("retries")
    lost = job.losses if retries_lost(task) else 0
    return job.failures + lost + (first if isinstance(first, int) else 0)


def hostname() -> str:
    """Return the name of this process's worker, or of the machine."""
    known: Any = vars(trace).get("_localized")  # what Celery's own tracer goes by in a child
    return str(known[2]) if known and len(known) > 2 else socket.gethostname()


def _limits(task: Any, headers: Mapping[str, Any]) -> list[float | None] | None:
    told = headers.get("timelimit") or [task.time_limit, task.soft_time_limit]
    return told if any(told) else None
