"""The test suite: real PostgreSQL and Valkey, named by the environment that conftest sets."""

from tempfile import gettempdir

import django

from config.settings.base import *  # noqa: F403 a settings module is the base and its changes
from config.settings.base import (
    CELERIAC,
    INSTALLED_APPS,
    LOG_FORMATS,
    LOGGING,
    MIDDLEWARE,
    TASKS,
    env,
)

SECRET_KEY = "test-only-not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz"  # noqa: S105 tests only
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name]
# here only: what the suite of the library has besides
STRIPE_API_KEY = env.str("STRIPE_API_KEY", default="sk_test_sandbox")
INSTALLED_APPS = [*INSTALLED_APPS, "celeriac.mail", "tests.app"]
#: Django's own Tasks, or before 6.0 their backport, whose checks its app has.
_TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
if django.VERSION < (6, 0):
    INSTALLED_APPS += [_TASKS]
#: How many jobs of a queue run at once in a process: of workers in tests, and in tests/chaos.
_queues = CELERIAC["QUEUES"] | {"payments": {"slots": env.str("TEST_SLOTS", default="threads:20")}}
if chaos := env.str("CHAOS_SLOTS", default=""):
    _queues["default"] = {"slots": chaos}
# to here
CELERIAC = CELERIAC | {
    # here only:
    "QUEUES": _queues,
    "TASKS": ["acme.*"],
    "MODULES": [*CELERIAC["MODULES"], "tests.kinds", "tests.app.moved", "tests.chaos.kinds"],
    "BREAKERS": CELERIAC["BREAKERS"] | {"mail": {}},
    # to here
    # Below what the tests remove.
    "SLOT_DIRECTORY": env.str("CELERIAC_SLOT_DIRECTORY", default=gettempdir()),
    "CALLBACK_ALLOWED_HOSTS": ["example.com", "*.example.com"],
    "CALLBACK_SECRET": "test-only-not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz",
    # A thread that writes now and then would keep the test's database from being dropped.
    "METRICS_PUBLISH": env.bool("METRICS_PUBLISH", default=False),
}
# here only:
PUBLIC_URL = "https://shop.example"
TASKS = TASKS | {
    "immediate": {"BACKEND": f"{_TASKS}.backends.immediate.ImmediateBackend"},
    "hasty": {
        "BACKEND": "celeriac.django_tasks.LedgerBackend",
        "QUEUES": ["default"],
        "OPTIONS": {"retry": {"max_attempts": 1}, "timeout": 0.3},
    },
}
# to here
LOG_FORMAT = env.word("LOG_FORMAT", LOG_FORMATS, default="line")
LOGGING["handlers"]["stderr"]["formatter"] = LOG_FORMAT
