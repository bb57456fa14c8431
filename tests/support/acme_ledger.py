"""The project's app on the ledger, as a worker is given it: its tasks are jobs."""

import os

from django.apps import apps
from django.conf import settings

from celeriac.celery import Celery
from tests.support.acme import declare_tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
if "ACME_TASKS" in os.environ:  # of a worker's process; a test says so by its fixture
    settings.CELERIAC = {
        **settings.CELERIAC,
        "TASKS": [os.environ["ACME_TASKS"]],
        "SHADOW": os.environ.get("ACME_SHADOW", "").split(),
        "SHUTDOWN_GRACE_SECONDS": None,
    }
if "ACME_SHADOW" in os.environ and apps.ready:  # a fork of a process that Django set up before
    from celeriac.celery.shadow.noting import install_shadow

    install_shadow()
app = Celery("acme", set_as_current="ACME_TASKS" in os.environ)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = "default"
if "ACME_VISIBILITY" in os.environ:  # after so many seconds a lost worker's messages come again
    visibility = int(os.environ["ACME_VISIBILITY"])
    app.conf.broker_transport_options = {"visibility_timeout": visibility}
    app.conf.worker_prefetch_multiplier = 1
declare_tasks(app, "acme")
