"""The Celery app that runs the ledger's doorbells."""

import os

from apps.core.environment import forget_service_ports
from tasks.app import Celery

forget_service_ports()  # before Flower reads its own
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("celeriac")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Plain tasks of Django apps; the ledger's kinds are named in JOBS_MODULES.
app.autodiscover_tasks()


@app.on_after_finalize.connect
def make_ledger_worker(sender: Celery, **_: object) -> None:
    """Let workers of this app answer doorbells, once Django is set up."""
    from tasks import canary, kinds, surroundings, worker  # imports models

    worker.install(sender)
    canary.install(sender)
    kinds.install(sender)
    surroundings.install()
