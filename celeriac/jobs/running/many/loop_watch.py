"""A thread beside the loop that names the job whose code blocks it, while it does.

Synchronous code in a coroutine (a sleep, a client without await, a long computation) keeps all
others of its process waiting. The log says who, where, and since when; so does the job's page.
"""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from uuid import UUID

from django.db import connection

from celeriac.core import tables
from celeriac.jobs.phrases import BLOCKS
from celeriac.jobs.running.many.loop_run import LoopRun
from celeriac.jobs.running.many.turns_of_loop import BLOCKING, LoopTurn
from celeriac.jobs.running.setbacks import one_line

logger = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK_EVERY = 0.1
#: Calls of its code that are logged, the innermost ones.
_DEPTH = 8
_SHOW = f"""
UPDATE {tables.JOB} SET error = %s WHERE id = %s AND state = 'running' AND claim_id = %s
"""


class LoopWatch(threading.Thread):
    """Looks at whose step the loop is, ten times a second."""

    def __init__(
        self,
        turn: LoopTurn[LoopRun],
        loop: threading.Thread,
        *,
        waiting: Callable[[], int],
        do: Callable[..., object],
    ) -> None:
        """`loop` is its thread; `waiting` counts who waits for it; `do` calls in another thread."""
        super().__init__(name="celeriac-loop-watch", daemon=True)
        self._turn = turn
        self._loop = loop
        self._waiting = waiting
        self._do = do
        self._told = 0.0  # of the step that began then
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._stopped.wait(LOOK_EVERY):
            run, began = self._turn.run, self._turn.began
            if run is not None and began != self._told and time.monotonic() - began > BLOCKING:
                self._told = began
                self._tell(run, time.monotonic() - began)

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()
        self.join()

    def _tell(self, run: LoopRun, seconds: float) -> None:
        calls = _calls_of(self._loop.ident or 0)
        if not calls or self._turn.run is not run:
            return  # it went on meanwhile
        job, where = run.run.job, _place(calls[0])
        text = "job %s (%s) has blocked the loop of its process for %.1f s, at %s; waiting: %d\n%s"
        logger.warning(text, job.id, job.kind, seconds, where, self._waiting(), _lines(calls))
        run.blocked_at = where
        self._do(show_block, job.id, run.run.claim_id, f"{BLOCKS}, at {where}")


def show_block(job_id: UUID, claim_id: UUID, words: str) -> None:
    """Show on a running job's row that it keeps others waiting."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SHOW, [words[:500], job_id, claim_id])
    except Exception as error:  # the log has it
        logger.warning("job %s can't show that it blocks its loop: %s", job_id, one_line(error))


def _calls_of(thread: int) -> list[FrameType]:
    """Return the calls of a thread within a job's step, the innermost first."""
    found: list[FrameType] = []
    for frame, _ in traceback.walk_stack(sys._current_frames().get(thread)):
        if frame.f_code is LoopTurn.step.__code__:
            return found
        found.append(frame)
    return []


def _place(frame: FrameType) -> str:
    module = frame.f_globals.get("__name__", "?")
    return f"{module}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def _lines(calls: list[FrameType]) -> str:
    outermost_first = [(frame, frame.f_lineno) for frame in reversed(calls[:_DEPTH])]
    summary = traceback.StackSummary.extract(iter(outermost_first))
    return "".join(summary.format()).rstrip()
