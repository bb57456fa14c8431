"""What a newcomer is told to do, done: each page's steps in an empty folder, on real servers."""

import os
import re
import subprocess
import sys
import zipfile

import psycopg
import pytest

from celeriac.scanning.init import APPS
from sandbox.bare import __main__ as bare
from tests.support.pages import WALKED
from tests.support.processes import Processes
from tests.support.servers import ROOT
from tests.support.steps import Walk

#: What the tutorial's reader does in the browser.
CLICKS = """
import logging
from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import setup_test_environment
from celeriac.jobs.models import Job
from plants.models import Plant

setup_test_environment()
logging.disable()
client, fern = Client(), Plant.objects.get(name="fern")
client.force_login(User.objects.get(username="ada"))
assert "fern" in client.get("/admin/plants/plant/").text
chosen = {"action": "water", "_selected_action": [fern.pk]}
asked = client.post("/admin/plants/plant/", chosen)
assert 'name="reason"' in asked.text, asked.text
before = Job.objects.filter(kind="plants.water").count()
told = {**chosen, "confirmed": "1", "reason": "it is dry"}
assert "Watered" in client.post("/admin/plants/plant/", told, follow=True).text
assert Job.objects.filter(kind="plants.water").count() > before
job = Job.objects.filter(kind="plants.water").latest("id")
page = client.get(f"/admin/celeriac_jobs/job/{job.id}/change/", follow=True)
assert f"/admin/plants/plant/{job.args['plant_id']}/change/" in page.text, page.text
print("clicked")
"""
#: What the reader of the other page looks at.
LOOKS = """
from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import setup_test_environment

setup_test_environment()
client = Client()
client.force_login(User.objects.get(username="ada"))
assert "billing.tasks.send_invoice" in client.get("/admin/celeriac_jobs/job/").text
assert "Django administration" in client.get("/admin/").text
print("looked")
"""


@pytest.fixture
def newcomer(process_env, broker, run_directory, forks, tmp_path, request):
    """Return what makes somebody with an empty database, who has the library and nothing else."""
    started, databases = [], []

    def begin(database):
        address = psycopg.conninfo.conninfo_to_dict(process_env["DATABASE_URL"])
        with psycopg.connect(process_env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}")
        databases.append(database)
        packages, folder = tmp_path / "packages", tmp_path / database
        packages.mkdir()
        folder.mkdir()
        (packages / "celeriac").symlink_to(ROOT / "celeriac")
        env = {f"PG{name.upper()}": address[name] for name in ("user", "password", "host", "port")}
        env |= {
            "BROKER_URL": os.environ["BROKER_URL"],
            "STATE_DIRECTORY": str(run_directory / database),
            "PYTHONPATH": str(packages),
            "DJANGO_SETTINGS_MODULE": f"{database}.settings",  # ours would be theirs
            "DJANGO_SUPERUSER_PASSWORD": "correct-horse",
        }
        logs = run_directory / "logs" / f"{abs(hash(request.node.nodeid)):x}"
        logs.mkdir(parents=True, exist_ok=True)
        started.append(Processes(env=env, directory=logs, forks=forks, cwd=folder))
        return Walk(folder, started[-1])

    yield begin
    for each in started:
        each.stop_all()
    with psycopg.connect(process_env["DATABASE_URL"], autocommit=True) as connection:
        for database in databases:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)")


def test_a_celery_project_is_adopted_and_goes_back(newcomer):
    """docs/adopt.md, then docs/way-back.md, in one project."""
    somebody = newcomer("acme")
    somebody.read("docs/adopt.md")
    somebody.python(f"# manage.py shell\n{LOOKS}")
    somebody.see("looked")
    somebody.read("docs/way-back.md")


def test_the_tutorial_leads_to_its_end(newcomer):
    """docs/tutorial.md, and the clicks that it asks for."""
    somebody = newcomer("garden")
    somebody.read("docs/tutorial.md")
    somebody.python(f"# manage.py shell\n{CLICKS}")
    somebody.see("clicked")


def test_the_readmes_lines_are_those_that_init_writes():
    """Its first screen and the page that a test walks can't drift apart."""
    shown = (ROOT / "README.md").read_text().partition("```python")[0]
    (apps,) = re.findall(r"^\+INSTALLED_APPS \+= \[(.*)\]$", shown, re.MULTILINE)
    assert tuple(re.findall(r'"([\w.]+)"', apps)) == APPS
    page = (ROOT / "docs" / "adopt.md").read_text()
    changed = re.findall(r"^[-+]from .*$", shown, re.MULTILINE)
    assert len(changed) == 2
    assert [line for line in changed if f"\n{line}\n" not in page] == []
    assert shown.index("pip install") < shown.index("celeriac.celery") < shown.index("line back")
    assert shown.index("line back") < shown.index("screenshots/job.png") < shown.index("make demo")


@pytest.fixture
def platform(tmp_path):
    """Make a platform without the shop; return its folder, and one with its library unpacked."""
    place = tmp_path / "bare"
    bare.make_platform(place)
    (wheel,) = (place / bare.WHEELS).glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "packages")
    return place, tmp_path / "packages"


def test_a_platform_without_the_shop_passes_its_own_suite(platform, process_env):
    """On this test's servers, with the library from its wheel; nothing of the shop is left."""
    place, packages = platform
    left = re.compile(r"apps\.(?:orders|payments|notifications)|tasks\.payments|stripe", re.I)
    written = [file for file in place.rglob("*") if file.is_file() and file.suffix != ".whl"]
    assert [
        f"{file.relative_to(place)}: {found}"
        for file in written
        if file.relative_to(place).parts[0] not in ("requirements", "tests")
        and (found := left.findall(file.read_text()))
    ] == []
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    env |= {
        "DATABASE_URL": process_env["DATABASE_URL"].rpartition("/")[0] + "/bare",
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "PYTHONPATH": str(packages),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=place, env=env, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"^\d+ passed", done.stdout.splitlines()[-1]), done.stdout[-500:]


def test_pages_that_are_walked_are_named():
    """Other tests leave their blocks to this one."""
    here = (ROOT / "tests/acceptance/test_newcomer.py").read_text()
    assert set(re.findall(r'read\("(docs/[\w-]+\.md)"\)', here)) == WALKED
