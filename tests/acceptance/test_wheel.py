"""The library as a stranger has it: from its wheel, in a bare project of five lines of settings."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_bytes
from textwrap import indent

import pytest

from sandbox import bootstrap
from tests.support.pages import blocks
from tests.support.processes import wait_until
from tests.support.servers import ROOT

#: What docs/library.md shows: settings, the Celery app, a kind, a job, a plugin, pages.
SHOWN = [block.text for block in blocks("python") if block.page == "docs/library.md"]
#: What the page leaves out: keys, and where this test's servers are.
PLACES = """
import os, environ
SECRET_KEY = "x" * 50
DATABASES = {"default": environ.Env.db_url_config(os.environ["BARE_DATABASE"])}
CELERY_BROKER_URL = os.environ["BARE_BROKER"]
CELERIAC = CELERIAC | {"SLOT_DIRECTORY": os.environ["BARE_SLOTS"]}
"""
SET_UP = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "acme.settings")
"""
FILES = {
    "acme/__init__.py": "from acme.celery import app",
    "acme/settings.py": SHOWN[0] + PLACES,
    "acme/celery.py": SET_UP + SHOWN[1],
    "manage.py": f"""{SET_UP}
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/apps.py": f"""
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
{indent(SHOWN[4], " " * 8)}
""",
    "shop/tasks.py": SHOWN[2],
    "ask.py": f"""
import django
django.setup()
{SHOWN[3]}
from shop.tasks import add
print(enqueue("shop.add", {{"a": 1, "b": 2}}).get(timeout=60), add.delay(3, 4).get(timeout=60))
""",
}
#: What the extras bring; a bare project has none of it.
EXTRAS = (
    *("unfold", "rest_framework", "rest_framework_simplejwt", "drf_spectacular", "flower"),
    *("django_celery_beat", "django_celery_results", "sentry_sdk", "opentelemetry", "httpx"),
    *("django_tasks", "stripe", "anymail", "axes", "gunicorn", "whitenoise"),
)
BLOCK = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel, with the tools that are there, and return its path."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, ROOT]
    done = subprocess.run(build, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = place.glob("celeriac-*.whl")
    return found


@pytest.fixture
def environment(wheel, tmp_path):
    """Make an empty environment, install the wheel in it, and return its folder.

    Where no registry can be reached its dependencies are lent by the suite's own environment,
    which has them installed already, and what extras bring is hidden.
    """
    folder = tmp_path / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    install = [bootstrap.find_uv() or "uv", "pip", "install", "--quiet"]
    install += ["--python", folder / "bin" / "python"]
    pinned = ["--constraints", ROOT / "requirements" / "base.txt", wheel]
    done = subprocess.run([*install, *pinned], capture_output=True, timeout=120, check=False)
    if done.returncode:
        print(f"The wheel's dependencies are lent: {done.stderr.decode()}")
        subprocess.run([*install, "--no-deps", wheel], check=True, timeout=60)
        packages = next((folder / "lib").glob("python3*")) / "site-packages"
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        (packages / "sitecustomize.py").write_text(BLOCK)
    return folder


@pytest.fixture
def project(environment, tmp_path, process_env, run_directory):
    """Lay out a project; return what runs the environment's Python in it."""
    for name, text in FILES.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip())
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {
        "DJANGO_SETTINGS_MODULE": "acme.settings",
        "BARE_DATABASE": process_env["DATABASE_URL"].rpartition("/")[0] + "/bare",
        "BARE_BROKER": process_env["BROKER_URL"],
        "BARE_SLOTS": str(run_directory / "bare-slots"),
    }

    def python(*arguments, wait=True):
        command = [environment / "bin" / "python", *arguments]
        options = {"cwd": tmp_path / "project", "env": env, "text": True}
        if not wait:
            return subprocess.Popen(command, **options, stderr=subprocess.DEVNULL)
        return subprocess.run(command, **options, capture_output=True, timeout=120, check=False)

    return python


@pytest.fixture
def bare_database(database_url):
    """Make an empty database beside the test's own, and drop it."""
    import psycopg

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bare WITH (FORCE)")
        connection.execute("CREATE DATABASE bare")
        yield
        connection.execute("DROP DATABASE bare WITH (FORCE)")


def test_the_wheel_holds_the_library_and_nothing_of_the_shop(wheel):
    """Templates, static files, Lua and the type marker are in it."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"celeriac"}
    for wanted in (
        "celeriac/py.typed",
        "celeriac/breakers/lua/acquire.lua",
        "celeriac/console/templates/celeriac/dashboard.html",
        "celeriac/console/static/celeriac/dashboard.js",
        "celeriac/jobs/migrations/0001_initial.py",
    ):
        assert wanted in names
    assert [name for name in names if name.endswith((".pyc", ".md"))] == []


def test_the_wheel_names_no_extra_of_this_repository(wheel):
    """Those of `pip install celeriac[…]` are documented; what our shop and suite need is ours."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("/METADATA")]
        metadata = message_from_bytes(archive.read(name))
    offered = set(metadata.get_all("Provides-Extra"))
    assert offered == {
        "admin",
        "backport",
        "flower",
        "http",
        "otel",
        "results",
        "schedules",
        "sentry",
    }
    page = (ROOT / "docs" / "library.md").read_text()
    assert {extra for extra in offered if f"`{extra}`" in page} == offered
    needed = " ".join(metadata.get_all("Requires-Dist"))
    assert not [each for each in ("pytest", "ruff", "stripe", "gunicorn") if each in needed]


def test_a_bare_project_checks_migrates_and_runs_its_kind(project, bare_database):
    """By a Celery worker and a dispatcher, with none of the extras installed.

    Its check says what it lacks, and how to add it: nothing prunes.
    """
    checked = project("manage.py", "check")
    assert checked.returncode == 0, checked.stderr
    assert "(celeriac_jobs.W018)" in checked.stderr
    assert 'Add CELERY_BEAT_SCHEDULE["celeriac prunes"]' in checked.stderr
    assert "1 issue " in checked.stderr, checked.stderr
    migrated = project("manage.py", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    worker = project("-m", "celery", "-A", "acme", "worker", "-Q", "default", "-c", "1", wait=False)
    dispatcher = project("manage.py", "dispatcher", wait=False)
    try:
        asked = project("ask.py")
        assert asked.stdout.split() == ["3", "7"], asked.stderr
    finally:
        for process in (dispatcher, worker):
            process.terminate()
        for process in (dispatcher, worker):
            process.wait(timeout=60)
    wait_until(lambda: worker.returncode is not None)
