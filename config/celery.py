"""The Celery app that runs the ledger's doorbells."""

import os

from celeriac.celery.app import Celery
from celeriac.core.environment import forget_service_ports

forget_service_ports()  # before Flower reads its own
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("celeriac")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Plain tasks of Django apps; the ledger's kinds are named in CELERIAC['MODULES'].
app.autodiscover_tasks()


@app.on_after_finalize.connect
def make_ledger_worker(sender: Celery, **_: object) -> None:
    """Let workers of this app answer doorbells, once Django is set up."""
    from celeriac.celery import canary, kinds, surroundings, worker  # imports models

    worker.install(sender)
    canary.install(sender)
    kinds.install(sender)
    surroundings.install()
