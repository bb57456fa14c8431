"""Jobs on one event loop of a process: for coroutines, which wait for others.

The loop has a thread of its own: the child's main thread takes doorbells. What is no coroutine, or
has a transaction of its own (Django's belong to a thread), runs in a thread, see threads.py.
"""

import asyncio
import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from celeriac.jobs.log_names import job_names
from celeriac.jobs.running import awake_time, execute, turns
from celeriac.jobs.running.journals import FileJournal, JournalFull
from celeriac.jobs.running.many.lent import Fork, call_and_give_back
from celeriac.jobs.running.many.loop_run import LoopRun, run_here
from celeriac.jobs.running.many.loop_watch import LoopWatch, show_block
from celeriac.jobs.running.many.run_slot import RunSlot
from celeriac.jobs.running.many.run_threads import RunThreads
from celeriac.jobs.running.many.slot_pool import SlotPool, note_cut
from celeriac.jobs.running.many.threads import ThreadSlots
from celeriac.jobs.running.many.turns_of_loop import LoopTurn, NotedSteps

logger = logging.getLogger(__name__)

#: Seconds between two beats of the loop.
BEAT_EVERY = 0.25

_loops: "WeakSet[LoopSlots]" = WeakSet()


class LoopSlots:
    """A loop for `width` coroutines, and threads for what is none."""

    def __init__(self, width: int, journal: FileJournal) -> None:
        self._journals = journal.slots
        self._threads = ThreadSlots(width)
        self._run_threads = RunThreads()
        self._calls = _Calls(width)
        self._turn: LoopTurn[LoopRun] = LoopTurn(journal, self._note_block)
        self._runs: set[LoopRun] = set()
        self._taking: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._make_task)
        self._loop.set_default_executor(self._calls)
        self._thread = threading.Thread(target=self._run, name="celeriac-loop", daemon=True)
        self._thread.start()
        self._watch = LoopWatch(
            self._turn, self._thread, waiting=self._others, do=self._calls.submit
        )
        self._watch.start()
        _loops.add(self)

    def start(self, slot: RunSlot, pool: SlotPool) -> None:
        """Have the slot's run begin on the loop, or in a thread."""
        kind = slot.run.kind if slot.run is not None else None
        if kind is not None and kind.is_coroutine and not kind.transactional:
            self._loop.call_soon_threadsafe(self._begin, slot, pool)
        else:
            self._threads.start(slot, pool)

    def stop(self) -> None:
        """End the loop and the threads: nothing runs any more."""
        self._is_stopping = True
        self._threads.stop()
        self._watch.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._calls.shutdown()
        self._run_threads.stop()
        self._loop.close()

    def disown(self) -> None:
        """Note that this is a fork's copy."""
        self._turn.is_foreign = True
        self._loop.stop()

    def _run(self) -> None:
        self._beat()
        while not self._is_stopping:
            try:
                self._loop.run_forever()
            except BaseException:  # out of a task that a handler made: the loop itself is well
                logger.exception("something would have ended the loop of process %d", os.getpid())
            if self._turn.is_foreign:
                os._exit(1)

    def _beat(self) -> None:
        self._turn.beat(awake_time.awake_seconds())
        self._loop.call_later(BEAT_EVERY, self._beat)

    def _others(self) -> int:
        return len(self._runs) - 1

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        **options: Any,
    ) -> asyncio.Task[Any]:
        """Make a task; one that a run makes is noted with it, and so are its steps."""
        run = run_here(options.get("context"))
        if run is None:
            return asyncio.Task(coroutine, loop=loop, **options)
        task = asyncio.Task(NotedSteps(coroutine, run, self._turn), loop=loop, **options)
        run.made.add(task)
        task.add_done_callback(run.made.discard)
        return task

    def _begin(self, slot: RunSlot, pool: SlotPool) -> None:
        """Begin with a run, in the loop's thread, in a context that is no run's."""
        take = self._take(slot, pool)
        task = self._loop.create_task(take, context=contextvars.Context())
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take(self, slot: RunSlot, pool: SlotPool) -> None:
        run = slot.run
        if run is None:
            return
        try:
            if await self._may_start(slot):
                await self._perform(slot)
            pool.went_well()
        except Exception as error:
            logger.exception("%s could not be run here", job_names([run.job.id]))
            pool.stumbled(slot, error)
        except BaseException as error:
            note_cut(run, error)
        finally:
            pool.ended(slot)

    async def _may_start(self, slot: RunSlot) -> bool:
        """Return whether the run may start; the database is asked in another thread."""
        run = slot.run
        if run is None or slot.context.stopping():
            return False
        if not run.job.gated and time.monotonic() - run.claimed_at <= turns.VERIFY_AFTER:
            return True
        return await self._loop.run_in_executor(None, _ask_whether_it_may, slot)

    async def _perform(self, slot: RunSlot) -> None:
        run = slot.run
        if run is None:
            return
        journal = self._journals[slot.number - 1]
        on_loop = LoopRun(slot, run, journal, self._turn, self._run_threads)
        self._runs.add(on_loop)
        try:
            await on_loop.perform()
        finally:
            self._runs.discard(on_loop)
            self._loop.set_task_factory(self._make_task)  # a handler may have set its own
        execute.note_end(run, slot.context)
        with suppress(JournalFull):  # it is settled in a moment
            slot.context.journal.end(run.job.id, run.settlement)

    def _note_block(self, run: LoopRun, seconds: float) -> None:
        run.blocked += seconds
        job = run.run.job
        logger.warning("job %s (%s) %s", job.id, job.kind, run.block_in_words)
        if run.blocked_at:
            self._calls.submit(show_block, job.id, run.run.claim_id, run.block_in_words)
        for other in self._runs - {run}:
            other.extend(seconds)


class _Calls(ThreadPoolExecutor):
    """Threads for the calls that coroutines hand over (`asyncio.to_thread`)."""

    def __init__(self, width: int) -> None:
        super().__init__(width, thread_name_prefix="celeriac-call")
        self._fork = Fork()

    def submit[**P, T](
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Call `function` in a thread, on connections that it gives back."""
        future = super().submit(self._call, function, *args, **kwargs)
        if (run := run_here()) is not None:
            run.calls.add(future)
            future.add_done_callback(run.calls.discard)
        return future

    def _call[**P, T](self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call_and_give_back(function, *args, **kwargs)
        finally:
            self._fork.end()


def _ask_whether_it_may(slot: RunSlot) -> bool:
    """Return whether the slot's run is still its own, and has its place behind its circuit."""
    for run in turns.in_turn([run for run in (slot.run,) if run is not None], slot.context):
        return not execute.turn_away(run)
    return False


def _disown() -> None:
    for slots in list(_loops):
        slots.disown()


os.register_at_fork(after_in_child=_disown)
