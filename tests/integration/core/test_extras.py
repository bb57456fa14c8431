"""What no extra asked for is not needed: each module of the library is imported without it."""

import subprocess
import sys

from tests.support.servers import ROOT

#: What extras bring, and our own shop; none of it is in this process.
PROGRAM = """
import sys
ABSENT = (
    *("unfold", "rest_framework", "rest_framework_simplejwt", "drf_spectacular", "flower"),
    *("django_celery_beat", "django_celery_results", "ephem", "sentry_sdk", "opentelemetry"),
    *("httpx", "stripe", "anymail", "axes", "gunicorn", "whitenoise", "django_tenants"),
)

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from django.conf import settings
core = ("core", "breakers", "jobs", "monitoring", "console", "mail", "builtin")
django_apps = ("admin", "auth", "contenttypes", "sessions", "messages", "postgres")
settings.configure(
    INSTALLED_APPS=[f"django.contrib.{name}" for name in django_apps]
    + [f"celeriac.{name}" for name in core],
    CELERY_BROKER_URL="redis://127.0.0.1:1/0",
    CELERIAC={"METRICS_PUBLISH": False},
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}},
    SECRET_KEY="x" * 50,
    USE_TZ=True,
)
import django
django.setup()
import importlib, pkgutil, celeriac
from django.contrib import admin
admin.autodiscover()
#: Folders and modules that belong to an extra, each said in docs/library.md.
OPTIONAL = (
    *("celeriac.http", "celeriac.schedules", "celeriac.builtin.schedules", "celeriac.celery.beat"),
    *("celeriac.console.admin.schedules", "celeriac.console.dashboard.schedules"),
    *("celeriac.console.doctor.schedules", "celeriac.console.management.schedules_command"),
    *("celeriac.console.results", "celeriac.celery.result_rows", "celeriac.monitoring.beats"),
    *("celeriac.monitoring.flower.upstream", "celeriac.monitoring.flower.views"),
    *("celeriac.monitoring.flower.pages", "celeriac.monitoring.flower.urls"),
)
done = 0
for found in pkgutil.walk_packages(celeriac.__path__, "celeriac."):
    if found.name.startswith(OPTIONAL) or ".migrations" in found.name or "__main__" in found.name:
        continue
    importlib.import_module(found.name)
    done += 1
loaded = sorted({name.split(".")[0] for name in sys.modules} & set(ABSENT))
print(done, loaded)
"""


def test_the_library_needs_none_of_its_extras():
    """Neither at its import, nor for the console's pages."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    count, loaded = done.stdout.split(maxsplit=1)
    assert (int(count) > 300, loaded.strip()) == (True, "[]")
