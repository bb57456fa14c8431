"""A project's own tasks, for real workers: as jobs in acme_ledger, and plain in acme_plain."""

import os
import time

from celery import Task, current_task, signals

#: The flags of delivery, by the name of the task that has them.
FLAGS = {
    "early": {},
    "early_rejects": {"reject_on_worker_lost": True},
    "late": {"acks_late": True},
    "late_rejects": {"acks_late": True, "reject_on_worker_lost": True},
    "early_retries": {"retry_on_worker_lost": True, "max_retries": 2, "default_retry_delay": 1},
    "late_retries": {
        "acks_late": True,
        "retry_on_worker_lost": True,
        "max_retries": 2,
        "default_retry_delay": 1,
    },
}
#: Seconds that a first run takes: it is killed meanwhile.
LONG = 120


class Told(Task):
    """A task that notes that its hook was called, in whichever process."""

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        """Note it."""
        _note("on_failure", self, exc, args)


def _note(what, task, error, args):
    """Leave an effect from a process whose next children must not share its connection."""
    from django.db import connection

    from tests.app.models import Effect

    said = f"{args[0]}:{task.name.split('.')[-1]}:{type(error).__name__}"
    Effect.objects.create(name=what, value=said)
    connection.close()


if "ACME_TELLS" in os.environ:  # of a worker's process: other tests have tasks of these names

    @signals.task_failure.connect(weak=False)
    def note_failure(sender, exception, args, **_):
        """Note which task is said to have failed, and of what."""
        if sender.name.startswith(("acme.", "plain.")):
            _note("task_failure", sender, exception, args)


def declare_tasks(app, prefix):
    """Declare the project's tasks; those of `prefix` are jobs where it is `acme`."""
    for name, flags in FLAGS.items():
        app.task(name=f"{prefix}.{name}", shared=False, **flags)(start)
    app.task(name=f"{prefix}.overruns", shared=False, time_limit=2, base=Told)(start)
    late = {"acks_late": True, "acks_on_failure_or_timeout": False}
    app.task(name=f"{prefix}.overruns_late", shared=False, time_limit=2, **late)(start)
    app.task(name=f"{prefix}.takes", shared=False)(take)
    app.task(name=f"{prefix}.takes_late", shared=False, acks_late=True)(take)
    app.task(name=f"{prefix}.pid", shared=False)(pid)
    return app


def start(label):
    """Say that this task started here; a first run takes long."""
    from tests.app.models import Effect

    name = f"{label}:{current_task.name.split('.')[-1]}"
    Effect.objects.create(name=name, value=str(os.getpid()))
    if Effect.objects.filter(name=name).count() == 1:
        time.sleep(LONG)  # the run that is killed


def pid():
    """Return the number of the process that runs it."""
    return os.getpid()


def take(label, seconds):
    """Take so long, and say when it began and ended."""
    from tests.app.models import Effect

    Effect.objects.create(name=label, value="began")
    time.sleep(seconds)  # the work
    Effect.objects.create(name=label, value="ended")
