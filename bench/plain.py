"""Plain Celery at its best, and as most teams run it: the app of the baseline's rows.

Late acknowledgement is the baseline's only durability, and on Redis it needs the
transport's acknowledgement emulation; without it a killed worker loses tasks.
"""

import os
from collections.abc import Callable
from typing import Any

from celery import Celery

from bench import handlers, timestamps
from bench.rows import QUEUE, QUEUES
from config.settings.parts.celery import CELERY_BROKER_TRANSPORT_OPTIONS

app = Celery("bench-plain")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    broker_transport_options={
        **CELERY_BROKER_TRANSPORT_OPTIONS,
        "ack_emulation": True,
        "queue_order_strategy": "priority",
        "max_connections": 1_000,  # a pool of many tasks acknowledges as many at once
    },
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_ignore_result=True,
    result_backend=None,
)
if os.environ.get("BENCH_RESULTS"):
    app.conf.update(
        task_ignore_result=False,
        result_backend="django-db",
        result_extended=True,
        task_track_started=True,
    )
_TASKS: dict[str, tuple[Callable[..., None], str]] = {
    "bench.touch": (timestamps.touch, QUEUE),
    "bench.touch_urgent": (timestamps.touch, QUEUES[0]),
    "bench.touch_idle": (timestamps.touch, QUEUES[-1]),
    "bench.realistic": (handlers.realistic, QUEUE),
    "bench.wait": (handlers.wait, QUEUE),
}
#: The tasks by name: the same handlers as the ledger's kinds.
TASKS: dict[str, Any] = {
    name: app.task(name=name, queue=queue)(handler) for name, (handler, queue) in _TASKS.items()
}
