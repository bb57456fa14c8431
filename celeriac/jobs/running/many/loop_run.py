"""A run on the loop, from the start of its coroutine to its outcome.

The handler is a task in a context of its own. What it makes there is its own too: tasks, and calls
in other threads (`asyncio.to_thread`). A run has ended once all of that has: what the handler left
behind is cancelled and waited for, as at the end of a loop of its own.
"""

import asyncio
import contextvars
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async

from celeriac.jobs import schemas
from celeriac.jobs.running import awake_time
from celeriac.jobs.running.journals import JournalFull, SlotJournal
from celeriac.jobs.running.many.run_slot import RunSlot
from celeriac.jobs.running.many.run_threads import RunThread, RunThreads
from celeriac.jobs.running.many.turns_of_loop import LoopTurn
from celeriac.jobs.running.perform import await_run, conclude_run
from celeriac.jobs.running.run import Run
from celeriac.jobs.states import Verb

logger = logging.getLogger(__name__)

#: The run of whose coroutine this is.
_here: contextvars.ContextVar["LoopRun | None"] = contextvars.ContextVar(
    "celeriac_loop_run", default=None
)


def run_here(context: contextvars.Context | None = None) -> "LoopRun | None":
    """Return the run whose code runs here, or in `context`."""
    return _here.get() if context is None else context.get(_here)


class LoopRun:
    """One run on the loop. All of it belongs to the loop's thread, unless it says otherwise."""

    def __init__(
        self,
        slot: RunSlot,
        run: Run,
        journal: SlotJournal,
        turn: "LoopTurn[LoopRun]",
        threads: RunThreads,
    ) -> None:
        self.slot, self.run = slot, run
        #: For how many seconds its code has blocked the loop, and where, as far as was seen.
        self.blocked = 0.0
        self.blocked_at = ""
        #: What it made and what has not ended.
        self.made: set[asyncio.Future[Any]] = set()
        self.calls: set[Future[Any]] = set()
        self._journal = journal
        self._turn = turn
        self._thread = RunThread(threads)
        _, hard = run.limits
        self._until = math.inf if hard is None else awake_time.awake_seconds() + hard

    async def perform(self) -> None:
        """Take it through its steps up to the journal: 2 to 4 of execute.py."""
        self.run.started_at = self.run.ended_at = time.monotonic()
        self._journal.start_on_loop(self.run.job.id, self._until)
        context = contextvars.Context()
        task = context.run(self._begin, context)
        try:
            ended = await task
            await self._end_what_it_left()
            if self._thread.is_used:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, self._conclude, ended, context)
            else:
                self._conclude(ended, context)
        finally:
            self._thread.leave()

    @property
    def block_in_words(self) -> str:
        """What its code has done to the others of its process."""
        where = f", at {self.blocked_at}" if self.blocked_at else ""
        return f"blocked the loop of its process for {self.blocked:.1f} s{where}"

    def extend(self, seconds: float) -> None:
        """Let its hard limit be later: another's code has blocked the loop."""
        self._until += seconds
        with suppress(JournalFull):  # after hundreds of such times
            self._journal.start_on_loop(self.run.job.id, self._until)

    def _begin(self, context: contextvars.Context) -> asyncio.Task[Any]:
        _here.set(self)
        sensitive = ThreadSensitiveContext()
        SyncToAsync.thread_sensitive_context.set(sensitive)
        SyncToAsync.context_to_thread_executor[sensitive] = self._thread
        return asyncio.get_running_loop().create_task(self._handle(), context=context)

    async def _handle(self) -> Callable[[], Any]:
        """Await the handler; return a function that returns what it did, or raises it.

        Nothing it raises may leave its task: the loop would end with some errors.
        """
        try:
            value = await await_run(self.run, self._lost_to_others, self._enter_schema)
        except BaseException as error:
            return _raising(error)
        return lambda: value

    async def _enter_schema(self) -> None:
        if schemas.has_schemas():
            await sync_to_async(self._thread.enter_schema)(self.run)

    def _lost_to_others(self) -> float:
        return self._turn.lost - self.blocked

    async def _end_what_it_left(self) -> None:
        if self.made:
            text = "job %s has ended, and the tasks that it left behind are cancelled: %d"
            logger.warning(text, self.run.job.id, len(self.made))
        while rest := {*self.made, *map(asyncio.wrap_future, list(self.calls))}:
            for task in self.made:
                task.cancel()
            await asyncio.wait(rest)

    def _conclude(self, ended: Callable[[], Any], context: contextvars.Context) -> None:
        """Decide how it ended: in its thread where it has one, for there are its connections."""
        run = self.run
        context.run(conclude_run, run, ended, self._thread.before())
        if self.blocked and run.outcome is not None and run.outcome.verb is Verb.COMPLETE:
            run.settlement.error = f"it {self.block_in_words}"


def _raising(error: BaseException) -> Callable[[], Any]:
    def ended() -> Any:
        raise error

    return ended
