"""A worker whose children run many jobs at once: which one is, and the slots of its children."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from celeriac.celery.instance import WorkerInstance
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.many.lone_jobs import LoneJobs
from celeriac.jobs.running.many.make_pool import make_pool
from celeriac.jobs.running.many.slot_pool import SlotPool
from celeriac.jobs.running.worker_context import WorkerContext
from celeriac.jobs.slots import ONE, BadSlots, Slots, common_slots
from celeriac.settings import conf

logger = logging.getLogger(__name__)


def pool_name(worker: Any) -> str:
    """Return the module, or the name, of a worker's pool."""
    pool = worker.pool_cls
    return str(pool if isinstance(pool, str) else pool.__module__)


def slots_of_worker(worker: Any) -> Slots:
    """Return how its children run jobs: as all queues of the worker say, else one by one."""
    names = worker.app.amqp.queues.consume_from
    try:
        found = common_slots(name for name in names if name in conf.QUEUES)
    except BadSlots as error:
        logger.warning("%s This one runs one job at a time in each of its processes.", error)
        return ONE
    if found.are_many and "solo" in pool_name(worker):
        raise ImproperlyConfigured(f"A queue with slots={str(found)!r} needs --pool=prefork.")
    return found


class ChildSlots:
    """What a child with many slots has: they are made with its first doorbell."""

    def __init__(self, instance: WorkerInstance, run_alone: Callable[[UUID], object]) -> None:
        """Fork the process that runs jobs with losses, while there are no threads here."""
        self._slots = instance.slots
        self._lone_jobs = LoneJobs(run_alone, stopping=instance.is_stopping)
        self._pool: SlotPool | None = None

    def pool(self, context: WorkerContext, journal: FileJournal) -> SlotPool:
        """Return the slots."""
        if self._pool is None:
            self._pool = make_pool(self._slots, context, journal, run_alone=self._lone_jobs.run)
        if journal.is_gone:
            self._pool.retire("the file of its journal was removed")
        return self._pool

    def finish(self) -> None:
        """Wait until everything that runs has ended."""
        if self._pool is not None:
            self._pool.close()
        self._lone_jobs.finish()
