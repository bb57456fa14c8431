"""The slots of a process, as its queues want them."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.many.bounded_connections import bound_connections
from celeriac.jobs.running.many.loop import LoopSlots
from celeriac.jobs.running.many.slot_pool import Performer, SlotPool
from celeriac.jobs.running.many.threads import ThreadSlots
from celeriac.jobs.running.worker_context import WorkerContext
from celeriac.jobs.slots import Slots


def make_pool(
    slots: Slots,
    context: WorkerContext,
    journal: FileJournal,
    *,
    run_alone: Callable[[Sequence[UUID]], None],
) -> SlotPool:
    """Make them; from now on this process' connections are bounded."""
    bound_connections(slots.connections)
    performer: Performer
    if slots.mode == "async":
        performer = LoopSlots(slots.width, journal)
    else:
        performer = ThreadSlots(slots.width)
    end = partial(os._exit, 1)
    return SlotPool(context, journal.slots, performer=performer, run_alone=run_alone, end=end)
