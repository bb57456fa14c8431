"""A handle: what a caller keeps of the job it enqueued."""

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connection

from celeriac.core import tables
from celeriac.jobs.errors import JobCancelled, JobFailed, JobNotFound, WaitsForItself
from celeriac.jobs.models import Job
from celeriac.jobs.states import ENDINGS, TERMINAL, State

_WITH_RESULT = frozenset(ending.state for ending in ENDINGS if ending.has_result)
#: Whether a row that this session sees was written by a transaction which goes on: its own. (The
#: 32 bits that a row keeps of an id are completed from below what is to come.)
_IS_OWN = f"""
SELECT pg_xact_status((top - ((top - xmin::text::bigint) & 4294967295))::text::xid8)
       = 'in progress'
FROM {tables.JOB}, (SELECT pg_current_xact_id_if_assigned()::text::bigint + 2147483647 AS top) t
WHERE id = %s
"""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5


@dataclass(frozen=True, slots=True)
class JobHandle[R]:
    """A job by its id; each question asks the ledger. `R` is what its handler returns.

    One that `enqueue` returned also says whether that call wrote it: `replayed` is true where the
    idempotency key had its job already, `absorbed` where one of its unique key still waited.
    """

    id: UUID
    replayed: bool = field(default=False, compare=False)
    absorbed: bool = field(default=False, compare=False)

    @property
    def state(self) -> State:
        """The job's state now.

        Raises:
            JobNotFound: it was pruned, or never committed.
        """
        return State(self._row("state")[0])

    def get(self, timeout: float | None = None) -> R:
        """Wait for the end and return the result, as JSON gives it back (a tuple as a list).

        Raises:
            JobFailed: the job ended dead, or without a result.
            JobCancelled: it ended cancelled.
            JobNotFound: it was pruned, or never committed.
            TimeoutError: it has not ended after `timeout` seconds; without any it waits on.
            WaitsForItself: it was enqueued in this transaction, and can't start before its end.
        """
        pauses = _pauses(timeout)
        while (row := self._row("state", "result", "error"))[0] not in TERMINAL:
            if timeout is None:
                refuse_own_transaction(self.id)
            time.sleep(self._next(pauses, row[0], timeout))
        return self._result(*row)

    async def aget(self, timeout: float | None = None) -> R:
        """Wait for the end in async code, as `get` does; it raises the same.

        The event loop goes on meanwhile.
        """
        pauses = _pauses(timeout)
        look = sync_to_async(self._row)
        while (row := await look("state", "result", "error"))[0] not in TERMINAL:
            await asyncio.sleep(self._next(pauses, row[0], timeout))
        return self._result(*row)

    def _next(self, pauses: Iterator[float], state: str, timeout: float | None) -> float:
        for pause in pauses:
            return pause
        raise TimeoutError(f"Job {self.id} is still {state} after {timeout:g} s.")

    def _result(self, state: str, result: R, error: str) -> R:
        if state in _WITH_RESULT:
            return result
        raises = JobCancelled if state == State.CANCELLED else JobFailed
        raise raises(error or f"Job {self.id} ended {state}.")

    def _row(self, *fields: str) -> tuple[Any, ...]:
        for row in Job.objects.filter(pk=self.id).values_list(*fields):
            return tuple(row)
        raise JobNotFound(f"There is no job {self.id}: it was pruned, or never committed.")


def refuse_own_transaction(job_id: UUID) -> None:
    """Refuse to wait for a job that this open transaction has written: it starts after the commit.

    Raises:
        WaitsForItself: nobody else sees the job before the transaction has ended.
    """
    if not connection.in_atomic_block or connection.needs_rollback:
        return
    with connection.cursor() as cursor:
        cursor.execute(_IS_OWN, [job_id])
        row = cursor.fetchone()
    if row is not None and row[0]:
        raise WaitsForItself(
            f"Job {job_id} was enqueued in this transaction, which waits for it: it can't start "
            "before the commit. Ask for its result after the transaction (ATOMIC_REQUESTS makes "
            "one of each request)."
        )


def _pauses(timeout: float | None) -> Iterator[float]:
    """Yield the seconds to wait before each next look, until `timeout` is over."""
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while time.monotonic() < deadline:
        yield pause
        pause = min(_LONGEST_PAUSE, pause * 1.5)
