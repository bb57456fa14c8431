"""Plain Celery at its best, and as most teams run it: the app of the baseline's rows.

Late acknowledgement is the baseline's only durability, and on Redis it needs the
transport's acknowledgement emulation; without it a killed worker loses tasks.
"""

import os

from celery import Celery

from bench import timestamps
from bench.rows import QUEUE
from config.settings.parts.celery import CELERY_BROKER_TRANSPORT_OPTIONS

app = Celery("bench-plain")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    broker_transport_options={**CELERY_BROKER_TRANSPORT_OPTIONS, "ack_emulation": True},
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


@app.task(name="bench.touch")
def touch(number: int) -> None:
    """Do nothing but say when."""
    timestamps.touch(number)
