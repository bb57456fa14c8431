"""The project's Celery app, on the ledger."""

import os

from celeriac.celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.tenants.settings")

app = Celery("tenants")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
