"""The settings of a project whose Celery tasks are Celery's own integration tests'."""

import os

from environ import Env

SECRET_KEY = "of a database that is thrown away"  # noqa: S105 see there
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "celeriac.core",
    "celeriac.breakers",
    "celeriac.jobs",
    "celeriac.builtin",
    "sandbox.canvas.project.Project",
]
DATABASES = {"default": Env.db_url_config(os.environ["DATABASE_URL"])}
CELERY_BROKER_URL = os.environ["TEST_BROKER"]
CELERIAC = {"TASKS": ["*"], "SLOT_DIRECTORY": os.environ["CANVAS_SLOTS"]}
