"""What a handler can ask about the job it runs."""

import json
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection
from django.db.backends.utils import CursorWrapper

from celeriac.core import tables
from celeriac.core.queries import fetch_row
from celeriac.jobs.enqueueing.enqueue import enqueue
from celeriac.jobs.errors import LostClaim, NoCurrentJob
from celeriac.jobs.handle import JobHandle
from celeriac.jobs.outcomes import STOPPED
from celeriac.jobs.running.claim import ClaimedJob

#: Seconds between two looks at the row, and between two writes of progress.
LOOK_EVERY = 0.5
#: Seconds between two looks whether the worker stops.
GLANCE_EVERY = 0.01
CANCELLED = "a cancel was asked for"
LOST = "the job is no longer this run's"

_PROGRESS = f"""
UPDATE {tables.JOB} SET progress = %s::jsonb
WHERE id = %s AND state = 'running' AND claim_id = %s
"""
#: The same outside a transaction; inside one it would make the handler's own commit asynchronous.
_PROGRESS_LIGHTLY = f"""{_PROGRESS}
  AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
"""
_LOOK = f"""
SELECT cancel_requested_at IS NOT NULL FROM {tables.JOB}
WHERE id = %s AND state = 'running' AND claim_id = %s
"""

#: Nobody settles or rescues the run before the transaction ends.
_HOLD = f"""
SELECT true FROM {tables.JOB} WHERE id = %s AND state = 'running' AND claim_id = %s FOR SHARE
"""

#: How to see whether the worker stops: bool() is False, for a process that is none's.
_is_stopping: Callable[[], bool] = bool
#: The runs that should_stop() told of that, by their claim and job.
_told: set[tuple[UUID, UUID]] = set()
_running: ContextVar["_Entered | None"] = ContextVar("celeriac_current_job", default=None)


class CurrentJob:
    """The job that this handler runs, as one claim owns it."""

    def __init__(self, job: ClaimedJob, claim_id: UUID) -> None:
        self.id = job.id
        self.kind = job.kind
        self.attempt = job.attempt
        self.failures = job.failures
        self.max_attempts = job.max_attempts
        self.losses = job.losses
        self.queue = job.queue
        #: The id that its caller chose, where it is no UUID.
        self.task_id = job.task_id
        self.tenant = job.tenant
        self.correlation_id = job.correlation_id
        #: The group of a flow that it is a member of.
        self.node = job.node
        self._args, self._headers = job.args, job.headers
        self._claim_id = claim_id
        #: Why should_stop() said yes, or ''.
        self.stop_reason = ""
        self._looked = self._glanced = 0.0
        self._reported = 0.0

    @property
    def args(self) -> dict[str, Any]:
        """The job's arguments by name, as JSON gives them back."""
        args: dict[str, Any] = json.loads(self._args)
        return args

    @property
    def headers(self) -> dict[str, Any]:
        """What a message of Celery would bear beside its arguments."""
        headers: dict[str, Any] = json.loads(self._headers) if self._headers else {}
        return headers

    def hold(self) -> None:
        """Keep the job this run's until the open transaction ends.

        Raises:
            LostClaim: it is no longer this run's.
        """
        if fetch_row(_HOLD, [self.id, self._claim_id]) is None:
            raise LostClaim(f"Job {self.id} is no longer this run's; what it writes is refused.")

    def idempotency_key(self, step: str) -> str:
        """Return a key for an external effect: the same on every attempt of this job."""
        return f"{self.id}:{step}"

    def progress(self, done: int, total: int) -> None:
        """Say how far it is; written at most twice a second, and at the end.

        Inside a transactional handler it becomes visible with the commit.

        Raises:
            LostClaim: the job is no longer this run's.
        """
        now = time.monotonic()
        if now - self._reported < LOOK_EVERY and done < total:
            return
        self._reported = now
        if not self.tell({"done": done, "total": total}):
            raise LostClaim(f"Job {self.id} is no longer this run's; its progress is refused.")

    def tell(self, facts: Mapping[str, Any]) -> bool:
        """Write how far it is, as JSON; return whether the job is still this run's."""
        with _cursor("aprogress") as cursor:
            statement = _PROGRESS if connection.in_atomic_block else _PROGRESS_LIGHTLY
            cursor.execute(statement, [json.dumps(facts), self.id, self._claim_id])
            return bool(cursor.rowcount)

    def should_stop(self) -> bool:
        """Return whether to stop, which `stop_reason` explains.

        Because its worker stops (a deploy): raise `Snooze(0)` to go on elsewhere, from where it
        is. Because a cancel was asked or the claim is lost: raise `Cancelled` to comply. May be
        asked as often as one likes: it looks at the row at most twice a second.
        """
        now = time.monotonic()
        if not self.stop_reason and now - self._glanced >= GLANCE_EVERY:
            self._glanced = now
            if _is_stopping():
                self._tell_of_stop()
        if not self.stop_reason and now - self._looked >= LOOK_EVERY:
            self._looked = now
            self.stop_reason = self._look()
        return bool(self.stop_reason)

    def _look(self) -> str:
        with _cursor("ashould_stop") as cursor:
            cursor.execute(_LOOK, [self.id, self._claim_id])
            row = cursor.fetchone()
        return LOST if row is None else CANCELLED if row[0] else ""

    def _tell_of_stop(self) -> None:
        _told.add((self._claim_id, self.id))
        self.stop_reason = STOPPED

    def enqueue(
        self,
        step: str,
        kind: str,
        args: Mapping[str, Any],
        **options: Any,
    ) -> JobHandle[Any]:
        """Enqueue a child job, once per `step` however often this job runs.

        It takes the options of `celeriac.enqueue`, and raises the same.
        """
        return enqueue(kind, args, idempotency_key=step, scope=f"job:{self.id}", **options)

    async def aprogress(self, done: int, total: int) -> None:
        """Say how far it is, from a coroutine: on the job's own connection, as `progress` does."""
        await sync_to_async(self.progress)(done, total)

    async def ashould_stop(self) -> bool:
        """Return whether to stop, to a coroutine, as `should_stop` does."""
        return await sync_to_async(self.should_stop)()

    async def aenqueue(
        self,
        step: str,
        kind: str,
        args: Mapping[str, Any],
        **options: Any,
    ) -> JobHandle[Any]:
        """Enqueue a child job from a coroutine, in the job's own transaction, as `enqueue` does."""
        return await sync_to_async(self.enqueue)(step, kind, args, **options)


class _Entered:
    """A job that a handler runs; its CurrentJob is made when the handler first asks."""

    __slots__ = ("asked", "claim_id", "job")

    def __init__(self, job: ClaimedJob, claim_id: UUID) -> None:
        self.job, self.claim_id = job, claim_id
        self.asked: CurrentJob | None = None


def _cursor(instead: str) -> CursorWrapper:
    try:
        return connection.cursor()
    except SynchronousOnlyOperation:
        raise SynchronousOnlyOperation(
            f"This is a coroutine: await current_job().{instead}(...) instead."
        ) from None


def current_job() -> CurrentJob:
    """Return the running job.

    Raises:
        NoCurrentJob: nothing runs here: this is no handler.
    """
    entered = _running.get()
    if entered is None:
        raise NoCurrentJob
    if entered.asked is None:
        entered.asked = CurrentJob(entered.job, entered.claim_id)
    return entered.asked


def enter_job(job: ClaimedJob, claim_id: UUID) -> None:
    """Make `job` the current one in this context."""
    _running.set(_Entered(job, claim_id))


def set_stop_check(is_stopping: Callable[[], bool]) -> None:
    """Have handlers in this process asked from now on whether its worker stops."""
    global _is_stopping
    _is_stopping = is_stopping


def was_told_of_stop(claim_id: UUID, job_id: UUID) -> bool:
    """Return whether that run asked, and heard that its worker stops."""
    return (claim_id, job_id) in _told
