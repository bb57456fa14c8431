"""Settings of a project that has everything of its own, and none of the extras but the API."""

import os
import sys

import environ

from tests.host import telemetry
from tests.support.host_expected import LEVELS

#: What this project has not installed.
ABSENT = (
    *("unfold", "django_celery_beat", "django_celery_results", "flower", "stripe", "anymail"),
    *("axes", "whitenoise", "ephem"),
)


class Missing:
    """Finds no module of what is not installed."""

    def find_spec(self, name, path=None, target=None):
        """Refuse it, as an import of what is not there does."""
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for found in [each for each in sys.modules if each.split(".")[0] in ABSENT]:
    del sys.modules[found]  # what was there before this project's settings were read
sys.meta_path.insert(0, Missing())
telemetry.begin()

SECRET_KEY = "x" * 50
_URL = os.environ["HOST_DATABASE"]
DATABASES = {
    "default": environ.Env.db_url_config(_URL) | {"ATOMIC_REQUESTS": True},
    "legacy": environ.Env.db_url_config(f"{_URL}_legacy"),
}
AUTH_USER_MODEL = "host.Person"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "rest_framework",
    "celeriac.core",
    "celeriac.breakers",
    "celeriac.jobs",
    "celeriac.monitoring",
    "celeriac.console",
    "celeriac.http",
    "celeriac.builtin",
    "tests.host",
]
MIDDLEWARE = [
    "celeriac.core.middleware.TraceMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"kept": {"()": "tests.host.telemetry.KeptLines"}},
    "root": {"handlers": ["kept"], "level": "WARNING"},
    "loggers": {name: {"level": level} for name, level in LEVELS.items()},
}
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.host.urls"
STATIC_URL = "/static/"
USE_TZ = True
CELERY_BROKER_URL = os.environ["BROKER_URL"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_BEAT_SCHEDULE = {
    "often": {"task": "host.note", "schedule": 1.0, "args": ["ticked"]},
    "prune": {"task": "maintenance.prune", "schedule": 3600},
}
CELERIAC = {
    "TASKS": ["host.*"],
    "SLOT_DIRECTORY": os.environ["HOST_SLOTS"],
    "HEARTBEAT_SECONDS": 0.5,
    "WORKER_LEASE_SECONDS": 5,
}
