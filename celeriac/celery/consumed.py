"""What a worker consumes at this moment, and how much of it at a time."""

import os
import socket
from typing import Any

from celeriac.celery.consumer import can_call_off
from celeriac.celery.instance import WorkerInstance
from celeriac.jobs import registry
from celeriac.jobs.open_line import is_open
from celeriac.jobs.running.liveness import WorkerInfo


def worker_info(consumer: Any, instance: WorkerInstance) -> WorkerInfo:
    """Say who the worker is, and what it consumes."""
    return WorkerInfo(
        id=instance.id,
        name=consumer.hostname,
        host=socket.gethostname(),
        pid=os.getpid(),
        queues=tuple(sorted(consumer.app.amqp.queues.consume_from.copy())),
        kinds=tuple(registry.kind_names()),
        slots=_processes(consumer.controller) * instance.slots.width,
        canary=instance.canary,
    )


def line_queues(consumer: Any, instance: WorkerInstance) -> tuple[str, ...]:
    """Return the queues whose doorbells may come over the open line to children of this worker.

    There is none where a child runs many jobs at once: it is free while they run. Nor where its
    parent could not tell that a message waits for a child (consumer.py).
    """
    app = consumer.app
    if instance.slots.are_many or not is_open() or not can_call_off(consumer):
        return ()
    return tuple(name for name in app.amqp.queues.consume_from.copy() if name != instance.canary)


def _processes(controller: Any) -> int:
    """Return how many children may work at a time now: an autoscaler grows once there is work."""
    if controller.autoscaler is not None:
        return int(controller.autoscaler.max_concurrency)
    if getattr(controller.pool, "_pool", None) is None:  # not yet, or no longer
        return int(controller.concurrency or 1)
    return int(controller.pool.num_processes or 1)
