"""Settling what ends in many slots: all that ended meanwhile goes into one statement."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from celeriac.jobs.running import execute
from celeriac.jobs.running.many.lent import give_back_connections
from celeriac.jobs.running.many.run_slot import RunSlot
from celeriac.jobs.running.setbacks import one_line
from celeriac.jobs.running.worker_context import WorkerContext

logger = logging.getLogger(__name__)

#: Seconds that the first waits for others, where others run.
GATHER = 0.004


class Settler(threading.Thread):
    """Settles runs that have ended; `free` gets their slots back, `fail` says what went wrong."""

    def __init__(
        self,
        context: WorkerContext,
        *,
        others_run: Callable[[], bool],
        free: Callable[[Sequence[RunSlot]], None],
        fail: Callable[[Sequence[RunSlot], str], None],
    ) -> None:
        super().__init__(name="celeriac-settler", daemon=True)
        self._context = context
        self._others_run = others_run
        self._free = free
        self._fail = fail
        self._ended: queue.SimpleQueue[RunSlot | None] = queue.SimpleQueue()

    def add(self, slot: RunSlot) -> None:
        """Settle the slot's run soon."""
        self._ended.put(slot)

    def stop(self) -> None:
        """End, once what was added is settled."""
        self._ended.put(None)
        self.join()

    def run(self) -> None:
        """Settle until told to stop."""
        while slots := self._next():
            try:
                self._settle(slots)
            except BaseException as error:
                logger.exception("what ran in %d slots could not be settled", len(slots))
                self._fail(slots, f"what it ran is left to its journal: {one_line(error)}")
            else:
                self._free(slots)
        give_back_connections()

    def _next(self) -> list[RunSlot]:
        """Wait for a slot whose run has ended, and a moment for others; none at the end."""
        first = self._ended.get()
        if first is None:
            return []
        slots = [first]
        if self._others_run():
            time.sleep(GATHER)
        while not self._ended.empty():
            if (slot := self._ended.get()) is None:
                self._ended.put(None)
                break
            slots.append(slot)
        return slots

    def _settle(self, slots: Sequence[RunSlot]) -> None:
        runs = [slot.run for slot in slots if slot.run is not None]
        execute.settle_and_count(runs, self._context)
        execute.tell_kinds(runs)
        self._context.times.publish(self._context.journal)
