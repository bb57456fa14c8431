"""A project's own Celery app: the tasks of `acme` are jobs, the others are plain."""

import os

from celeriac.celery import Celery

app = Celery("acme", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
# What a project has that says nothing: Celery's own acknowledgements and beat.
app.conf.update(
    broker_transport_options={},
    beat_scheduler="celery.beat:PersistentScheduler",
    beat_schedule={
        "each second": {
            "task": "acme.note",
            "schedule": 1.0,
            "args": [os.environ.get("ACME_TICK", "ticked")],
        },
    },
    task_default_queue="default",
    task_acks_late=False,
)


@app.task(name="acme.note", bind=True, shared=False)
def note(self, name, **more):
    """Leave an effect."""
    from tests.app.models import Effect

    Effect.objects.create(name=name)
    return name


@app.task(name="other.note", bind=True, shared=False)
def plain_note(self, name):
    """Leave an effect; nobody adopted it."""
    from tests.app.models import Effect

    Effect.objects.create(name=name)


# As Celery's own guide says it: once the app is there.
@app.on_after_finalize.connect
def schedule_signature(sender, **_):
    """Have a signature fire each second, too."""
    signed = note.s(os.environ.get("ACME_TICK", "ticked") + " by signature")
    sender.add_periodic_task(1.0, signed, name="a signature")
