"""The same tasks under plain Celery, with its own app class and defaults."""

import os

from celery import Celery

from tests.support.acme import declare_tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
app = Celery("acme-plain", set_as_current=False, broker=os.environ.get("BROKER_URL"))
app.conf.update(
    task_default_queue="acme-plain",
    task_ignore_result=True,
    # A lost worker's messages are delivered anew by the next worker's start, once they are so many
    # seconds old: fewer than a start takes, for the one look after it comes 100 s later.
    broker_transport_options={"visibility_timeout": 1},
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
)
declare_tasks(app, "plain")
