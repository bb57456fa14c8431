"""The Celery app that runs the ledger's doorbells."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("celeriac")
app.config_from_object("django.conf:settings", namespace="CELERY")
