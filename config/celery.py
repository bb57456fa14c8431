"""The Celery app that runs the ledger's doorbells."""

import os

from celeriac.celery import Celery
from celeriac.celery.defaults import LEDGER_ALONE
from celeriac.core.environment import forget_service_ports

forget_service_ports()  # before Flower reads its own
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("celeriac")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults(lambda: LEDGER_ALONE)
# Plain tasks of Django apps; the ledger's kinds are found by the ledger itself.
app.autodiscover_tasks()
