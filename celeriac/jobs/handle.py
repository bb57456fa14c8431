"""A handle: what a caller keeps of the job it enqueued."""

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from celeriac.jobs.errors import JobCancelled, JobFailed, JobNotFound
from celeriac.jobs.models import Job
from celeriac.jobs.states import ENDINGS, TERMINAL, State

_WITH_RESULT = frozenset(ending.state for ending in ENDINGS if ending.has_result)
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
        """
        pauses = _pauses(timeout)
        while (row := self._row("state", "result", "error"))[0] not in TERMINAL:
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


def _pauses(timeout: float | None) -> Iterator[float]:
    """Yield the seconds to wait before each next look, until `timeout` is over."""
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while time.monotonic() < deadline:
        yield pause
        pause = min(_LONGEST_PAUSE, pause * 1.5)
