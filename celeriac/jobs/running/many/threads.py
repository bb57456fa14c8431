"""Jobs in threads of one process: for ordinary functions that wait for others.

A thread has a database connection of its own, from its job's first statement to its job's end.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings

from celeriac.core.sessions import forget_queries
from celeriac.jobs.running.many.lent import give_back_connections
from celeriac.jobs.running.many.run_slot import RunSlot
from celeriac.jobs.running.many.slot_pool import SlotPool, perform_in_slot


class ThreadSlots:
    """Up to `width` threads, made when they are first needed."""

    def __init__(self, width: int) -> None:
        self._threads = ThreadPoolExecutor(width, thread_name_prefix="celeriac-slot")

    def start(self, slot: RunSlot, pool: SlotPool) -> None:
        """Perform the slot's run in a thread."""
        self._threads.submit(_perform, slot, pool, os.getpid())

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def _perform(slot: RunSlot, pool: SlotPool, process: int) -> None:
    try:
        perform_in_slot(slot, pool)
    finally:
        if os.getpid() != process:  # a fork that a handler made, and did not end
            os._exit(0)
        if settings.DEBUG:
            forget_queries()
        give_back_connections()
        pool.ended(slot)
