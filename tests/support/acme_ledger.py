"""The project's app on the ledger, as a worker is given it: its tasks are jobs."""

import os

from django.conf import settings

from celeriac.celery import Celery
from tests.support.acme import declare_tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
if "ACME_TASKS" in os.environ:  # of a worker's process; a test says so by its fixture
    settings.CELERIAC = {
        **settings.CELERIAC,
        "TASKS": [os.environ["ACME_TASKS"]],
        "SHUTDOWN_GRACE_SECONDS": None,
    }
app = Celery("acme", set_as_current="ACME_TASKS" in os.environ)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = "default"
declare_tasks(app, "acme")
