"""The Celery app for plain tasks: late acknowledgement, results in the database, limits.

Its workers are `celery -A config.plain worker -Q plain`. Plain tasks are sent by
any process through the default app; only their workers differ.

A task that runs for longer than the broker keeps it invisible would be delivered again while it
still runs. So the hard limit lies below the visibility timeout, and the soft one below the hard
one: a task can clean up before it is killed. A task may set limits of its own below that;
`manage.py doctor` names those that have none.
"""

from collections.abc import Iterator

from celeriac.celery import Celery
from celeriac.celery.defaults import LEDGER_ALONE
from config.celery import app as ledger_app

#: Seconds.
SOFT_TIME_LIMIT, TIME_LIMIT, VISIBILITY_TIMEOUT = 25 * 60, 30 * 60, 60 * 60

app = Celery("celeriac-plain", set_as_current=False, doorbells=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults(lambda: LEDGER_ALONE)
app.conf.update(
    broker_transport_options={
        **ledger_app.conf.broker_transport_options,
        "ack_emulation": True,
        "visibility_timeout": VISIBILITY_TIMEOUT,
    },
    task_soft_time_limit=SOFT_TIME_LIMIT,
    task_time_limit=TIME_LIMIT,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    result_accept_content=["json"],
    task_track_started=True,
    worker_consumer="celeriac.celery.consumer:Consumer",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
)
app.conf.CELERY_DB_REUSE_MAX = 0  # children of this app check their connection around every task
app.autodiscover_tasks()


def unfit_limits() -> Iterator[str]:
    """Say of each plain task without fitting limits what is wrong with them, for the doctor."""
    from celeriac.celery.base import JobTask  # imports models

    app.loader.import_default_modules()
    options = app.conf.broker_transport_options
    visible = options.get("visibility_timeout") or VISIBILITY_TIMEOUT
    for name, task in sorted(app.tasks.items()):
        if isinstance(task, JobTask) or name.startswith("celery."):
            continue
        # Celery gives a task the app's limits when it is bound; a task's own 0 means none at all.
        hard, soft = task.time_limit, task.soft_time_limit
        if not hard:
            yield f"{name} has no hard limit: one that hangs keeps its slot for ever"
        elif hard >= visible:
            yield f"{name} runs for {hard:g} s and is delivered again after {visible:g} s"
        if not soft:
            yield f"{name} has no soft limit: it is killed without a chance to clean up"
        elif hard and soft >= hard:
            yield f"{name} is killed after {hard:g} s, before its soft limit of {soft:g} s"
