"""What a handler can ask about the job it runs."""

import json
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db import connection

from apps.jobs.enqueueing.enqueue import enqueue
from apps.jobs.errors import LostClaim, NoCurrentJob
from apps.jobs.handle import JobHandle
from apps.jobs.running.claim import ClaimedJob

#: Seconds between two looks at the row, and between two writes of progress.
LOOK_EVERY = 0.5

_PROGRESS = """
UPDATE jobs_job SET progress = %s::jsonb
WHERE id = %s AND state = 'running' AND claim_id = %s
"""
#: The same outside a transaction; inside one it would make the handler's own commit asynchronous.
_PROGRESS_LIGHTLY = f"""{_PROGRESS}
  AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
"""
_LOOK = """
SELECT cancel_requested_at IS NOT NULL FROM jobs_job
WHERE id = %s AND state = 'running' AND claim_id = %s
"""

_running: ContextVar["CurrentJob | None"] = ContextVar("celeriac_current_job", default=None)


class CurrentJob:
    """The job that this handler runs, as one claim owns it."""

    def __init__(self, job: ClaimedJob, claim_id: UUID) -> None:
        self.id = job.id
        self.kind = job.kind
        self.attempt = job.attempt
        self.failures = job.failures
        self.max_attempts = job.max_attempts
        self.tenant = job.tenant
        self.correlation_id = job.correlation_id
        self._args = job.args
        self._claim_id = claim_id
        self._stop = False
        self._looked = 0.0
        self._reported = 0.0

    @property
    def args(self) -> dict[str, Any]:
        """The job's arguments by name, as JSON gives them back."""
        args: dict[str, Any] = json.loads(self._args)
        return args

    def idempotency_key(self, step: str) -> str:
        """Return a key for an external effect: the same on every attempt of this job."""
        return f"{self.id}:{step}"

    def progress(self, done: int, total: int) -> None:
        """Say how far it is; written at most twice a second, and at the end.

        Inside a transactional handler it becomes visible with the commit.
        Raises LostClaim when the job is no longer this run's.
        """
        now = time.monotonic()
        if now - self._reported < LOOK_EVERY and done < total:
            return
        self._reported = now
        with connection.cursor() as cursor:
            value = json.dumps({"done": done, "total": total})
            statement = _PROGRESS if connection.in_atomic_block else _PROGRESS_LIGHTLY
            cursor.execute(statement, [value, self.id, self._claim_id])
            if not cursor.rowcount:
                raise LostClaim(f"Job {self.id} is no longer this run's; its progress is refused.")

    def should_stop(self) -> bool:
        """Return whether to stop: a cancel was asked, or the claim is lost.

        Looks at the row at most twice a second; raise `Cancelled` to comply.
        """
        now = time.monotonic()
        if not self._stop and now - self._looked >= LOOK_EVERY:
            self._looked = now
            with connection.cursor() as cursor:
                cursor.execute(_LOOK, [self.id, self._claim_id])
                row = cursor.fetchone()
            self._stop = row is None or bool(row[0])
        return self._stop

    def enqueue(self, step: str, kind: str, args: Mapping[str, Any], **options: Any) -> JobHandle:  # noqa: ANN401 enqueue()'s options
        """Enqueue a child job, once per `step` however often this job runs."""
        return enqueue(kind, args, idempotency_key=step, scope=f"job:{self.id}", **options)


def current_job() -> CurrentJob:
    """Return the running job; NoCurrentJob outside a handler."""
    job = _running.get()
    if job is None:
        raise NoCurrentJob
    return job


def enter(job: CurrentJob) -> None:
    """Make `job` the current one in this context."""
    _running.set(job)
