"""The slots of a process, as its queues want them."""

from collections.abc import Callable, Sequence
from uuid import UUID

from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.many.bounded_connections import bound_connections
from celeriac.jobs.running.many.slot_pool import SlotPool
from celeriac.jobs.running.many.threads import ThreadSlots
from celeriac.jobs.running.worker_context import WorkerContext
from celeriac.jobs.slots import Slots

#: Connections of a process besides its jobs': to claim, and to settle.
OWN = 2


def make_pool(
    slots: Slots,
    context: WorkerContext,
    journal: FileJournal,
    *,
    run_alone: Callable[[Sequence[UUID]], None],
) -> SlotPool:
    """Make them; from now on this process' connections are bounded."""
    bound_connections(slots.width + OWN)
    performer = ThreadSlots(slots.width)
    return SlotPool(context, journal.slots, performer=performer, run_alone=run_alone)
