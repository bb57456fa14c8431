"""`python -m celeriac init`: the patch that makes room for the ledger in a project."""

import re
import subprocess
import sys

import pytest

from celeriac.scanning.command import run_init
from tests.support.servers import ROOT

SETTINGS = """import os

DJANGO_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
THIRD_PARTY_APPS = [
    "django_celery_beat",
]
LOCAL_APPS = [
    "shop.users",
]
INSTALLED_APPS = DJANGO_APPS + THIRD_PARTY_APPS + LOCAL_APPS
CELERY_BROKER_URL = "redis://"
CELERY_TASK_TIME_LIMIT = 5
ROOT_URLCONF = "shop.urls"
"""
APP = "from celery import Celery\n\napp = Celery('shop')\n"
PROJECT = {
    "manage.py": "",
    "shop/__init__.py": "",
    "shop/celery.py": APP,
    "shop/settings/base.py": SETTINGS,
    "shop/settings/local.py": "from .base import INSTALLED_APPS\nINSTALLED_APPS += ['toolbar']\n",
    "requirements/base.txt": "django==6.0\ncelery-types\ncelery[redis]==5.7.0  # theirs\nredis\n",
}


@pytest.fixture
def project(tmp_path, capsys):
    """Write a project's files, and run `init` on it: (exit code, what it said, its complaints)."""

    def init(files=None, /, *, write=False, settings=""):
        for name, text in (PROJECT | (files or {}) if files != "again" else {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, newline="")
        code = run_init(tmp_path, write=write, settings=settings, version="0.1.0")
        return code, *capsys.readouterr()

    return init


def changed_lines(patch):
    """Return the lines that a patch adds and takes away."""
    return [
        line
        for line in patch.splitlines()
        if line[:1] in ("+", "-") and not line.startswith(("+++", "---"))
    ]


def test_the_patch_is_small_and_git_applies_it(project, tmp_path):
    """Apps above the project's own, the setting below Celery's, the class, the package."""
    code, patch, _ = project()
    assert code == 0
    assert changed_lines(patch) == [
        "+celeriac>=0.1",
        "-from celery import Celery",
        "+from celeriac.celery import Celery",
        '+    "django.contrib.postgres",',
        '+    "celeriac.core",',
        '+    "celeriac.breakers",',
        '+    "celeriac.jobs",',
        '+    "celeriac.builtin",',
        '+CELERIAC = {"TASKS": []}  # names of the tasks that are jobs, such as "acme.mail.*"',
    ]
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch, text=True, check=True)
    settings = (tmp_path / "shop/settings/base.py").read_text()
    found = {}
    exec(settings, found)  # noqa: S102 - our own text
    assert found["INSTALLED_APPS"][2:] == [
        "django_celery_beat", "django.contrib.postgres", "celeriac.core", "celeriac.breakers",
        "celeriac.jobs", "celeriac.builtin", "shop.users",
    ]  # fmt: skip
    assert "LIMIT = 5\nCELERIAC = " in settings
    assert project("again") == (0, "Nothing to change.\n", project("again")[2])


def test_it_writes_what_it_printed_and_then_finds_nothing_to_do(project, tmp_path):
    """Twice is once."""
    code, said, _ = project(write=True)
    assert (code, said.split()) == (
        0,
        ["changed", "requirements/base.txt", "changed", "shop/celery.py", "changed",
         "shop/settings/base.py"],
    )  # fmt: skip
    written = {path: path.read_text() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert project("again", write=True)[:2] == (0, "Nothing to change.\n")
    assert {path: path.read_text() for path in written} == written


LISTS = [
    ("INSTALLED_APPS = [\n  'a',\n  'django.contrib.postgres'\n]\n", "  'celeriac.core',\n", 4),
    ("INSTALLED_APPS = (\n    'a', 'b',\n)\n", "    'celeriac.core',\n", 5),
    ('INSTALLED_APPS = [\n\t"a",\n\t# more\n]\n', '\t"celeriac.core",\n', 5),
    ('MINE = ["x"]\nINSTALLED_APPS = [\n    "a",\n    *MINE,\n]\n', '    "celeriac.core",\n', 5),
    (
        'INSTALLED_APPS: list[str] = []\nINSTALLED_APPS = [\n    "a",\n]\n',
        '    "celeriac.jobs",\n',
        5,
    ),
]


@pytest.mark.parametrize(("text", "line", "added"), LISTS)
def test_entries_are_written_as_their_neighbours(project, tmp_path, text, line, added):
    """Quotes, indentation, a last comma: the file is Python as before."""
    assert project({"shop/settings/base.py": text}, write=True)[0] == 0
    found = {}
    written = (tmp_path / "shop/settings/base.py").read_text()
    exec(written, found)  # noqa: S102 - our own text
    assert line in written
    assert len([each for each in found["INSTALLED_APPS"] if "." in each]) == 5
    assert len(found["INSTALLED_APPS"]) - added >= 1
    assert found["CELERIAC"] == {"TASKS": []}


APPS = [
    "from celery import Celery, signals\napp = Celery('shop', set_as_current=False)\n",
    "import celery\napp = celery.Celery('shop', set_as_current=False)\n",
    "from celery import Celery\nclass Own(Celery): ...\napp = Own('shop', set_as_current=False)\n",
]


@pytest.mark.parametrize("text", APPS)
def test_the_app_becomes_the_ledgers_however_it_is_made(project, tmp_path, text):
    """By its import, also where that brings more, and by the base of a class of its own."""
    assert project({"shop/celery.py": text}, write=True)[0] == 0
    found = {}
    exec((tmp_path / "shop/celery.py").read_text(), found)  # noqa: S102 - our own text
    assert type(found["app"]).__mro__[-1] is object
    assert "celeriac.celery.app" in {cls.__module__ for cls in type(found["app"]).__mro__}


REFUSED = [
    ({"shop/celery.py": "app = None"}, "No Celery app was found"),
    ({"shop/celery.py": "from tenant_schemas_celery.app import CeleryApp\napp = CeleryApp('a')"},
     "neither Celery's nor the project's"),
    ({"shop/celery.py": "from celery import Celery as C\napp = C('a')"}, "in place of"),
    ({"shop/settings/base.py": "INSTALLED_APPS = read('apps')\n"}, "is no list of names"),
    ({"shop/settings/base.py": "INSTALLED_APPS = ['a', 'b']\n"}, "one app a line"),
    ({"shop/settings/base.py": "DEBUG = True\n"}, "lists no INSTALLED_APPS"),
    ({"other/settings.py": "INSTALLED_APPS = [\n    'a',\n]\n"}, "--settings FILE"),
    ({"requirements/base.txt": "django\n"}, "No requirements file names celery"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "reason"), REFUSED)
def test_what_can_not_be_placed_is_refused_and_nothing_is_written(project, tmp_path, files, reason):
    """In words that say what to write where."""
    code, _, said = project(files, write=True)
    assert code == 1
    assert reason in said
    for name, text in (PROJECT | files).items():
        assert (tmp_path / name).read_text() == text


def test_one_of_several_settings_can_be_named(project, tmp_path):
    """The others stay as they are."""
    other = {"other/settings.py": "INSTALLED_APPS = [\n    'a',\n]\n"}
    assert project(other, write=True, settings="shop/settings/base.py")[0] == 0
    assert "celeriac" not in (tmp_path / "other/settings.py").read_text()


def test_other_line_endings_and_files_made_from_others_are_kept(project, tmp_path):
    """A file with CRLF keeps them; pins that a tool wrote are not touched."""
    project(
        {
            "shop/settings/base.py": SETTINGS.replace("\n", "\r\n"),
            "requirements/base.in": "celery",
            "requirements/base.txt": "celery==5.7.0 --hash=sha256:0\n",
        },
        write=True,
    )
    settings = (tmp_path / "shop/settings/base.py").read_bytes()
    assert settings.count(b"\r\n") == settings.count(b"\n") == SETTINGS.count("\n") + 6
    assert (tmp_path / "requirements/base.in").read_text() == "celery\nceleriac>=0.1\n"
    assert "celeriac" not in (tmp_path / "requirements/base.txt").read_text()


def test_pyproject_gets_a_line_among_its_dependencies(project, tmp_path):
    """Quoted, with its comma."""
    text = '[project]\ndependencies = [\n    "celery-types",\n    "celery[redis]~=5.7"\n]\n'
    project({"requirements/base.txt": "", "pyproject.toml": text}, write=True)
    written = (tmp_path / "pyproject.toml").read_text()
    assert written.endswith('    "celery[redis]~=5.7",\n    "celeriac>=0.1",\n]\n')


def test_a_project_that_django_made_passes_its_checks_after(tmp_path):
    """`startproject`, a Celery app, `init --write`, `manage.py check`."""
    run = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False}
    subprocess.run([sys.executable, "-m", "django", "startproject", "acme", "."], **run)
    (tmp_path / "acme/celery.py").write_text(
        "from celery import Celery\n\napp = Celery('acme')\n"
        "app.config_from_object('django.conf:settings', namespace='CELERY')\n"
    )
    (tmp_path / "acme/__init__.py").write_text("from acme.celery import app\n")
    (tmp_path / "requirements.txt").write_text("celery\n")
    settings = tmp_path / "acme/settings.py"
    text = settings.read_text().replace(
        "django.db.backends.sqlite3", "django.db.backends.postgresql"
    )
    settings.write_text(text + 'CELERY_BROKER_URL = "redis://"\n')
    assert run_init(tmp_path, write=True, settings="", version="0.1.0") == 0
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "manage.py", "check"], env=environment, **run)
    assert done.returncode == 0, done.stderr
    # Its beat is not the ledger's: the project says how it prunes.
    assert set(re.findall(r"celeriac_\w+\.\w+", done.stderr)) <= {"celeriac_jobs.W018"}
